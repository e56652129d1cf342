// Kernels over the rows of a dense [rows, n] matrix: softmax, layer and RMS normalization, cross entropy.
// A row is read from memory once and stays in cache for the passes over it.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/rowwise.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/math-inl.h"
#include "kernels/tile-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

// Rows that take about 10 microseconds at `nsPer8` nanoseconds per 8 elements.
int64_t rowGrain(int64_t n, int64_t nsPer8) { return 80000 / (n * nsPer8 + 1) + 1; }

// Up to a vector of the elements at `from`; zeros behind the last.
template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* from, int64_t rest) {
  return HWY_LIKELY(rest >= static_cast<int64_t>(hn::Lanes(d))) ? hn::LoadU(d, from)
                                                                : LoadFirst(d, from, static_cast<size_t>(rest));
}
template <class D, class T>
HWY_INLINE void store(hn::Vec<D> v, D d, T* to, int64_t rest) {
  if (HWY_LIKELY(rest >= static_cast<int64_t>(hn::Lanes(d))))
    hn::StoreU(v, d, to);
  else
    StoreFirst(v, d, to, static_cast<size_t>(rest));
}
// v in the lanes that hold elements, zero in those behind.
template <class D>
HWY_INLINE hn::Vec<D> onlyFirst(D d, hn::Vec<D> v, int64_t rest) {
  return HWY_LIKELY(rest >= static_cast<int64_t>(hn::Lanes(d)))
             ? v
             : hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(rest)), v);
}
template <class D>
HWY_INLINE hn::TFromD<D> total(D d, hn::Vec<D> v) {
  return hn::GetLane(hn::SumOfLanes(d, v));
}

template <class T>
HWY_INLINE T maxOf(const T* x, int64_t n) {  // NaN if one is
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto low = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto max = low;
  auto bad = hn::IsNaN(hn::Zero(d));
  for (int64_t i = 0; i < n; i += lanes) {
    auto v = load(d, x + i, n - i);
    if (n - i < lanes) v = hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(n - i)), v, low);
    bad = hn::Or(bad, hn::IsNaN(v));
    max = hn::Max(v, max);
  }
  return hn::AllFalse(d, bad) ? hn::GetLane(hn::MaxOfLanes(d, max)) : std::numeric_limits<T>::quiet_NaN();
}

// Sum of exp(x - max); what is summed goes to `out` where there is one.
template <class T>
HWY_INLINE T sumOfExp(const T* x, int64_t n, T max, T* out) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto shift = hn::Set(d, max);
  auto sum = hn::Zero(d);
  for (int64_t i = 0; i < n; i += lanes) {
    const auto e = Exp(d, hn::Sub(load(d, x + i, n - i), shift));
    if (out) store(e, d, out + i, n - i);
    sum = hn::Add(sum, onlyFirst(d, e, n - i));
  }
  return total(d, sum);
}

// ---- softmax, logSoftmax
// ----------------------------------------------------------------------------------------------

template <class T, bool kLog>
struct Softmax {
  int64_t n;
  const T* x;
  T* y;
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t row = begin; row < end; ++row) {
      const T* from = x + row * n;
      T* to = y + row * n;
      const T max = maxOf(from, n);
      const T sum = sumOfExp(from, n, max, kLog ? nullptr : to);
      const auto a = hn::Set(d, kLog ? max : sum), b = hn::Set(d, std::log(sum));
      for (int64_t i = 0; i < n; i += lanes) {
        store(kLog ? hn::Sub(hn::Sub(load(d, from + i, n - i), a), b) : hn::Div(load(d, to + i, n - i), a), d, to + i,
              n - i);
      }
    }
  }
};

constexpr char kSoftmaxFrame[] = "rows, n, in x[rows*n], out y[rows*n]";
template <class T, bool kLog>
void runSoftmax(const Kernel&, Frame f) {
  const int64_t rows = f.i64(), n = f.i64();
  const T* x = f.ptr<const T>();
  T* y = f.ptr<T>();
  if (rows > 0 && n > 0) parallelFor(rows, rowGrain(n, 8), Softmax<T, kLog>{n, x, y}, 1);
}

