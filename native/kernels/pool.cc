// Pooling of planes (one channel of one image): maxima with their places, and averages; and what undoes them.
//
// Sizes are depth, height and width; divisor is 0 where there is none.
// index: places in the input's plane, int32 for float32 and int64 otherwise; 0 where none are wanted. -1 where a window
// has no element: nothing comes from there, and no gradient goes. planeScatter adds [planes, few] to zeros [planes,
// many] at index, planeUnpool puts them there, planeGather reads them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pool.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>
#include <limits>
#include <string>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/geometry.h"
#include "kernels/patches-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "workspace.h"

#ifndef TENFOLD_POOL_INDEX_
#define TENFOLD_POOL_INDEX_
namespace tenfold {
template <class T>
struct PoolIndex {
  using Type = int64_t;
};
template <>
struct PoolIndex<float> {
  using Type = int32_t;
};
}  // namespace tenfold
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

template <class T>
using Index = typename PoolIndex<T>::Type;
template <class T>
constexpr bool kIsInteger = T(0.5) == T(0);
template <class T>
constexpr T kLowest = kIsInteger<T> ? std::numeric_limits<T>::min() : -std::numeric_limits<T>::infinity();

// Elements that a thread pools in about 10 us.
constexpr int64_t kGrain = 1 << 15;

template <class F>
void eachPlane(int64_t planes, int64_t work, const F& f) {
  parallelFor(planes, kGrain / (work < 1 ? 1 : work) + 1, f, 1);
}

// What begins at `start` with `kernel` taps, without what lies in the margin.
struct Window {
  int64_t begin, end;
  int64_t size;  // with the margin
};
struct Windows {
  Triple in, kernel, out, stride, pad;
  bool adaptive;

  Window at(int dim, int64_t o) const {
    const int64_t n = in[dim];
    if (adaptive) {
      const int64_t begin = o * n / out[dim], end = ((o + 1) * n + out[dim] - 1) / out[dim];
      return {begin, end, end - begin};
    }
    const int64_t start = o * stride[dim] - pad[dim];
    const int64_t stop = start + kernel[dim] < n + pad[dim] ? start + kernel[dim] : n + pad[dim];
    return {start < 0 ? 0 : start, stop < n ? stop : n, stop - start};
  }
};

// ---- maxima ------------------------------------------------------------------------------------------------------

#define TENFOLD_MAX_POOL "planes, size[3], kernel[3], result[3], stride[3], padding[3], dilation[3], "
struct MaxGeometry {
  int64_t planes;
  Triple in, kernel, out, stride, pad, dilation;
  explicit MaxGeometry(Frame& f)
      : planes(f.i64()),
        in(readTriple(f)),
        kernel(readTriple(f)),
        out(readTriple(f)),
        stride(readTriple(f)),
        pad(readTriple(f)),
        dilation(readTriple(f)) {
    checkPositive({in, kernel, out, stride, dilation});
  }

  // 2 x 2 windows side by side, which most networks pool with.
  bool isHalving() const {
    return in.d == 1 && out.d == 1 && kernel.d == 1 && pad.count() == 0 && pad.h == 0 && pad.w == 0 && kernel.h == 2 &&
           kernel.w == 2 && stride.h == 2 && stride.w == 2 && dilation.h == 1 && dilation.w == 1 && 2 * out.h <= in.h &&
           2 * out.w <= in.w;
  }
  // The first place of a window that is not in the margin. Behind the image where none is: a window of which only the
  // gaps between its taps meet the image.
  int64_t first(int dim, int64_t o) const {
    const int64_t at = o * stride[dim] - pad[dim];
    return at < 0 ? at + (dilation[dim] - 1 - at) / dilation[dim] * dilation[dim] : at;
  }
  bool misses(int dim, int64_t o) const { return first(dim, o) >= in[dim]; }
};

// Later elements replace earlier ones where they are greater or NaN, as in PyTorch. (Ne(x, x) would not do: on AVX it
// is ordered.)
template <class T>
bool replaces(T x, T best) {
  return x > best || x != x;
}
template <class V>
auto replacesAll(V x, V best) {
  return hn::Or(hn::Gt(x, best), hn::Not(hn::Eq(x, x)));
}

