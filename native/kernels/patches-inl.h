// The patches of an image as a matrix that is never stored: row k is a tap (channel and place in the kernel), column p
// a place of the kernel on the image. Packers write panels of it in the order that matrix products read.
//
// The image is first copied with its margin, its columns sorted by their remainder modulo the stride (`Margin`). After
// that every tap is one offset, every row of places is contiguous in memory, and nothing needs a bounds check; the
// gradient of the input, with any stride, is the same on the gradient of the output, for each remainder a part of the
// taps.
#if defined(TENFOLD_PATCHES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_PATCHES_INL_H_
#undef TENFOLD_PATCHES_INL_H_
#else
#define TENFOLD_PATCHES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "kernels/geometry.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
constexpr int64_t kWidth = hn::MaxLanes(hn::ScalableTag<T>());
// Columns of the widest panel that a product asks for, and so the most rows of places that one can touch.
constexpr int64_t kMaxPanel = 8 * 16;

// to[j] = from[2 * j] for j in [begin, end) in vectors, reading below `limit` only; returns how far it came.
template <class D, class T = hn::TFromD<D>>
int64_t copyEverySecond(D d, T* HWY_RESTRICT to, const T* HWY_RESTRICT from, int64_t begin, int64_t end,
                        int64_t limit) {
  constexpr int64_t lanes = hn::MaxLanes(D());
  int64_t j = begin;
  while (j < end && end - begin >= lanes) {
    if (j + lanes > end) j = end - lanes;  // the last vector overlaps the one before it
    auto even = hn::Undefined(d), odd = even;
    if (2 * (j + lanes) <= limit) {
      hn::LoadInterleaved2(d, from + 2 * j, even, odd);
      hn::StoreU(even, d, to + j);
    } else if (j > begin) {
      hn::LoadInterleaved2(d, from + 2 * j - 1, even, odd);
      hn::StoreU(odd, d, to + j);
    } else {
      return j;
    }
    j += lanes;
  }
  return j;
}

// The columns of a padded row whose remainder is r.
template <class T>
void copyPhase(T* HWY_RESTRICT to, const T* HWY_RESTRICT from, int64_t in, const Margin& m, int64_t r, T outside) {
  const int64_t first = r - m.pad.w;  // of column 0 in the image
  int64_t begin = first < 0 ? (-first + m.phases - 1) / m.phases : 0;
  int64_t end = in > first ? (in - first + m.phases - 1) / m.phases : 0;
  if (begin > m.part) begin = m.part;
  if (end > m.part) end = m.part;
  if (end < begin) end = begin;
  for (int64_t j = 0; j < begin; ++j) to[j] = outside;
  int64_t j = begin;
  if (m.phases == 2) {
    if (end - j >= kWidth<T>) {
      j = copyEverySecond(hn::ScalableTag<T>(), to, from + first, j, end, in - first);
    } else {
      j = copyEverySecond(hn::CappedTag<T, 8>(), to, from + first, j, end, in - first);
    }
  }
  for (; j < end; ++j) to[j] = from[j * m.phases + first];
  for (j = end; j < m.part; ++j) to[j] = outside;
}

template <class T>
HWY_INLINE void fillRow(T* to, T value, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = value;
}
// Short rows, where a call of memcpy is the larger part.
template <class T>
HWY_INLINE void moveRow(T* HWY_RESTRICT to, const T* HWY_RESTRICT from, int64_t n) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kWidth<T>;
  if (n < lanes) {
#if HWY_TARGET == HWY_AVX3
    const auto some = hn::FirstN(d, static_cast<size_t>(n));
    hn::BlendedStore(hn::MaskedLoad(some, d, from), some, d, to);
#else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
#endif
    return;
  }
  for (int64_t i = 0; i + lanes < n; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  hn::StoreU(hn::LoadU(d, from + n - lanes), d, to + n - lanes);
}

