// Sums and what is made of them, variance among them. Frame: kernels/reduce-inl.h.
// To add a sum: a functor of the element, and a line in the table.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/cascade-inl.h"
#include "kernels/reduce-inl.h"
#include "simd/cpu.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

// ---- sums in PyTorch's order ----------------------------------------------------------------------------------------

struct NotNan {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::IfThenElseZero(hn::Eq(x, x), x);
  }
};
struct Square {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Mul(x, x);
  }
};
struct Magnitude {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return hn::Abs(x);
  }
};

struct AsSum {
  template <class T>
  T operator()(T sum, int64_t) const {
    return sum;
  }
};
struct AsMean {
  template <class T>
  T operator()(T sum, int64_t n) const {
    return sum / static_cast<T>(n);
  }
};
struct AsRoot {
  template <class T>
  T operator()(T sum, int64_t) const {
    return std::sqrt(sum);
  }
};

template <class T, class F, class Finish>
struct Sum {
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

template <class T, class F, class Finish>
void runSum(const Kernel&, Frame f) {
  const Reduction r(f);
  reduce(Sum<T, F, Finish>{r, F{}, Finish{}});
}

// ---- sum of |x|^p: params p -----------------------------------------------------------------------------------------
// As numbers and in float64: std::pow costs more than the sum's order could save.

template <class Type>
struct PowSum {
  using T = Type;
  struct Part {
    double sum = 0;
  };
  struct Parts {
    double sum[kMaxColumns] = {};
  };
  double power;

  void row(const Matrix<T>& m, int64_t begin, int64_t n, Part& part) const {
    alignas(64) T scratch[kMatrixScratch];
    for (int64_t i = 0; i < n; i += kMatrixScratch) {
      const int64_t count = n - i < kMatrixScratch ? n - i : kMatrixScratch;
      const T* x = m.from(begin + i).view(0, 1, count, scratch).at;
      for (int64_t j = 0; j < count; ++j) part.sum += std::pow(std::fabs(static_cast<double>(x[j])), power);
    }
  }
  void columns(const Matrix<T>& m, int64_t begin, int64_t n, int64_t width, Parts& parts) const {
    alignas(64) T scratch[kMatrixScratch];
    for (int64_t i = 0; i < n; ++i) {
      const T* x = m.view(begin + i, 1, width, scratch).at;
      for (int64_t c = 0; c < width; ++c) parts.sum[c] += std::pow(std::fabs(static_cast<double>(x[c])), power);
    }
  }
  void combine(Part& a, const Part& b) const { a.sum += b.sum; }
  void combine(Parts& a, const Parts& b, int64_t width) const { addTo(a.sum, b.sum, width); }
  void finish(const Reduction& r, int64_t at, const Part& part) const {
    static_cast<T*>(r.out)[at] = static_cast<T>(part.sum);
  }
  void finish(const Reduction& r, int64_t at, const Parts& parts, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) static_cast<T*>(r.out)[at + c] = static_cast<T>(parts.sum[c]);
  }
};

template <class T>
void runPowSum(const Kernel&, Frame f) {
  const Reduction r(f);
  reduce(Parted<PowSum<T>>{r, {r.params[0]}});
}

// ---- countNonzero: out is int64 -------------------------------------------------------------------------------------

struct Count {
  using T = Bool;
  struct Part {
    int64_t count = 0;
  };
  struct Parts {
    int64_t count[kMaxColumns] = {};
  };

  void row(const Matrix<T>& m, int64_t begin, int64_t n, Part& part) const {
    const hn::ScalableTag<uint8_t> d;
    const hn::ScalableTag<uint64_t> sums;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    alignas(64) T scratch[kMatrixScratch];
    for (int64_t i = 0; i < n; i += kMatrixScratch) {
      const int64_t count = n - i < kMatrixScratch ? n - i : kMatrixScratch;
      const uint8_t* x = reinterpret_cast<const uint8_t*>(m.from(begin + i).view(0, 1, count, scratch).at);
      auto sum = hn::Zero(sums);
      int64_t j = 0;
      for (; j + lanes <= count; j += lanes) sum = hn::Add(sum, hn::SumsOf8(hn::LoadU(d, x + j)));
      part.count += static_cast<int64_t>(hn::GetLane(hn::SumOfLanes(sums, sum)));
      for (; j < count; ++j) part.count += x[j];
    }
  }
  void columns(const Matrix<T>& m, int64_t begin, int64_t n, int64_t width, Parts& parts) const {
    alignas(64) T scratch[kMatrixScratch];
    for (int64_t i = 0; i < n;) {
      uint16_t few[kMaxColumns] = {};
      const int64_t stop = n - i < 65535 ? n : i + 65535;
      for (; i < stop; ++i) {
        const uint8_t* x = reinterpret_cast<const uint8_t*>(m.view(begin + i, 1, width, scratch).at);
        for (int64_t c = 0; c < width; ++c) few[c] = static_cast<uint16_t>(few[c] + x[c]);
      }
      for (int64_t c = 0; c < width; ++c) parts.count[c] += few[c];
    }
  }
  void combine(Part& a, const Part& b) const { a.count += b.count; }
  void combine(Parts& a, const Parts& b, int64_t width) const { addTo(a.count, b.count, width); }
  void finish(const Reduction& r, int64_t at, const Part& part) const { static_cast<int64_t*>(r.out)[at] = part.count; }
  void finish(const Reduction& r, int64_t at, const Parts& parts, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) static_cast<int64_t*>(r.out)[at + c] = parts.count[c];
  }
};

