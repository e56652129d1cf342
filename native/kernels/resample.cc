// Planes made of weighted elements of planes, one dim at a time: interpolation, and padding by reflection, repetition
// and wrapping. Which elements and weights is the caller's business. Beside it, images as columns of patches.
//
// "resample" and "resampleTransposed": sizes are depth, height and width, small before and large after a "resample";
// for each dim there are index and weight, both [large, taps].
//   resample:            from [planes, small…], to [planes, large…]; along each dim to[o] = the sum over t
//                        of weight[o, t] * from[index[o, t]]
//   resampleTransposed:  from [planes, large…], to [planes, small…]
//   unfold:              from [batch, channels, size…], to [batch, channels * taps, places]
//   fold:                the other way, adding
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/resample.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/conv_plan.h"
#include "kernels/patches-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "workspace.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// Elements that a thread makes in about 10 us.
constexpr int64_t kGrain = 1 << 14;

template <class T>
struct Axis {
  const int32_t* index;
  const T* weight;
  int64_t taps;
};

#define TENFOLD_RESAMPLE_AXES                                                                                        \
  "planes, small[3], large[3], taps[3], in indexD: i32, in weightD, in indexH: i32, in weightH, in indexW: i32, in " \
  "weightW, "
constexpr char kResampleFrame[] = TENFOLD_RESAMPLE_AXES "in from[planes*small], out to[planes*large]";
constexpr char kTransposedFrame[] = TENFOLD_RESAMPLE_AXES "in from[planes*large], out to[planes*small]";

template <class T>
struct Resample {
  int64_t planes;
  Triple in, out;
  Axis<T> d, h, w;
  const T* from;
  T* to;

  explicit Resample(Frame f) : planes(f.i64()), in(readTriple(f)), out(readTriple(f)) {
    const Triple taps = readTriple(f);
    d = {f.ptr<const int32_t>(), f.ptr<const T>(), taps.d};
    h = {f.ptr<const int32_t>(), f.ptr<const T>(), taps.h};
    w = {f.ptr<const int32_t>(), f.ptr<const T>(), taps.w};
    from = f.ptr<const T>();
    to = f.ptr<T>();
  }
  T* rowBuffer() const { return static_cast<T*>(workspace(Workspace::result, static_cast<size_t>(in.w) * sizeof(T))); }
};

template <class T>
void addWeighted(T* HWY_RESTRICT to, const T* HWY_RESTRICT from, T weight, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += weight * from[i];
}
template <class T>
void setWeighted(T* HWY_RESTRICT to, const T* HWY_RESTRICT from, T weight, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = weight * from[i];
}

// Rows are added first, in vectors; then what the row's columns are made of. A single row of weight 1 is read where it
// lies.
template <class T>
struct Forward {
  const Resample<T>& r;
  void operator()(int64_t begin, int64_t end) const {
    T* const buffer = r.rowBuffer();
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t i = 0; i < r.out.d * r.out.h; ++i) {
        columns(row(p, i / r.out.h, i % r.out.h, buffer), r.to + (p * r.out.d * r.out.h + i) * r.out.w);
      }
    }
  }
  const T* row(int64_t p, int64_t d, int64_t h, T* buffer) const {
    bool first = true;
    for (int64_t i = d * r.d.taps; i < (d + 1) * r.d.taps; ++i) {
      for (int64_t j = h * r.h.taps; j < (h + 1) * r.h.taps; ++j) {
        const T* const from = r.from + ((p * r.in.d + r.d.index[i]) * r.in.h + r.h.index[j]) * r.in.w;
        const T weight = r.d.weight[i] * r.h.weight[j];
        if (r.d.taps * r.h.taps == 1 && weight == 1) return from;
        if (first) {
          setWeighted(buffer, from, weight, r.in.w);
        } else {
          addWeighted(buffer, from, weight, r.in.w);
        }
        first = false;
      }
    }
    return buffer;
  }
  void columns(const T* from, T* to) const {
    const Axis<T>& w = r.w;
    if (w.taps == 1) {
      for (int64_t o = 0; o < r.out.w; ++o) to[o] = w.weight[o] * from[w.index[o]];
    } else if (w.taps == 2) {
      for (int64_t o = 0; o < r.out.w; ++o)
        to[o] = w.weight[2 * o] * from[w.index[2 * o]] + w.weight[2 * o + 1] * from[w.index[2 * o + 1]];
    } else {
      for (int64_t o = 0; o < r.out.w; ++o) {
        T sum = 0;
        for (int64_t t = o * w.taps; t < (o + 1) * w.taps; ++t) sum += w.weight[t] * from[w.index[t]];
        to[o] = sum;
      }
    }
  }
};

template <class T>
struct Transposed {
  const Resample<T>& r;
  void operator()(int64_t begin, int64_t end) const {
    T* const buffer = r.rowBuffer();
    std::memset(r.to + begin * r.in.count(), 0, static_cast<size_t>((end - begin) * r.in.count()) * sizeof(T));
    for (int64_t p = begin; p < end; ++p) {
      for (int64_t i = 0; i < r.out.d * r.out.h; ++i) {
        std::memset(buffer, 0, static_cast<size_t>(r.in.w) * sizeof(T));
        const T* const from = r.from + (p * r.out.d * r.out.h + i) * r.out.w;
        for (int64_t o = 0; o < r.out.w; ++o) {
          for (int64_t t = o * r.w.taps; t < (o + 1) * r.w.taps; ++t) buffer[r.w.index[t]] += r.w.weight[t] * from[o];
        }
        addRow(p, i / r.out.h, i % r.out.h, buffer);
      }
    }
  }
  void addRow(int64_t p, int64_t d, int64_t h, const T* buffer) const {
    for (int64_t i = d * r.d.taps; i < (d + 1) * r.d.taps; ++i) {
      for (int64_t j = h * r.h.taps; j < (h + 1) * r.h.taps; ++j) {
        T* const to = r.to + ((p * r.in.d + r.d.index[i]) * r.in.h + r.h.index[j]) * r.in.w;
        addWeighted(to, buffer, static_cast<T>(r.d.weight[i] * r.h.weight[j]), r.in.w);
      }
    }
  }
};