// ---- softmaxBackward, logSoftmaxBackward
// ------------------------------------------------------------------------------ softmax: gradX = y (grad - sum(grad
// y)); log softmax: gradX = grad - exp(y) sum(grad)

template <class T, bool kLog>
struct SoftmaxBackward {
  int64_t n;
  const T* grad;
  const T* y;
  T* gradX;
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t row = begin; row < end; ++row) {
      const T *g = grad + row * n, *out = y + row * n;
      T* to = gradX + row * n;
      auto sum = hn::Zero(d);
      for (int64_t i = 0; i < n; i += lanes) {
        const auto gi = load(d, g + i, n - i);
        sum = kLog ? hn::Add(sum, gi) : hn::MulAdd(gi, load(d, out + i, n - i), sum);
      }
      const auto s = hn::Set(d, total(d, sum));
      for (int64_t i = 0; i < n; i += lanes) {
        const auto gi = load(d, g + i, n - i), yi = load(d, out + i, n - i);
        if constexpr (kLog) {
          store(hn::NegMulAdd(Exp(d, yi), s, gi), d, to + i, n - i);
        } else {
          store(hn::Mul(yi, hn::Sub(gi, s)), d, to + i, n - i);
        }
      }
    }
  }
};

constexpr char kSoftmaxBackwardFrame[] = "rows, n, in grad[rows*n], in y[rows*n], out gradX[rows*n]";
template <class T, bool kLog>
void runSoftmaxBackward(const Kernel&, Frame f) {
  const int64_t rows = f.i64(), n = f.i64();
  const T *grad = f.ptr<const T>(), *y = f.ptr<const T>();
  T* gradX = f.ptr<T>();
  if (rows > 0 && n > 0) parallelFor(rows, rowGrain(n, kLog ? 6 : 3), SoftmaxBackward<T, kLog>{n, grad, y, gradX}, 1);
}

// ---- layerNorm, rmsNorm ---------------------------------------------------------------------------------------------
// mean and rstd are what the backward kernels read.

template <class T>
HWY_INLINE T sumOf(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = s0;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
  }
  for (; i < n; i += lanes) s0 = hn::Add(s0, load(d, x + i, n - i));
  return total(d, hn::Add(s0, s1));
}
template <class T>
HWY_INLINE T sumOfSquares(const T* x, int64_t n, T from) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto shift = hn::Set(d, from);
  auto s0 = hn::Zero(d), s1 = s0;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto a = hn::Sub(hn::LoadU(d, x + i), shift), b = hn::Sub(hn::LoadU(d, x + i + lanes), shift);
    s0 = hn::MulAdd(a, a, s0);
    s1 = hn::MulAdd(b, b, s1);
  }
  for (; i < n; i += lanes) {
    const auto a = onlyFirst(d, hn::Sub(load(d, x + i, n - i), shift), n - i);
    s0 = hn::MulAdd(a, a, s0);
  }
  return total(d, hn::Add(s0, s1));
}

template <class T>
struct Normalization {
  int64_t n;
  const T *x, *weight, *bias;
  T *y, *mean, *rstd;
  T eps;
};

template <class T, bool kCenter>
struct Normalize {
  const Normalization<T>& p;
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), n = p.n;
    for (int64_t row = begin; row < end; ++row) {
      const T* from = p.x + row * n;
      T* to = p.y + row * n;
      const T mean = kCenter ? sumOf(from, n) / static_cast<T>(n) : T{0};
      const T rstd = 1 / std::sqrt(sumOfSquares(from, n, mean) / static_cast<T>(n) + p.eps);
      if (p.mean) p.mean[row] = mean;
      if (p.rstd) p.rstd[row] = rstd;
      const auto m = hn::Set(d, mean), s = hn::Set(d, rstd);
      for (int64_t i = 0; i < n; i += lanes) {
        auto v = hn::Mul(hn::Sub(load(d, from + i, n - i), m), s);
        if (p.weight) v = hn::Mul(v, load(d, p.weight + i, n - i));
        if (p.bias) v = hn::Add(v, load(d, p.bias + i, n - i));
        store(v, d, to + i, n - i);
      }
    }
  }
};