void runCount(const Kernel&, Frame f) {
  const Reduction r(f);
  reduce(Parted<Count>{r, {}});
}

// ---- var: params correction; index = address of the mean, or 0
// -------------------------------------------------------- In float64, as PyTorch does. Of each run of kRun elements,
// the sums of x - k and (x - k)² give mean and squared deviations, k being the run's first element: that it belongs to
// the run bounds the cancellation by the run's length. Runs are combined by Chan, Golub, LeVeque, "Updating formulae
// and a pairwise algorithm" (1979).

constexpr int64_t kRun = 1024;

struct Moments {
  double n = 0, mean = 0, m2 = 0;
  void add(double nb, double meanb, double m2b) {
    const double total = n + nb, delta = meanb - mean;
    if (total == 0) return;
    mean += delta * (nb / total);
    m2 += m2b + delta * delta * (n * nb / total);
    n = total;
  }
};

template <class D>
HWY_INLINE hn::Vec<D> loadAsDouble(D d, const float* x) {
  return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), x));
}
template <class D>
HWY_INLINE hn::Vec<D> loadAsDouble(D d, const double* x) {
  return hn::LoadU(d, x);
}

template <class Type>
struct Variance {
  using T = Type;
  using Part = Moments;
  struct Parts {
    double n = 0, mean[kMaxColumns] = {}, m2[kMaxColumns] = {};
  };
  double correction;
  bool root;

  static void run(const T* x, int64_t n, Part& part) {
    const hn::ScalableTag<double> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    const double k = static_cast<double>(x[0]);
    const auto shift = hn::Set(d, k);
    auto s0 = hn::Zero(d), s1 = s0, q0 = s0, q1 = s0;
    int64_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      const auto a = hn::Sub(loadAsDouble(d, x + i), shift), b = hn::Sub(loadAsDouble(d, x + i + lanes), shift);
      s0 = hn::Add(s0, a);
      s1 = hn::Add(s1, b);
      q0 = hn::MulAdd(a, a, q0);
      q1 = hn::MulAdd(b, b, q1);
    }
    double s = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1))), q = hn::GetLane(hn::SumOfLanes(d, hn::Add(q0, q1)));
    for (; i < n; ++i) {
      const double a = static_cast<double>(x[i]) - k;
      s += a;
      q += a * a;
    }
    const double count = static_cast<double>(n);
    part.add(count, k + s / count, q - s * (s / count));
  }

  void row(const Matrix<T>& m, int64_t begin, int64_t n, Part& part) const {
    alignas(64) T scratch[kRun];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t count = n - i < kRun ? n - i : kRun;
      run(m.from(begin + i).view(0, 1, count, scratch).at, count, part);
    }
  }

  void columns(const Matrix<T>& m, int64_t begin, int64_t n, int64_t width, Parts& parts) const {
    alignas(64) T scratch[kMatrixScratch];
    double k[kMaxColumns], s[kMaxColumns], q[kMaxColumns];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t count = n - i < kRun ? n - i : kRun;
      const T* first = m.view(begin + i, 1, width, scratch).at;
      for (int64_t c = 0; c < width; ++c) k[c] = static_cast<double>(first[c]), s[c] = 0, q[c] = 0;
      const int64_t step = rowsAtOnce(m, 16, width);
      for (int64_t j = 0; j < count; j += step) {
        const int64_t rows = count - j < step ? count - j : step;
        addDeviations(m.view(begin + i + j, rows, width, scratch), rows, width, k, s, q);
      }
      const double nb = static_cast<double>(count);
      for (int64_t c = 0; c < width; ++c) {
        merge(parts, c, nb, k[c] + s[c] / nb, q[c] - s[c] * (s[c] / nb));
      }
      parts.n += nb;
    }
  }

  static void addDeviations(View<T> v, int64_t rows, int64_t width, const double* k, double* s, double* q) {
    const hn::ScalableTag<double> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t c = 0;
    for (; c + lanes <= width; c += lanes) {
      const auto shift = hn::LoadU(d, k + c);
      auto sum = hn::LoadU(d, s + c), squares = hn::LoadU(d, q + c);
      for (int64_t r = 0; r < rows; ++r) {
        const auto a = hn::Sub(loadAsDouble(d, v.at + r * v.stride + c), shift);
        sum = hn::Add(sum, a);
        squares = hn::MulAdd(a, a, squares);
      }
      hn::StoreU(sum, d, s + c);
      hn::StoreU(squares, d, q + c);
    }
    for (; c < width; ++c) {
      for (int64_t r = 0; r < rows; ++r) {
        const double a = static_cast<double>(v.at[r * v.stride + c]) - k[c];
        s[c] += a;
        q[c] += a * a;
      }
    }
  }

  static void merge(Parts& parts, int64_t c, double nb, double mean, double m2) {
    Moments all{parts.n, parts.mean[c], parts.m2[c]};
    all.add(nb, mean, m2);
    parts.mean[c] = all.mean;
    parts.m2[c] = all.m2;
  }
  void combine(Part& a, const Part& b) const { a.add(b.n, b.mean, b.m2); }
  void combine(Parts& a, const Parts& b, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) merge(a, c, b.n, b.mean[c], b.m2[c]);
    a.n += b.n;
  }
  void finish(const Reduction& r, int64_t at, const Part& part) const {
    const double rest = part.n - correction;
    const double variance = part.n == 0 ? NAN : part.m2 / (rest > 0 ? rest : 0);
    static_cast<T*>(r.out)[at] = static_cast<T>(root ? std::sqrt(variance) : variance);
    if (r.index) static_cast<T*>(r.index)[at] = static_cast<T>(part.n == 0 ? NAN : part.mean);
  }
  void finish(const Reduction& r, int64_t at, const Parts& parts, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) finish(r, at + c, Part{parts.n, parts.mean[c], parts.m2[c]});
  }
};