template <class T>
struct Halve {
  const MaxGeometry& g;
  const T* in;
  T* out;
  Index<T>* index;

  void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t h = 0; h < g.out.h; ++h) {
        const int64_t at = (p * g.out.h + h) * g.out.w;
        row(in + (p * g.in.h + 2 * h) * g.in.w, static_cast<Index<T>>(2 * h * g.in.w), out + at,
            index ? index + at : nullptr);
      }
    }
  }

  // Rows shorter than a vector take a shorter one.
  void row(const T* top, Index<T> place, T* to, Index<T>* places) const {
    const int64_t n = g.out.w;
    if (n >= kWidth<T>) return rowBy(hn::ScalableTag<T>(), top, place, to, places);
    if (n >= 8) return rowBy(hn::CappedTag<T, 8>(), top, place, to, places);
    rowBy(hn::CappedTag<T, 4>(), top, place, to, places);
  }
  template <class D>
  void rowBy(D d, const T* top, Index<T> place, T* to, Index<T>* places) const {
    const hn::RebindToSigned<D> di;
    constexpr int64_t lanes = hn::MaxLanes(D());
    const int64_t n = g.out.w;
    const Index<T> width = static_cast<Index<T>>(g.in.w);
    const T* const bottom = top + width;
    int64_t w = 0;
    // The last vector overlaps the one before it.
    while (w < n && n >= lanes) {
      if (w + lanes > n) w = n - lanes;
      auto best = hn::Undefined(d), b = best, c = best, e = best;
      hn::LoadInterleaved2(d, top + 2 * w, best, b);
      hn::LoadInterleaved2(d, bottom + 2 * w, c, e);
      const auto second = replacesAll(b, best);
      best = hn::IfThenElse(second, b, best);
      const auto third = replacesAll(c, best);
      best = hn::IfThenElse(third, c, best);
      const auto fourth = replacesAll(e, best);
      hn::StoreU(hn::IfThenElse(fourth, e, best), d, to + w);
      if (places) {
        auto step = hn::IfThenElseZero(hn::RebindMask(di, second), hn::Set(di, 1));
        step = hn::IfThenElse(hn::RebindMask(di, third), hn::Set(di, width), step);
        step = hn::IfThenElse(hn::RebindMask(di, fourth), hn::Set(di, width + 1), step);
        const auto base = hn::Iota(di, static_cast<Index<T>>(0));
        const auto left =
            hn::Add(hn::Add(base, base), hn::Set(di, static_cast<Index<T>>(place + 2 * static_cast<Index<T>>(w))));
        hn::StoreU(hn::Add(left, step), di, places + w);
      }
      w += lanes;
    }
    for (; w < n; ++w) {
      const T four[4] = {top[2 * w], top[2 * w + 1], bottom[2 * w], bottom[2 * w + 1]};
      const Index<T> steps[4] = {0, 1, width, static_cast<Index<T>>(width + 1)};
      int best = 0;
      for (int i = 1; i < 4; ++i) best = replaces(four[i], four[best]) ? i : best;
      to[w] = four[best];
      if (places) places[w] = static_cast<Index<T>>(place + 2 * w) + steps[best];
    }
  }
};

// Any window: the plane is copied with a margin of -inf, its columns sorted by their remainder modulo the stride, so
// that each tap is a contiguous row.
template <class T>
struct MaxPool {
  const MaxGeometry& g;
  const Margin& margin;
  const T* in;
  T* out;
  Index<T>* index;