template <class T, template <class> class Task>
void runResample(const Kernel&, Frame f) {
  const Resample<T> r(f);
  const int64_t work = r.out.d * r.out.h * (r.out.w * r.w.taps + r.in.w * r.d.taps * r.h.taps / 4) + 1;
  parallelFor(r.planes, kGrain / work + 1, Task<T>{r}, 1);
}

// One image for each item; its margin is made or cut off in a buffer.
template <class T>
struct Unfold {
  const Convolution& g;
  const ForwardPlan& plan;
  const T* from;
  T* to;

  void operator()(int64_t begin, int64_t end) const {
    const Margin& m = plan.margin;
    T* const image =
        static_cast<T*>(workspace(Workspace::image, static_cast<size_t>(g.channels * m.channel) * sizeof(T)));
    for (int64_t n = begin; n < end; ++n) {
      copyRows(image, from + n * g.channels * g.in.count(), g.in, m, 0, g.channels * m.size.d * m.size.h);
      T* column = to + n * g.patch() * g.out.count();
      for (int64_t k = 0; k < g.patch(); ++k) {
        for (int64_t r = 0; r < g.out.d * g.out.h; ++r, column += g.out.w) {
          const int64_t place = r / g.out.h * g.stride.d * m.plane + r % g.out.h * g.stride.h * m.row;
          std::memcpy(column, image + plan.offsets()[k] + place, static_cast<size_t>(g.out.w) * sizeof(T));
        }
      }
    }
  }
};

template <class T>
struct Fold {
  const Convolution& g;
  const ForwardPlan& plan;
  const T* from;
  T* to;

  void operator()(int64_t begin, int64_t end) const {
    const Margin& m = plan.margin;
    const int64_t size = g.channels * m.channel;
    T* const image = static_cast<T*>(workspace(Workspace::image, static_cast<size_t>(size) * sizeof(T)));
    for (int64_t n = begin; n < end; ++n) {
      std::memset(image, 0, static_cast<size_t>(size) * sizeof(T));
      const T* column = from + n * g.patch() * g.out.count();
      for (int64_t k = 0; k < g.patch(); ++k) {
        for (int64_t r = 0; r < g.out.d * g.out.h; ++r, column += g.out.w) {
          const int64_t place = r / g.out.h * g.stride.d * m.plane + r % g.out.h * g.stride.h * m.row;
          T* const row = image + plan.offsets()[k] + place;
          for (int64_t w = 0; w < g.out.w; ++w) row[w] += column[w];
        }
      }
      crop(image, to + n * g.channels * g.in.count());
    }
  }
  // What lies beyond the last place of the kernel has no columns: it stays 0.
  void crop(const T* image, T* out) const {
    const Margin& m = plan.margin;
    for (int64_t c = 0; c < g.channels; ++c) {
      for (int64_t d = 0; d < g.in.d; ++d) {
        for (int64_t h = 0; h < g.in.h; ++h, out += g.in.w) {
          const bool inside = d + g.pad.d < m.size.d && h + g.pad.h < m.size.h;
          const T* const row = image + c * m.channel + (d + g.pad.d) * m.plane + (h + g.pad.h) * m.row;
          for (int64_t w = 0; w < g.in.w; ++w)
            out[w] = inside && w + g.pad.w < m.size.w ? row[m.column(w + g.pad.w)] : T{0};
        }
      }
    }
  }
};

constexpr char kUnfoldFrame[] =
    TENFOLD_CONVOLUTION_FRAME "in from[batch*channels*size], out to[batch*channels*kernel*result]";
constexpr char kFoldFrame[] =
    TENFOLD_CONVOLUTION_FRAME "in from[batch*channels*kernel*result], out to[batch*channels*size]";
template <class T, template <class> class Task>
void runUnfold(const Kernel&, Frame f) {
  const Convolution g(f);
  const ForwardPlan plan(g);
  const T* const from = f.ptr<const T>();
  parallelFor(g.batch, kGrain / (g.patch() * g.out.count() + 1) + 1, Task<T>{g, plan, from, f.ptr<T>()}, 1);
}

extern const Kernel kResample[];
const Kernel kResample[] = {
    {"resample", DType::f32, runResample<float, Forward>, kResampleFrame},
    {"resample", DType::f64, runResample<double, Forward>, kResampleFrame},
    {"resample", DType::i64, runResample<int64_t, Forward>, kResampleFrame},
    {"resampleTransposed", DType::f32, runResample<float, Transposed>, kTransposedFrame},
    {"resampleTransposed", DType::f64, runResample<double, Transposed>, kTransposedFrame},
    {"unfold", DType::f32, runUnfold<float, Unfold>, kUnfoldFrame},
    {"unfold", DType::f64, runUnfold<double, Unfold>, kUnfoldFrame},
    {"unfold", DType::i64, runUnfold<int64_t, Unfold>, kUnfoldFrame},
    {"fold", DType::f32, runUnfold<float, Fold>, kFoldFrame},
    {"fold", DType::f64, runUnfold<double, Fold>, kFoldFrame},
    {"fold", DType::i64, runUnfold<int64_t, Fold>, kFoldFrame},
};
constexpr size_t kResampleCount = sizeof(kResample) / sizeof(kResample[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable resampleKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kResample), HWY_NAMESPACE::kResampleCount};
}
}  // namespace tenfold
#endif