constexpr char kLayerNormFrame[] =
    "rows, n, in x[rows*n], in? weight[n], in? bias[n], out y[rows*n], out? mean[rows], out? rstd[rows], eps: f64";
template <class T>
void runLayerNorm(const Kernel&, Frame f) {
  const int64_t rows = f.i64();
  Normalization<T> p{};
  p.n = f.i64();
  p.x = f.ptr<const T>();
  p.weight = f.ptr<const T>();
  p.bias = f.ptr<const T>();
  p.y = f.ptr<T>();
  p.mean = f.ptr<T>();
  p.rstd = f.ptr<T>();
  p.eps = static_cast<T>(f.f64());
  if (rows > 0 && p.n > 0) parallelFor(rows, rowGrain(p.n, 3), Normalize<T, true>{p}, 1);
}
constexpr char kRmsNormFrame[] = "rows, n, in x[rows*n], in? weight[n], out y[rows*n], out? rstd[rows], eps: f64";
template <class T>
void runRmsNorm(const Kernel&, Frame f) {
  const int64_t rows = f.i64();
  Normalization<T> p{};
  p.n = f.i64();
  p.x = f.ptr<const T>();
  p.weight = f.ptr<const T>();
  p.y = f.ptr<T>();
  p.rstd = f.ptr<T>();
  p.eps = static_cast<T>(f.f64());
  if (rows > 0 && p.n > 0) parallelFor(rows, rowGrain(p.n, 3), Normalize<T, false>{p}, 1);
}

// ---- layerNormBackward, rmsNormBackward -----------------------------------------------------------------------------
// With u = (x - mean) rstd and h = grad weight: gradX = rstd (h - avg(h)
// - u avg(h u)), without avg(h) for RMS; gradWeight = sum of grad u, gradBias = sum of grad over the rows. One pass:
// rows are cut into parts by size alone, each part adds up its own sums, and the parts are added in order, so that
// results don't depend on threads.

template <class T>
struct NormalizationGrads {
  int64_t rows, n;
  const T *grad, *x, *mean, *rstd, *weight;
  T *gradX, *gradWeight, *gradBias;
};

template <class T, bool kCenter>
struct NormalizeBackward {
  const NormalizationGrads<T>& p;
  int64_t rowsOfPart;
  T* sums;  // [parts, 2, n]: of grad u, of grad

  void operator()(int64_t begin, int64_t end) const {
    for (int64_t part = begin; part < end; ++part) {
      T* sum = sums + part * 2 * p.n;
      for (int64_t i = 0; i < 2 * p.n; ++i) sum[i] = 0;
      const int64_t first = part * rowsOfPart, last = p.rows - first < rowsOfPart ? p.rows : first + rowsOfPart;
      for (int64_t row = first; row < last; ++row) oneRow(row, sum);
    }
  }

  HWY_INLINE void oneRow(int64_t row, T* sum) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), n = p.n;
    const T *g = p.grad + row * n, *x = p.x + row * n;
    const auto mean = hn::Set(d, kCenter ? p.mean[row] : T{0}), rstd = hn::Set(d, p.rstd[row]);
    auto sumH = hn::Zero(d), sumHU = sumH;
    for (int64_t i = 0; i < n; i += lanes) {
      const auto gi = load(d, g + i, n - i);
      const auto u = hn::Mul(hn::Sub(load(d, x + i, n - i), mean), rstd);
      store(hn::MulAdd(gi, u, load(d, sum + i, n - i)), d, sum + i, n - i);
      if (kCenter) store(hn::Add(gi, load(d, sum + n + i, n - i)), d, sum + n + i, n - i);
      const auto h = p.weight ? hn::Mul(gi, load(d, p.weight + i, n - i)) : gi;  // zeros behind the last, as in gi
      sumH = hn::Add(sumH, h);
      sumHU = hn::MulAdd(h, u, sumHU);
    }
    if (!p.gradX) return;
    T* to = p.gradX + row * n;
    const auto avgH = hn::Set(d, kCenter ? total(d, sumH) / static_cast<T>(n) : T{0});
    const auto avgHU = hn::Set(d, total(d, sumHU) / static_cast<T>(n));
    for (int64_t i = 0; i < n; i += lanes) {
      const auto gi = load(d, g + i, n - i);
      const auto h = p.weight ? hn::Mul(gi, load(d, p.weight + i, n - i)) : gi;
      const auto u = hn::Mul(hn::Sub(load(d, x + i, n - i), mean), rstd);
      store(hn::Mul(rstd, hn::NegMulAdd(u, avgHU, hn::Sub(h, avgH))), d, to + i, n - i);
    }
  }
};