  void operator()(int64_t begin, int64_t end) const {
    const int64_t lanes = kWidth<T>;
    T* const copy =
        static_cast<T*>(workspace(Workspace::image, static_cast<size_t>(margin.channel + lanes) * sizeof(T)));
    // A row of results in the making, and the first place of each column.
    char* const rows = static_cast<char*>(
        workspace(Workspace::result, static_cast<size_t>(g.out.w + lanes) * (sizeof(T) + 2 * sizeof(Index<T>))));
    T* const best = reinterpret_cast<T*>(rows);
    Index<T>* const firsts = reinterpret_cast<Index<T>*>(rows + static_cast<size_t>(g.out.w + lanes) * sizeof(T));
    Index<T>* const places = firsts + g.out.w + lanes;
    for (int64_t w = 0; w < g.out.w + lanes; ++w) firsts[w] = static_cast<Index<T>>(g.first(2, w < g.out.w ? w : 0));
    for (int64_t p = begin; p < end; ++p) {
      copyRows(copy, in + p * g.in.count(), g.in, margin, 0, margin.size.d * margin.size.h, kLowest<T>);
      for (int64_t r = 0; r < g.out.d * g.out.h; ++r) {
        row(copy, r / g.out.h, r % g.out.h, firsts, best, places);
        if (index) forgetEmpty(r / g.out.h, r % g.out.h, firsts, places);
        const int64_t at = p * g.out.count() + r * g.out.w;
        std::memcpy(out + at, best, static_cast<size_t>(g.out.w) * sizeof(T));
        if (index) std::memcpy(index + at, places, static_cast<size_t>(g.out.w) * sizeof(Index<T>));
      }
    }
  }

  // Windows that miss the image have no place.
  void forgetEmpty(int64_t od, int64_t oh, const Index<T>* firsts, Index<T>* places) const {
    const bool all = g.misses(0, od) || g.misses(1, oh);
    for (int64_t w = 0; w < g.out.w; ++w) {
      if (all || firsts[w] >= g.in.w) places[w] = -1;
    }
  }
  void row(const T* image, int64_t od, int64_t oh, const Index<T>* firsts, T* best, Index<T>* places) const {
    const hn::ScalableTag<T> d;
    const hn::ScalableTag<Index<T>> di;
    const Index<T> start = static_cast<Index<T>>((g.first(0, od) * g.in.h + g.first(1, oh)) * g.in.w);
    const auto count = hn::Iota(di, static_cast<Index<T>>(0));
    auto steps = hn::Zero(di);  // lane * stride, without a product, which Highway has not for 64 bits everywhere
    for (int64_t i = 0; i < g.stride.w; ++i) steps = hn::Add(steps, count);
    for (int64_t w = 0; w < g.out.w; w += kWidth<T>) {
      auto top = hn::Set(d, kLowest<T>);
      auto place = hn::Add(hn::LoadU(di, firsts + w), hn::Set(di, start));
      for (int64_t kd = 0; kd < g.kernel.d; ++kd) {
        for (int64_t kh = 0; kh < g.kernel.h; ++kh) {
          const int64_t pd = od * g.stride.d + kd * g.dilation.d, ph = oh * g.stride.h + kh * g.dilation.h;
          const T* const from = image + pd * margin.plane + ph * margin.row + w;
          const int64_t rowAt = ((pd - g.pad.d) * g.in.h + ph - g.pad.h) * g.in.w - g.pad.w + w * g.stride.w;
          for (int64_t kw = 0; kw < g.kernel.w; ++kw) {
            const auto x = hn::LoadU(d, from + margin.column(kw * g.dilation.w));
            const auto better = replacesAll(x, top);
            top = hn::IfThenElse(better, x, top);
            if (!index) continue;
            const auto here = hn::Add(steps, hn::Set(di, static_cast<Index<T>>(rowAt + kw * g.dilation.w)));
            place = hn::IfThenElse(hn::RebindMask(di, better), here, place);
          }
        }
      }
      hn::StoreU(top, d, best + w);
      hn::StoreU(place, di, places + w);
    }
  }
};

constexpr char kMaxPoolFrame[] =
    TENFOLD_MAX_POOL "in x[planes*size], out y[planes*result], out? index[planes*result]: i32|i64";
