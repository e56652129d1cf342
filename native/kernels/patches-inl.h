// The patches of an image as a matrix that is never stored: row k is a tap (channel and place in the kernel), column p a
// place of the kernel on the image. Packers write panels of it in the order that matrix products read.
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

template <class T> constexpr int64_t kWidth = hn::MaxLanes(hn::ScalableTag<T>());
// Columns of the widest panel that a product asks for, and so the most rows of places that one can touch.
constexpr int64_t kMaxPanel = 8 * 16;

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
    constexpr hn::ScalableTag<T> d;
    for (; j + kWidth<T> < end; j += kWidth<T>) {  // reads one element more than it needs
      auto even = hn::Undefined(d), odd = even;
      hn::LoadInterleaved2(d, from + 2 * j + first, even, odd);
      hn::StoreU(even, d, to + j);
    }
  }
  for (; j < end; ++j) to[j] = from[j * m.phases + first];
  for (j = end; j < m.part; ++j) to[j] = outside;
}

// One padded row from a row of an image; `outside` in the margin, and everywhere where there is no row.
template <class T> void copyRow(T* HWY_RESTRICT to, const T* HWY_RESTRICT from, int64_t in, const Margin& m, T outside) {
  if (!from) {
    for (int64_t i = 0; i < m.row; ++i) to[i] = outside;
  } else if (m.phases == 1) {
    const int64_t left = m.pad.w < 0 ? 0 : m.pad.w > m.size.w ? m.size.w : m.pad.w;
    const int64_t skip = m.pad.w < 0 ? -m.pad.w : 0;
    int64_t middle = in - skip < m.size.w - left ? in - skip : m.size.w - left;
    if (middle < 0) middle = 0;
    for (int64_t i = 0; i < left; ++i) to[i] = outside;
    std::memcpy(to + left, from + skip, static_cast<size_t>(middle) * sizeof(T));
    for (int64_t i = left + middle; i < m.size.w; ++i) to[i] = outside;
  } else {
    for (int64_t r = 0; r < m.phases; ++r, to += m.part) copyPhase(to, from, in, m, r, outside);
  }
}

// Rows [begin, end) of all channels' padded rows.
template <class T> void copyRows(T* to, const T* from, Triple in, const Margin& m, int64_t begin, int64_t end, T outside = T{0}) {
  for (int64_t r = begin; r < end; ++r) {
    const int64_t h = r % m.size.h - m.pad.h, d = r / m.size.h % m.size.d - m.pad.d, c = r / m.size.h / m.size.d;
    const bool inside = h >= 0 && h < in.h && d >= 0 && d < in.d;
    copyRow(to + r * m.row, inside ? from + ((c * in.d + d) * in.h + h) * in.w : nullptr, in.w, m, outside);
  }
}

// A row of places: `count` columns of the panel from column `at` on, first of them at `place` in the image.
struct Run {
  int64_t place, at, count;
};

// The places of a kernel on an image, numbered row-major; images follow each other after `image` elements. Place (d, h,
// w) is at d * plane + h * row + w.
template <class T> struct Patches {
  const T* base;
  const T* end;            // nothing is read from here on
  const int64_t* offsets;  // of the taps
  Triple places;
  int64_t plane, row, image;

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
void packPlaces(const Patches<T>& x, T* HWY_RESTRICT out, int64_t width, int64_t p0, int64_t p1, int64_t i0, int64_t i1) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kWidth<T>;
  Run runs[kMaxPanel];
  const int64_t n = x.runs(i0, i1, runs), count = i1 - i0;
  for (int64_t p = p0; p < p1; ++p, out += width) {
    const T* const from = x.base + x.offsets[p];
    const bool last = p == p1 - 1;
    for (int64_t r = 0; r < n; ++r) {
      const T* source = from + runs[r].place;
      T* to = out + runs[r].at;
      const int64_t length = runs[r].count;
      if (HWY_UNLIKELY(last || source + length + lanes > x.end)) {
        for (int64_t j = 0; j < length; ++j) to[j] = source[j];
      } else {
        for (int64_t j = 0; j < length; j += lanes) hn::StoreU(hn::LoadU(d, source + j), d, to + j);
      }
    }
    for (int64_t j = count; j < width; ++j) out[j] = 0;
  }
}