template <class T>
void addParts(const T* sums, int64_t parts, int64_t step, int64_t n, T* to) {
  if (!to) return;
  for (int64_t i = 0; i < n; ++i) to[i] = 0;
  for (int64_t p = 0; p < parts; ++p) {
    for (int64_t i = 0; i < n; ++i) to[i] += sums[p * step + i];
  }
}

template <class T, bool kCenter>
void normalizeBackward(const NormalizationGrads<T>& p) {
  if (p.n == 0) return;
  constexpr int64_t kMostParts = 32;
  int64_t rowsOfPart = rowGrain(p.n, 8);
  if (rowsOfPart < 8) rowsOfPart = 8;  // adding a part up costs about what two rows do
  if (rowsOfPart < (p.rows + kMostParts - 1) / kMostParts) rowsOfPart = (p.rows + kMostParts - 1) / kMostParts;
  const int64_t parts = (p.rows + rowsOfPart - 1) / rowsOfPart;
  const std::unique_ptr<T[]> sums(new T[static_cast<size_t>(parts * 2 * p.n + 1)]);
  if (parts > 0) parallelFor(parts, 1, NormalizeBackward<T, kCenter>{p, rowsOfPart, sums.get()}, 1);
  addParts(sums.get(), parts, 2 * p.n, p.n, p.gradWeight);
  addParts(sums.get() + p.n, parts, 2 * p.n, p.n, p.gradBias);
}

constexpr char kLayerNormBackwardFrame[] =
    "rows, n, in grad[rows*n], in x[rows*n], in mean[rows], in rstd[rows], in? weight[n], out gradX[rows*n], "
    "out? gradWeight[n], out? gradBias[n]";
template <class T>
void runLayerNormBackward(const Kernel&, Frame f) {
  NormalizationGrads<T> p{};
  p.rows = f.i64();
  p.n = f.i64();
  p.grad = f.ptr<const T>();
  p.x = f.ptr<const T>();
  p.mean = f.ptr<const T>();
  p.rstd = f.ptr<const T>();
  p.weight = f.ptr<const T>();
  p.gradX = f.ptr<T>();
  p.gradWeight = f.ptr<T>();
  p.gradBias = f.ptr<T>();
  normalizeBackward<T, true>(p);
}
constexpr char kRmsNormBackwardFrame[] =
    "rows, n, in grad[rows*n], in x[rows*n], in rstd[rows], in? weight[n], out gradX[rows*n], out? gradWeight[n]";
template <class T>
void runRmsNormBackward(const Kernel&, Frame f) {
  NormalizationGrads<T> p{};
  p.rows = f.i64();
  p.n = f.i64();
  p.grad = f.ptr<const T>();
  p.x = f.ptr<const T>();
  p.rstd = f.ptr<const T>();
  p.weight = f.ptr<const T>();
  p.gradX = f.ptr<T>();
  p.gradWeight = f.ptr<T>();
  normalizeBackward<T, false>(p);
}