template <class T>
void runMaxPool(const Kernel&, Frame f) {
  const MaxGeometry g(f);
  const T* const in = f.ptr<const T>();
  T* const out = f.ptr<T>();
  Index<T>* const index = f.ptr<Index<T>>();
  if constexpr (!kIsInteger<T>) {
    if (g.isHalving()) return eachPlane(g.planes, g.in.count(), Halve<T>{g, in, out, index});
  }
  Triple size{};
  for (int i = 0; i < 3; ++i) size[i] = (g.out[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] + 1;
  const Margin margin(size, g.pad, g.stride.w);
  eachPlane(g.planes, g.in.count() + g.out.count() * g.kernel.count() / 4, MaxPool<T>{g, margin, in, out, index});
}

template <class T>
struct AdaptiveMaxPool {
  const Windows& g;
  const T* in;
  T* out;
  Index<T>* index;
  void operator()(int64_t begin, int64_t end) const {
    int64_t at = begin * g.out.count();
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t d = 0; d < g.out.d; ++d) {
        for (int64_t h = 0; h < g.out.h; ++h) {
          for (int64_t w = 0; w < g.out.w; ++w, ++at)
            one(in + p * g.in.count(), g.at(0, d), g.at(1, h), g.at(2, w), at);
        }
      }
    }
  }
  void one(const T* plane, Window d, Window h, Window w, int64_t at) const {
    T best = kLowest<T>;
    int64_t place = (d.begin * g.in.h + h.begin) * g.in.w + w.begin;
    for (int64_t i = d.begin; i < d.end; ++i) {
      for (int64_t j = h.begin; j < h.end; ++j) {
        for (int64_t k = w.begin; k < w.end; ++k) {
          const int64_t here = (i * g.in.h + j) * g.in.w + k;
          if (replaces(plane[here], best)) best = plane[here], place = here;
        }
      }
    }
    out[at] = best;
    if (index) index[at] = static_cast<Index<T>>(place);
  }
};

constexpr char kAdaptiveMaxPoolFrame[] =
    "planes, size[3], result[3], in x[planes*size], out y[planes*result], out? index[planes*result]: i32|i64";
template <class T>
void runAdaptiveMaxPool(const Kernel&, Frame f) {
  const int64_t planes = f.i64();
  const Triple in = readTriple(f), out = readTriple(f);
  checkPositive({in, out});
  const Windows g{in, {}, out, {}, {}, true};
  const T* const from = f.ptr<const T>();
  T* const to = f.ptr<T>();
  eachPlane(planes, in.count() * 2, AdaptiveMaxPool<T>{g, from, to, f.ptr<Index<T>>()});
}

template <class T, class I, bool kAdd>
struct Scatter {
  int64_t few, many, shared;
  const T* from;
  const I* index;
  T* to;
  void operator()(int64_t begin, int64_t end) const {
    std::memset(to + begin * many, 0, static_cast<size_t>((end - begin) * many) * sizeof(T));
    for (int64_t p = begin; p < end; ++p) {
      T* const plane = to + p * many;
      const T* const values = from + p * few;
      const I* const places = index + p / shared * few;
      for (int64_t i = 0; i < few; ++i) {
        if constexpr (kAdd) {
          if (places[i] >= 0) plane[places[i]] += values[i];
        } else {
          plane[places[i]] = values[i];
        }
      }
    }
  }
};
template <class T, class I>
struct Gather {
  int64_t few, many, shared;
  const T* from;
  const I* index;
  T* to;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      const I* const places = index + p / shared * few;
      for (int64_t i = 0; i < few; ++i) to[p * few + i] = places[i] < 0 ? T{0} : from[p * many + places[i]];
    }
  }
};

template <class I>
void checkIndices(const I* index, int64_t n, int64_t many) {
  for (int64_t i = 0; i < n; ++i) {
    if (index[i] < 0 || index[i] >= many) {
      throw KernelError("RangeError", "index " + std::to_string(index[i]) + " is out of range for a plane of " +
                                          std::to_string(many) + " elements");
    }
  }
}

template <class T, class I, int kWhich>
void indexed(int64_t planes, int64_t few, int64_t many, int64_t shared, const T* from, const void* at, T* to) {
  const I* const index = static_cast<const I*>(at);
  if constexpr (kWhich == 1)
    checkIndices(index, planes * few, many);  // the others get what a kernel made, or has checked
  if constexpr (kWhich == 2) {
    eachPlane(planes, 2 * few, Gather<T, I>{few, many, shared, from, index, to});
  } else {
    eachPlane(planes, many, Scatter<T, I, kWhich == 0>{few, many, shared, from, index, to});
  }
}
constexpr char kScatterFrame[] =
    "planes, few, many, in from[planes*few], in index[few]: i32|i64, wide, shared, out to[planes*many]";