template <class T, bool kRoot>
void runVariance(const Kernel&, Frame f) {
  const Reduction r(f);
  reduce(Parted<Variance<T>>{r, {r.params[0], kRoot}});
}

}  // namespace

#define TENFOLD_WITH(PARAM) TENFOLD_REDUCTION "out y[outer*inner], out? index[outer*inner], " PARAM ": f64"
constexpr char kPowFrame[] = TENFOLD_WITH("p");
constexpr char kVarianceFrame[] = TENFOLD_WITH("correction");

extern const Kernel kReduce[];
const Kernel kReduce[] = {
    {"sum", DType::f32, runSum<float, Itself, AsSum>, kReductionFrame},
    {"sum", DType::f64, runSum<double, Itself, AsSum>, kReductionFrame},
    {"sum", DType::i64, runSum<int64_t, Itself, AsSum>, kReductionFrame},
    {"nansum", DType::f32, runSum<float, NotNan, AsSum>, kReductionFrame},
    {"nansum", DType::f64, runSum<double, NotNan, AsSum>, kReductionFrame},
    {"mean", DType::f32, runSum<float, Itself, AsMean>, kReductionFrame},
    {"mean", DType::f64, runSum<double, Itself, AsMean>, kReductionFrame},
    {"sumSquares", DType::f32, runSum<float, Square, AsSum>, kReductionFrame},
    {"sumSquares", DType::f64, runSum<double, Square, AsSum>, kReductionFrame},
    {"norm", DType::f32, runSum<float, Square, AsRoot>, kReductionFrame},
    {"norm", DType::f64, runSum<double, Square, AsRoot>, kReductionFrame},
    {"sumAbs", DType::f32, runSum<float, Magnitude, AsSum>, kReductionFrame},
    {"sumAbs", DType::f64, runSum<double, Magnitude, AsSum>, kReductionFrame},
    {"sumPow", DType::f32, runPowSum<float>, kPowFrame},
    {"sumPow", DType::f64, runPowSum<double>, kPowFrame},
    {"countNonzero", DType::b8, runCount, kIndexFrame},
    {"var", DType::f32, runVariance<float, false>, kVarianceFrame},
    {"var", DType::f64, runVariance<double, false>, kVarianceFrame},
    {"std", DType::f32, runVariance<float, true>, kVarianceFrame},
    {"std", DType::f64, runVariance<double, true>, kVarianceFrame},
};
constexpr size_t kReduceCount = sizeof(kReduce) / sizeof(kReduce[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable reduceKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kReduce), HWY_NAMESPACE::kReduceCount};
}
}  // namespace tenfold
#endif