// ---- crossEntropy, crossEntropyBackward -----------------------------------------------------------------------------
// reduction: 0 none, loss and gradLoss [rows]; 1 mean over the rows that
// count, 2 sum: one element. saved [rows, 2]: max and log(sum of exp(x - max)) of each row. With p = softmax: loss = (1
// - s)(-log p[target]) + s avg(-log p) and gradLogits = gradLoss (p - (1 - s) onehot - s / classes).

#define TENFOLD_TARGETS \
  "rows, classes, in logits[rows*classes], in target[rows]: i64, ignoreIndex, labelSmoothing: f64, reduction, "
struct Targets {
  int64_t rows, classes;
  const void* logits;
  const int64_t* target;
  int64_t ignore;
  double smoothing;
  int64_t reduction;
  explicit Targets(Frame& f)
      : rows(f.i64()),
        classes(f.i64()),
        logits(f.ptr<const void>()),
        target(f.ptr<const int64_t>()),
        ignore(f.i64()),
        smoothing(f.f64()),
        reduction(f.i64()) {}

  // Rows that count; throws where a target is none of the classes.
  int64_t check(const char* name) const {
    int64_t counted = 0;
    for (int64_t i = 0; i < rows; ++i) {
      if (target[i] == ignore) continue;
      if (target[i] < 0 || target[i] >= classes) {
        throw KernelError("RangeError", std::string(name) + ": expected targets from 0 to " +
                                            std::to_string(classes - 1) + ", got " + std::to_string(target[i]) +
                                            " in row " + std::to_string(i));
      }
      ++counted;
    }
    return counted;
  }
};

template <class T>
struct CrossEntropy {
  const Targets& p;
  T* losses;
  T* saved;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t row = begin; row < end; ++row) {
      const T* x = static_cast<const T*>(p.logits) + row * p.classes;
      const int64_t target = p.target[row];
      const T max = maxOf(x, p.classes), log = std::log(sumOfExp<T>(x, p.classes, max, nullptr));
      if (saved) saved[2 * row] = max, saved[2 * row + 1] = log;
      if (target == p.ignore) {
        losses[row] = 0;
        continue;
      }
      T loss = -(x[target] - max - log);
      if (p.smoothing != 0) {
        const T average = max + log - sumOf(x, p.classes) / static_cast<T>(p.classes);
        loss = static_cast<T>((1 - p.smoothing) * loss + p.smoothing * average);
      }
      losses[row] = loss;
    }
  }
};

constexpr char kCrossEntropyFrame[] = TENFOLD_TARGETS "out loss, out saved[2*rows]";
template <class T>
void runCrossEntropy(const Kernel& self, Frame f) {
  const Targets p(f);
  T *loss = f.ptr<T>(), *saved = f.ptr<T>();
  const int64_t counted = p.check(self.name);
  std::unique_ptr<T[]> own;
  if (p.reduction != 0) own.reset(new T[static_cast<size_t>(p.rows + 1)]);
  T* losses = own ? own.get() : loss;
  if (p.rows > 0) parallelFor(p.rows, rowGrain(p.classes, 6), CrossEntropy<T>{p, losses, saved}, 1);
  if (p.reduction == 0) return;
  double sum = 0;
  for (int64_t i = 0; i < p.rows; ++i) sum += static_cast<double>(losses[i]);
  *loss = static_cast<T>(p.reduction == 1 ? sum / static_cast<double>(counted) : sum);
}

template <class T>
struct CrossEntropyBackward {
  const Targets& p;
  const T* gradLoss;
  const T* saved;
  T* gradLogits;
  T share;  // of a row in the loss
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), n = p.classes;
    for (int64_t row = begin; row < end; ++row) {
      const T* x = static_cast<const T*>(p.logits) + row * n;
      T* to = gradLogits + row * n;
      const int64_t target = p.target[row];
      const T grad = target == p.ignore ? T{0} : p.reduction == 0 ? gradLoss[row] : *gradLoss * share;
      const auto g = hn::Set(d, grad), max = hn::Set(d, saved[2 * row]), log = hn::Set(d, saved[2 * row + 1]);
      const auto even = hn::Set(d, static_cast<T>(p.smoothing / static_cast<double>(n)));
      for (int64_t i = 0; i < n; i += lanes) {
        if (target == p.ignore) {
          store(hn::Zero(d), d, to + i, n - i);
          continue;
        }
        const auto probability = Exp(d, hn::Sub(hn::Sub(load(d, x + i, n - i), max), log));
        store(hn::Mul(g, hn::Sub(probability, even)), d, to + i, n - i);
      }
      if (target == p.ignore) continue;
      const T probability = std::exp(x[target] - saved[2 * row] - saved[2 * row + 1]);
      to[target] = static_cast<T>(grad * (probability - (1 - p.smoothing) - p.smoothing / static_cast<double>(n)));
    }
  }
};