constexpr char kGatherFrame[] =
    "planes, few, many, in from[planes*many], in index[few]: i32|i64, wide, shared, out to[planes*few]";
template <class T, int kWhich>
void runIndexed(const Kernel&, Frame f) {
  const int64_t planes = f.i64(), few = f.i64(), many = f.i64();
  const T* const from = f.ptr<const T>();
  const void* const index = f.ptr<const void>();
  const bool wide = f.flag();
  const int64_t shared = f.i64();
  T* const to = f.ptr<T>();
  if (wide) {
    indexed<T, int64_t, kWhich>(planes, few, many, shared, from, index, to);
  } else {
    indexed<T, int32_t, kWhich>(planes, few, many, shared, from, index, to);
  }
}

// The gradient of Halve: every input is written once, the gradient or zero.
template <class T>
struct HalveGradient {
  const MaxGeometry& g;
  const T* gradOut;
  const Index<T>* index;
  T* gradIn;

  void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      T* const plane = gradIn + p * g.in.count();
      for (int64_t h = 0; h < g.out.h; ++h) {
        const int64_t at = (p * g.out.h + h) * g.out.w;
        row(gradOut + at, index + at, static_cast<Index<T>>(2 * h * g.in.w), plane + 2 * h * g.in.w);
      }
      std::memset(plane + 2 * g.out.h * g.in.w, 0, static_cast<size_t>((g.in.h - 2 * g.out.h) * g.in.w) * sizeof(T));
    }
  }

  void row(const T* gradient, const Index<T>* places, Index<T> place, T* top) const {
    const int64_t n = g.out.w;
    if (n >= kWidth<T>) return rowBy(hn::ScalableTag<T>(), gradient, places, place, top);
    if (n >= 8) return rowBy(hn::CappedTag<T, 8>(), gradient, places, place, top);
    rowBy(hn::CappedTag<T, 4>(), gradient, places, place, top);
  }
  template <class D>
  void rowBy(D d, const T* gradient, const Index<T>* places, Index<T> place, T* top) const {
    const hn::RebindToSigned<D> di;
    constexpr int64_t lanes = hn::MaxLanes(D());
    const int64_t n = g.out.w;
    const Index<T> width = static_cast<Index<T>>(g.in.w);
    T* const bottom = top + width;
    int64_t w = 0;
    while (w < n && n >= lanes) {
      if (w + lanes > n) w = n - lanes;
      const auto x = hn::LoadU(d, gradient + w);
      const auto base = hn::Iota(di, static_cast<Index<T>>(0));
      const auto left =
          hn::Add(hn::Add(base, base), hn::Set(di, static_cast<Index<T>>(place + 2 * static_cast<Index<T>>(w))));
      const auto step = hn::Sub(hn::LoadU(di, places + w), left);
      const auto a = hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(step, hn::Zero(di))), x);
      const auto b = hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(step, hn::Set(di, 1))), x);
      const auto c = hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(step, hn::Set(di, width))), x);
      const auto e =
          hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(step, hn::Set(di, static_cast<Index<T>>(width + 1)))), x);
      hn::StoreInterleaved2(a, b, d, top + 2 * w);
      hn::StoreInterleaved2(c, e, d, bottom + 2 * w);
      w += lanes;
    }
    for (; w < n; ++w) {
      const Index<T> left = static_cast<Index<T>>(place + 2 * w), at = places[w];
      top[2 * w] = at == left ? gradient[w] : T{0};
      top[2 * w + 1] = at == left + 1 ? gradient[w] : T{0};
      bottom[2 * w] = at == left + width ? gradient[w] : T{0};
      bottom[2 * w + 1] = at == left + width + 1 ? gradient[w] : T{0};
    }
    for (w = 2 * n; w < width; ++w) top[w] = bottom[w] = 0;
  }
};

constexpr char kMaxPoolGradientFrame[] =
    TENFOLD_MAX_POOL "in gradY[planes*result], in index[planes*result]: i32|i64, out gradX[planes*size]";