// A vector of 16-byte blocks, block j from rows[j * step].
template <class T, class D> hn::Vec<D> loadBlocksAt(D d, const T* const* rows, int64_t step, int64_t place) {
  if constexpr (hn::MaxLanes(D()) * sizeof(T) == 16) {
    return hn::LoadU(d, rows[0] + place);
  } else {
    const hn::Half<D> half;
    constexpr int64_t blocks = hn::MaxLanes(hn::Half<D>()) * sizeof(T) / 16;
    return hn::Combine(d, loadBlocksAt(half, rows + blocks * step, step, place), loadBlocksAt(half, rows, step, place));
  }
}

// 16 / sizeof(T) places from `place` on, of a vector of taps, each place a vector in `out`.
template <class T, class M>
HWY_INLINE void turnBlock(T* HWY_RESTRICT out, int64_t width, const T* const* rows, int64_t place, M keep) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t per = 16 / sizeof(T);
  const auto r0 = loadBlocksAt(d, rows, per, place), r1 = loadBlocksAt(d, rows + 1, per, place);
  if constexpr (per == 2) {
    hn::StoreU(hn::IfThenElseZero(keep, hn::InterleaveLower(d, r0, r1)), d, out);
    hn::StoreU(hn::IfThenElseZero(keep, hn::InterleaveUpper(d, r0, r1)), d, out + width);
  } else {
    const auto r2 = loadBlocksAt(d, rows + 2, per, place), r3 = loadBlocksAt(d, rows + 3, per, place);
    const hn::Repartition<double, decltype(d)> dd;
    const auto low01 = hn::BitCast(dd, hn::InterleaveLower(d, r0, r1)), high01 = hn::BitCast(dd, hn::InterleaveUpper(d, r0, r1));
    const auto low23 = hn::BitCast(dd, hn::InterleaveLower(d, r2, r3)), high23 = hn::BitCast(dd, hn::InterleaveUpper(d, r2, r3));
    hn::StoreU(hn::IfThenElseZero(keep, hn::BitCast(d, hn::InterleaveLower(dd, low01, low23))), d, out);
    hn::StoreU(hn::IfThenElseZero(keep, hn::BitCast(d, hn::InterleaveUpper(dd, low01, low23))), d, out + width);
    hn::StoreU(hn::IfThenElseZero(keep, hn::BitCast(d, hn::InterleaveLower(dd, high01, high23))), d, out + 2 * width);
    hn::StoreU(hn::IfThenElseZero(keep, hn::BitCast(d, hn::InterleaveUpper(dd, high01, high23))), d, out + 3 * width);
  }
}

// out[p * width + i] = patch (i, p): places along k, taps along the panel. Blocks of places are turned in registers; the
// last of a run overlaps the one before it.
template <class T>
void packTaps(const Patches<T>& x, T* HWY_RESTRICT out, int64_t width, int64_t p0, int64_t p1, int64_t i0, int64_t i1) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kWidth<T>, per = 16 / sizeof(T);
  Run runs[kMaxPanel];
  for (int64_t from = p0; from < p1; from += kMaxPanel) {
    const int64_t n = x.runs(from, from + kMaxPanel < p1 ? from + kMaxPanel : p1, runs);
    for (int64_t i = i0; i < i0 + width; i += lanes) {
      const T* rows[lanes];
      const int64_t taps = i1 - i < 0 ? 0 : i1 - i < lanes ? i1 - i : lanes;
      for (int64_t j = 0; j < lanes; ++j) rows[j] = x.base + x.offsets[j < taps ? i + j : i0];
      const auto keep = hn::FirstN(d, static_cast<size_t>(taps));
      for (int64_t r = 0; r < n; ++r) {
        T* const to = out + (from - p0 + runs[r].at) * width + (i - i0);
        const int64_t place = runs[r].place, count = runs[r].count;
        if (width - (i - i0) < lanes || count < per) {  // narrow panels have no room for a whole vector
          const int64_t room = width - (i - i0) < lanes ? width - (i - i0) : lanes;
          for (int64_t p = 0; p < count; ++p) {
            for (int64_t j = 0; j < room; ++j) to[p * width + j] = j < taps ? rows[j][place + p] : T{0};
          }
          continue;
        }
        int64_t p = 0;
        for (; p + per <= count; p += per) turnBlock(to + p * width, width, rows, place + p, keep);
        if (p < count) turnBlock(to + (count - per) * width, width, rows, place + count - per, keep);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