constexpr char kCrossEntropyBackwardFrame[] =
    TENFOLD_TARGETS "in gradLoss, in saved[2*rows], out gradLogits[rows*classes]";
template <class T>
void runCrossEntropyBackward(const Kernel& self, Frame f) {
  const Targets p(f);
  const T *gradLoss = f.ptr<const T>(), *saved = f.ptr<const T>();
  T* gradLogits = f.ptr<T>();
  const int64_t counted = p.check(self.name);
  const T share = p.reduction == 1 ? 1 / static_cast<T>(counted) : T{1};
  if (p.rows > 0)
    parallelFor(p.rows, rowGrain(p.classes, 6), CrossEntropyBackward<T>{p, gradLoss, saved, gradLogits, share}, 1);
}

}  // namespace

extern const Kernel kRowwise[];
const Kernel kRowwise[] = {
    {"softmax", DType::f32, runSoftmax<float, false>, kSoftmaxFrame},
    {"softmax", DType::f64, runSoftmax<double, false>, kSoftmaxFrame},
    {"logSoftmax", DType::f32, runSoftmax<float, true>, kSoftmaxFrame},
    {"logSoftmax", DType::f64, runSoftmax<double, true>, kSoftmaxFrame},
    {"softmaxBackward", DType::f32, runSoftmaxBackward<float, false>, kSoftmaxBackwardFrame},
    {"softmaxBackward", DType::f64, runSoftmaxBackward<double, false>, kSoftmaxBackwardFrame},
    {"logSoftmaxBackward", DType::f32, runSoftmaxBackward<float, true>, kSoftmaxBackwardFrame},
    {"logSoftmaxBackward", DType::f64, runSoftmaxBackward<double, true>, kSoftmaxBackwardFrame},
    {"layerNorm", DType::f32, runLayerNorm<float>, kLayerNormFrame},
    {"layerNorm", DType::f64, runLayerNorm<double>, kLayerNormFrame},
    {"layerNormBackward", DType::f32, runLayerNormBackward<float>, kLayerNormBackwardFrame},
    {"layerNormBackward", DType::f64, runLayerNormBackward<double>, kLayerNormBackwardFrame},
    {"rmsNorm", DType::f32, runRmsNorm<float>, kRmsNormFrame},
    {"rmsNorm", DType::f64, runRmsNorm<double>, kRmsNormFrame},
    {"rmsNormBackward", DType::f32, runRmsNormBackward<float>, kRmsNormBackwardFrame},
    {"rmsNormBackward", DType::f64, runRmsNormBackward<double>, kRmsNormBackwardFrame},
    {"crossEntropy", DType::f32, runCrossEntropy<float>, kCrossEntropyFrame},
    {"crossEntropy", DType::f64, runCrossEntropy<double>, kCrossEntropyFrame},
    {"crossEntropyBackward", DType::f32, runCrossEntropyBackward<float>, kCrossEntropyBackwardFrame},
    {"crossEntropyBackward", DType::f64, runCrossEntropyBackward<double>, kCrossEntropyBackwardFrame},
};
constexpr size_t kRowwiseCount = sizeof(kRowwise) / sizeof(kRowwise[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable rowwiseKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kRowwise), HWY_NAMESPACE::kRowwiseCount};
}
}  // namespace tenfold
#endif