template <class T>
void runMaxPoolGradient(const Kernel&, Frame f) {
  const MaxGeometry g(f);
  const T* const gradOut = f.ptr<const T>();
  const Index<T>* const index = f.ptr<const Index<T>>();
  T* const gradIn = f.ptr<T>();
  if (g.isHalving()) return eachPlane(g.planes, g.in.count(), HalveGradient<T>{g, gradOut, index, gradIn});
  indexed<T, Index<T>, 0>(g.planes, g.out.count(), g.in.count(), 1, gradOut, index, gradIn);
}

// ---- averages ----------------------------------------------------------------------------------------------------

template <class T>
struct Average {
  Windows windows;
  bool includePad;
  T divisor;  // 0: the number of elements

  T over(const Window& d, const Window& h, const Window& w) const {
    if (divisor != 0) return divisor;
    if (includePad) return static_cast<T>(d.size * h.size * w.size);
    return static_cast<T>((d.end - d.begin) * (h.end - h.begin) * (w.end - w.begin));
  }
};

template <class T>
void addRow(T* HWY_RESTRICT to, const T* HWY_RESTRICT from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i];
}

// Rows of a window are added first, in vectors; then columns.
template <class T>
struct AvgPool {
  const Average<T>& a;
  const T* from;
  T* to;

  void operator()(int64_t begin, int64_t end) const {
    const Windows& g = a.windows;
    T* const sums = static_cast<T*>(workspace(Workspace::result, static_cast<size_t>(g.in.w) * sizeof(T)));
    T* out = to + begin * g.out.count();
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t r = 0; r < g.out.d * g.out.h; ++r, out += g.out.w) {
        const Window d = g.at(0, r / g.out.h), h = g.at(1, r % g.out.h);
        std::memset(sums, 0, static_cast<size_t>(g.in.w) * sizeof(T));
        for (int64_t i = d.begin; i < d.end; ++i) {
          for (int64_t j = h.begin; j < h.end; ++j)
            addRow(sums, from + ((p * g.in.d + i) * g.in.h + j) * g.in.w, g.in.w);
        }
        for (int64_t o = 0; o < g.out.w; ++o) {
          const Window w = g.at(2, o);
          T sum = 0;
          for (int64_t k = w.begin; k < w.end; ++k) sum += sums[k];
          out[o] = w.begin < w.end && h.begin < h.end && d.begin < d.end ? sum / a.over(d, h, w) : T{0};
        }
      }
    }
  }
};

template <class T>
struct AvgPoolGradient {
  const Average<T>& a;
  const T* from;
  T* to;

  void operator()(int64_t begin, int64_t end) const {
    const Windows& g = a.windows;
    T* const row = static_cast<T*>(workspace(Workspace::result, static_cast<size_t>(g.in.w) * sizeof(T)));
    const T* gradient = from + begin * g.out.count();
    std::memset(to + begin * g.in.count(), 0, static_cast<size_t>((end - begin) * g.in.count()) * sizeof(T));
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t r = 0; r < g.out.d * g.out.h; ++r, gradient += g.out.w) {
        const Window d = g.at(0, r / g.out.h), h = g.at(1, r % g.out.h);
        if (d.begin >= d.end || h.begin >= h.end) continue;
        std::memset(row, 0, static_cast<size_t>(g.in.w) * sizeof(T));
        for (int64_t o = 0; o < g.out.w; ++o) {
          const Window w = g.at(2, o);
          if (w.begin >= w.end) continue;
          const T share = gradient[o] / a.over(d, h, w);
          for (int64_t k = w.begin; k < w.end; ++k) row[k] += share;
        }
        for (int64_t i = d.begin; i < d.end; ++i) {
          for (int64_t j = h.begin; j < h.end; ++j) addRow(to + ((p * g.in.d + i) * g.in.h + j) * g.in.w, row, g.in.w);
        }
      }
    }
  }
};

