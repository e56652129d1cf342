// Reductions over one dimension of a dense tensor.
//
// Frame, after the id: outer, n, inner, in, inDtype, out, index, params…
//   in [outer, n, inner], cast to the kernel's dtype as it is read; out [outer, inner] in the kernel's dtype.
//   index: address of a second output [outer, inner] or 0.
// To add one: a struct with row() and columns(), and a line in the table.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/cascade-inl.h"
#include "kernels/matrix-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

struct Reduction {
  int64_t outer, n, inner;
  const char* in;
  DType inType;
  void* out;
  void* index;
  const double* params;

  explicit Reduction(Frame f)
      : outer(f.i64()), n(f.i64()), inner(f.i64()), in(f.ptr<const char>()), inType(static_cast<DType>(f.i64())),
        out(f.ptr<void>()), index(f.ptr<void>()), params(f.at) {}

  template <class T> Matrix<T> matrix(int64_t o) const {
    return {in + o * n * inner * static_cast<int64_t>(sizeOf(inType)), inType, inner};
  }
};

// Columns that one task reduces: a multiple of the cascade's row, and few enough for their accumulators to stay in cache.
constexpr int64_t kColumns = kCascadeMaxWidth;
// Elements to reduce in about 10 microseconds.
constexpr int64_t kGrain = 40000;

template <class R> struct Rows {
  const R& reducer;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t o = begin; o < end; ++o) reducer.row(o, false);
  }
};

template <class R> struct Blocks {
  const R& reducer;
  int64_t blocks, width;
  void operator()(int64_t begin, int64_t end) const {
    const int64_t inner = reducer.r.inner;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t c = b % blocks * width;
      reducer.columns(b / blocks, c, inner - c < width ? inner - c : width, false);
    }
  }
};

// Threads take outputs where there are several, else parts of the one.
template <class R> void run(const R& reducer) {
  const Reduction& r = reducer.r;
  if (r.outer == 0 || r.inner == 0) return;
  const int64_t work = r.n < 1 ? 1 : r.n;
  if (r.inner == 1) {
    if (r.outer < 4) {
      for (int64_t o = 0; o < r.outer; ++o) reducer.row(o, true);
    } else if (r.outer * work <= kGrain) {
      Rows<R>{reducer}(0, r.outer);
    } else {
      parallelFor(r.outer, kGrain / work + 1, Rows<R>{reducer}, 1);
    }
    return;
  }
  const int64_t width = r.inner >= 4 * kColumns ? kColumns : kColumns / 4;
  const int64_t blocks = (r.inner + width - 1) / width;
  if (r.outer * blocks < 4) {
    for (int64_t o = 0; o < r.outer; ++o) {
      for (int64_t c = 0; c < r.inner; c += width) {
        reducer.columns(o, c, r.inner - c < width ? r.inner - c : width, true);
      }
    }
    return;
  }
  const int64_t cost = work * (r.inner < width ? r.inner : width);
  parallelFor(r.outer * blocks, kGrain / cost + 1, Blocks<R>{reducer, blocks, width}, 1);
}

// Sums of a function of the elements, and what is made of a sum.
struct AsSum {
  template <class T> T operator()(T sum, int64_t) const { return sum; }
};
struct AsMean {
  template <class T> T operator()(T sum, int64_t n) const { return sum / static_cast<T>(n); }
};

template <class T, class F, class Finish> struct Sum {
  const Reduction& r;
  F of;
  Finish finish;

  void row(int64_t o, bool threads) const {
    static_cast<T*>(r.out)[o] = finish(sumOfRow(of, r.matrix<T>(o), r.n, threads), r.n);
  }
  void columns(int64_t o, int64_t c, int64_t width, bool threads) const {
    const Matrix<T> m = r.matrix<T>(o).from(c);
    T* out = static_cast<T*>(r.out) + o * r.inner + c;
    int64_t plain = plainColumns<T>(r.inner) - c;
    plain = plain < 0 ? 0 : plain < width ? plain : width;
    if (plain > 0) cascade(of, m, r.n, plain, out, threads);
    if (plain < width) sumOfLastColumns(of, m.from(plain), r.n, width - plain, out + plain, threads);
    for (int64_t i = 0; i < width; ++i) out[i] = finish(out[i], r.n);
  }
};

template <class T, class F, class Finish> void runSum(const Kernel&, Frame f) {
  const Reduction r(f);
  run(Sum<T, F, Finish>{r, F{}, Finish{}});
}

extern const Kernel kReduce[];
const Kernel kReduce[] = {
    {"sum", DType::f32, runSum<float, Itself, AsSum>},
    {"sum", DType::f64, runSum<double, Itself, AsSum>},
    {"sum", DType::i64, runSum<int64_t, Itself, AsSum>},
    {"mean", DType::f32, runSum<float, Itself, AsMean>},
    {"mean", DType::f64, runSum<double, Itself, AsMean>},
};
constexpr size_t kReduceCount = sizeof(kReduce) / sizeof(kReduce[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable reduceKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kReduce), HWY_NAMESPACE::kReduceCount}; }
}  // namespace tenfold
#endif