// Rows [begin, end) of all channels' padded rows; `outside` in the margin.
template <class T>
void copyRows(T* to, const T* from, Triple in, const Margin& m, int64_t begin, int64_t end, T outside = T{0}) {
  // Where the image's columns lie in a padded row, which of them.
  const int64_t left = m.pad.w < 0 ? 0 : m.pad.w < m.row ? m.pad.w : m.row, skip = m.pad.w < 0 ? -m.pad.w : 0;
  int64_t middle = in.w - skip < m.row - left ? in.w - skip : m.row - left;
  if (middle < 0) middle = 0;
  int64_t h = begin % m.size.h, d = begin / m.size.h % m.size.d, c = begin / m.size.h / m.size.d;
  to += begin * m.row;
  for (int64_t r = begin; r < end; ++r, to += m.row) {
    const int64_t ih = h - m.pad.h, id = d - m.pad.d;
    if (ih < 0 || ih >= in.h || id < 0 || id >= in.d) {
      fillRow(to, outside, m.row);
    } else {
      const T* const row = from + ((c * in.d + id) * in.h + ih) * in.w;
      if (m.phases == 1) {
        fillRow(to, outside, left);
        moveRow(to + left, row + skip, middle);
        fillRow(to + left + middle, outside, m.row - left - middle);
      } else {
        for (int64_t p = 0; p < m.phases; ++p) copyPhase(to + p * m.part, row, in.w, m, p, outside);
      }
    }
    if (++h < m.size.h) continue;
    h = 0;
    if (++d < m.size.d) continue;
    d = 0;
    ++c;
  }
}

// A row of places: `count` columns of the panel from column `at` on, first of them at `place` in the image.
struct Run {
  int64_t place, at, count;
};

// The places of a kernel on an image, numbered row-major; images follow each other after `image` elements. Place (d, h,
// w) is at d * plane + h * row + w.
template <class T>
struct Patches {
  const T* base;
  const T* end;            // nothing is read from here on
  const int64_t* offsets;  // of the taps
  Triple places;
  int64_t plane, row, image;
  int64_t images;

  int64_t perImage() const { return places.count(); }

  // The runs of places [i0, i1); returns how many.
  int64_t runs(int64_t i0, int64_t i1, Run* out) const {
    int64_t n = 0, i = i0;
    int64_t w = i % places.w, rows = i / places.w;
    while (i < i1) {
      const int64_t h = rows % places.h, d = rows / places.h % places.d, b = rows / places.h / places.d;
      int64_t count = places.w - w;
      if (count > i1 - i) count = i1 - i;
      out[n++] = {b * image + d * plane + h * row + w, i - i0, count};
      i += count;
      w = 0;
      ++rows;
    }
    return n;
  }
};

// out[p * width + i] = patch (p, i): taps along k, places along the panel. Runs are copied in whole vectors; what
// they write too much is overwritten by what follows, but for the last row.
template <class T>
void packPlaces(const Patches<T>& x, T* HWY_RESTRICT out, int64_t width, int64_t p0, int64_t p1, int64_t i0,
                int64_t i1) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kWidth<T>;
  Run runs[kMaxPanel];
  const int64_t n = x.runs(i0, i1, runs), count = i1 - i0;
  int64_t furthest = 0, longest = 0;
  for (int64_t p = p0; p < p1; ++p) furthest = furthest < x.offsets[p] ? x.offsets[p] : furthest;
  for (int64_t r = 0; r < n; ++r) longest = longest < runs[r].count ? runs[r].count : longest;
  const bool inside = x.base + furthest + runs[n - 1].place + runs[n - 1].count + lanes <= x.end;
  for (int64_t p = p0; p < p1; ++p, out += width) {
    const T* const from = x.base + x.offsets[p];
    if (HWY_UNLIKELY(p == p1 - 1 || !inside)) {
      for (int64_t r = 0; r < n; ++r)
        std::memcpy(out + runs[r].at, from + runs[r].place, static_cast<size_t>(runs[r].count) * sizeof(T));
    } else if (longest <= lanes) {
      for (int64_t r = 0; r < n; ++r) hn::StoreU(hn::LoadU(d, from + runs[r].place), d, out + runs[r].at);
    } else {
      for (int64_t r = 0; r < n; ++r) {
        const T* const source = from + runs[r].place;
        T* const to = out + runs[r].at;
        for (int64_t j = 0; j < runs[r].count; j += lanes) hn::StoreU(hn::LoadU(d, source + j), d, to + j);
      }
    }
    for (int64_t j = count; j < width; ++j) out[j] = 0;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