#define TENFOLD_AVG_POOL "planes, size[3], kernel[3], result[3], stride[3], padding[3], includePad, divisor: f64, "
constexpr char kAvgPoolFrame[] = TENFOLD_AVG_POOL "in x[planes*size], out y[planes*result]";
constexpr char kAvgPoolGradientFrame[] = TENFOLD_AVG_POOL "in gradY[planes*result], out gradX[planes*size]";
template <class T, template <class> class Task>
void runAvgPool(const Kernel&, Frame f) {
  const int64_t planes = f.i64();
  const Triple in = readTriple(f), kernel = readTriple(f), out = readTriple(f), stride = readTriple(f),
               pad = readTriple(f);
  checkPositive({in, kernel, out, stride});
  const bool includePad = f.flag();
  const Average<T> a{{in, kernel, out, stride, pad, false}, includePad, static_cast<T>(f.f64())};
  const T* const from = f.ptr<const T>();
  eachPlane(planes, in.count() + out.count() * kernel.count(), Task<T>{a, from, f.ptr<T>()});
}
constexpr char kAdaptiveAvgPoolFrame[] = "planes, size[3], result[3], in x[planes*size], out y[planes*result]";
constexpr char kAdaptiveAvgPoolGradientFrame[] =
    "planes, size[3], result[3], in gradY[planes*result], out gradX[planes*size]";
template <class T, template <class> class Task>
void runAdaptiveAvgPool(const Kernel&, Frame f) {
  const int64_t planes = f.i64();
  const Triple in = readTriple(f), out = readTriple(f);
  checkPositive({in, out});
  const Average<T> a{{in, {}, out, {}, {}, true}, false, T{0}};
  const T* const from = f.ptr<const T>();
  eachPlane(planes, 2 * in.count() + out.count(), Task<T>{a, from, f.ptr<T>()});
}

extern const Kernel kPool[];
const Kernel kPool[] = {
    {"maxPool", DType::f32, runMaxPool<float>, kMaxPoolFrame},
    {"maxPool", DType::f64, runMaxPool<double>, kMaxPoolFrame},
    {"maxPoolGradient", DType::f32, runMaxPoolGradient<float>, kMaxPoolGradientFrame},
    {"maxPoolGradient", DType::f64, runMaxPoolGradient<double>, kMaxPoolGradientFrame},
    {"adaptiveMaxPool", DType::f32, runAdaptiveMaxPool<float>, kAdaptiveMaxPoolFrame},
    {"adaptiveMaxPool", DType::f64, runAdaptiveMaxPool<double>, kAdaptiveMaxPoolFrame},
    {"planeScatter", DType::f32, runIndexed<float, 0>, kScatterFrame},
    {"planeScatter", DType::f64, runIndexed<double, 0>, kScatterFrame},
    {"planeUnpool", DType::f32, runIndexed<float, 1>, kScatterFrame},
    {"planeUnpool", DType::f64, runIndexed<double, 1>, kScatterFrame},
    {"planeGather", DType::f32, runIndexed<float, 2>, kGatherFrame},
    {"planeGather", DType::f64, runIndexed<double, 2>, kGatherFrame},
    {"avgPool", DType::f32, runAvgPool<float, AvgPool>, kAvgPoolFrame},
    {"avgPool", DType::f64, runAvgPool<double, AvgPool>, kAvgPoolFrame},
    {"avgPool", DType::i64, runAvgPool<int64_t, AvgPool>, kAvgPoolFrame},
    {"avgPoolGradient", DType::f32, runAvgPool<float, AvgPoolGradient>, kAvgPoolGradientFrame},
    {"avgPoolGradient", DType::f64, runAvgPool<double, AvgPoolGradient>, kAvgPoolGradientFrame},
    {"adaptiveAvgPool", DType::f32, runAdaptiveAvgPool<float, AvgPool>, kAdaptiveAvgPoolFrame},
    {"adaptiveAvgPool", DType::f64, runAdaptiveAvgPool<double, AvgPool>, kAdaptiveAvgPoolFrame},
    {"adaptiveAvgPoolGradient", DType::f32, runAdaptiveAvgPool<float, AvgPoolGradient>, kAdaptiveAvgPoolGradientFrame},
    {"adaptiveAvgPoolGradient", DType::f64, runAdaptiveAvgPool<double, AvgPoolGradient>, kAdaptiveAvgPoolGradientFrame},
};
constexpr size_t kPoolCount = sizeof(kPool) / sizeof(kPool[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable poolKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kPool), HWY_NAMESPACE::kPoolCount}; }
}  // namespace tenfold
#endif
