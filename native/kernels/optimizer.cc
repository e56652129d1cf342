// Optimizer steps: one launch for all parameters of a group, one pass over each parameter, its gradient and its state.
//
// The table has a row of kRow doubles per parameter: its places are Column's. `step` is a float32 that counts the
// steps, raised here; in SGD, 1 where the momentum buffer is still empty. The last eight are the kernel's own: kStart,
// and what prepare() works out of the step. Everything is dense and of the kernel's dtype. A step counter lives in
// memory and hyperparameters in the frame, so that a recorded step can be replayed with a learning rate that changes.
//
// The order of operations and their rounding are PyTorch's (torch/optim/*.py, and the vector code behind add, addcmul
// and addcdiv), so that on machines with FMA float32 results agree to the bit, but for pow() in the last place.
// To add one: a Rule, and a line in the table.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/optimizer.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/tile-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

#define TENFOLD_STEP_FRAME(STEP, ...)                                                                              \
  "rows, inout table(elements, inout param[elements], in grad[elements], inout? a[elements], inout? b[elements], " \
  "inout? c[elements], " STEP ", own[8])[rows], lr: f64, weightDecay: f64, maximize, " __VA_ARGS__
#define TENFOLD_COUNTED "inout step[1]: f32, inout? muProduct[1]: f32"
constexpr char kSgdFrame[] = TENFOLD_STEP_FRAME("fresh, unused", "momentum: f64, dampening: f64, nesterov");
constexpr char kAdamFrame[] = TENFOLD_STEP_FRAME(TENFOLD_COUNTED, "beta1: f64, beta2: f64, eps: f64, decoupled");
constexpr char kRmsPropFrame[] = TENFOLD_STEP_FRAME(TENFOLD_COUNTED, "alpha: f64, eps: f64, momentum: f64");
constexpr char kAdagradFrame[] = TENFOLD_STEP_FRAME(TENFOLD_COUNTED, "lrDecay: f64, eps: f64");
constexpr char kAdadeltaFrame[] = TENFOLD_STEP_FRAME(TENFOLD_COUNTED, "rho: f64, eps: f64");
constexpr char kBetasFrame[] = TENFOLD_STEP_FRAME(TENFOLD_COUNTED, "beta1: f64, beta2: f64, eps: f64");
constexpr char kNadamFrame[] =
    TENFOLD_STEP_FRAME(TENFOLD_COUNTED, "beta1: f64, beta2: f64, eps: f64, momentumDecay: f64");

enum Column { kElements, kParam, kGrad, kState, kStep = 6, kMuProduct, kStart, kScalar };
constexpr int64_t kRow = 16;
// Parameters lie behind each other on a line that threads share out; each begins at a multiple of kAlign.
constexpr int64_t kAlign = 64;
constexpr int64_t kGrain = 16384;  // elements in about 10 microseconds

template <class X>
HWY_INLINE X* At(double address) {
  return reinterpret_cast<X*>(static_cast<uintptr_t>(address));
}

// Raises a row's step counter.
inline double NextStep(const double* row) {
  float* step = At<float>(row[kStep]);
  *step += 1;
  return *step;
}

// base^step, remembered: the parameters of a group are usually all at the same step.
struct Power {
  double base, step = -1, value = 0;
  explicit Power(double b) : base(b) {}
  double operator()(double s) {
    if (s != step) value = std::pow(base, step = s);
    return value;
  }
};

// torch's a.addcdiv(b, c, value), a.mul(keep).add(b, alpha), a.mul(keep).addcmul(b, b, alpha), and maximum, which
// keeps NaN.
template <class V>
HWY_INLINE V AddCDiv(V a, V b, V c, V value) {
  return hn::Add(a, hn::Div(hn::Mul(value, b), c));
}
template <class V>
HWY_INLINE V Decay(V a, V keep, V b, V alpha) {
  return hn::MulAdd(b, alpha, hn::Mul(a, keep));
}
template <class V>
HWY_INLINE V DecaySquare(V a, V keep, V b, V alpha) {
  return hn::MulAdd(hn::Mul(alpha, b), b, hn::Mul(a, keep));
}
template <class V>
HWY_INLINE V MaxOrNaN(V a, V b) {
  return hn::IfThenElse(hn::Or(hn::Ne(a, a), hn::Gt(a, b)), a, b);
}

// What every rule has. prepare() runs once per parameter and step, before the threads; Lanes hold a row's constants as
// vectors and update one vector of param, gradient and states.
struct Rule {
  double lr, weightDecay;
  bool maximize;
  explicit Rule(Frame& f) : lr(f.f64()), weightDecay(f.f64()), maximize(f.flag()) {}
  void prepare(double*) {}
};

template <bool kMomentum>
struct Sgd : Rule {
  static constexpr int kStates = kMomentum ? 1 : 0;
  double momentum, dampening;
  bool nesterov;
  explicit Sgd(Frame f) : Rule(f), momentum(f.f64()), dampening(f.f64()), nesterov(f.flag()) {}

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V keep, take, minusLr;
    bool fresh, nesterov;
    Lanes(D d, const Sgd& r, const double* row)
        : keep(C(d, r.momentum)),
          take(C(d, 1 - r.dampening)),
          minusLr(C(d, -r.lr)),
          fresh(row[kStep] != 0),
          nesterov(r.nesterov) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      if constexpr (kMomentum) {
        s[0] = fresh ? g : Decay(s[0], keep, g, take);
        g = nesterov ? hn::MulAdd(s[0], keep, g) : s[0];
      }
      return hn::MulAdd(g, minusLr, p);
    }
  };
};

// Adam, and AdamW where `decoupled`.
template <bool kAmsgrad>
struct Adam : Rule {
  static constexpr int kStates = kAmsgrad ? 3 : 2;
  double beta1, beta2, eps, shrink;
  Power power1, power2;
  explicit Adam(Frame f)
      : Rule(f), beta1(f.f64()), beta2(f.f64()), eps(f.f64()), shrink(1), power1(beta1), power2(beta2) {
    if (f.flag()) {  // decoupled
      shrink = 1 - lr * weightDecay;
      weightDecay = 0;
    }
  }
  void prepare(double* row) {
    const double step = NextStep(row);
    row[kScalar] = -(lr / (1 - power1(step)));
    row[kScalar + 1] = std::sqrt(1 - power2(step));
  }

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V keep1, take1, keep2, take2, eps, shrink, minusSize, correction;
    Lanes(D d, const Adam& r, const double* row)
        : keep1(C(d, r.beta1)),
          take1(C(d, 1 - r.beta1)),
          keep2(C(d, r.beta2)),
          take2(C(d, 1 - r.beta2)),
          eps(C(d, r.eps)),
          shrink(C(d, r.shrink)),
          minusSize(C(d, row[kScalar])),
          correction(C(d, row[kScalar + 1])) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      p = hn::Mul(p, shrink);
      s[0] = Decay(s[0], keep1, g, take1);
      s[1] = DecaySquare(s[1], keep2, g, take2);
      V v = s[1];
      if constexpr (kAmsgrad) v = s[2] = MaxOrNaN(s[2], v);
      return AddCDiv(p, s[0], hn::Add(hn::Div(hn::Sqrt(v), correction), eps), minusSize);
    }
  };
};

// States: squareAvg, then momentumBuffer, then gradAvg, those that there are.
template <bool kMomentum, bool kCentered>
struct RmsProp : Rule {
  static constexpr int kStates = 1 + kMomentum + kCentered;
  double alpha, eps, momentum;
  explicit RmsProp(Frame f) : Rule(f), alpha(f.f64()), eps(f.f64()), momentum(f.f64()) {}
  void prepare(double* row) { NextStep(row); }

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V keep, take, eps, momentum, minusLr, one, minusOne;
    Lanes(D d, const RmsProp& r, const double*)
        : keep(C(d, r.alpha)),
          take(C(d, 1 - r.alpha)),
          eps(C(d, r.eps)),
          momentum(C(d, r.momentum)),
          minusLr(C(d, -r.lr)),
          one(C(d, 1)),
          minusOne(C(d, -1)) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      s[0] = DecaySquare(s[0], keep, g, take);
      V square = s[0];
      if constexpr (kCentered) {
        V& mean = s[kStates - 1];
        mean = Decay(mean, keep, g, take);
        square = hn::MulAdd(hn::Mul(minusOne, mean), mean, square);
      }
      const V avg = hn::Add(hn::Sqrt(square), eps);
      if constexpr (kMomentum) {
        s[1] = AddCDiv(hn::Mul(s[1], momentum), g, avg, one);
        return hn::MulAdd(s[1], minusLr, p);
      } else {
        return AddCDiv(p, g, avg, minusLr);
      }
    }
  };
};

struct Adagrad : Rule {
  static constexpr int kStates = 1;
  double lrDecay, eps;
  explicit Adagrad(Frame f) : Rule(f), lrDecay(f.f64()), eps(f.f64()) {}
  void prepare(double* row) { row[kScalar] = -(lr / (1 + (NextStep(row) - 1) * lrDecay)); }

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V eps, minusLr;
    Lanes(D d, const Adagrad& r, const double* row) : eps(C(d, r.eps)), minusLr(C(d, row[kScalar])) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      s[0] = hn::MulAdd(g, g, s[0]);
      return AddCDiv(p, g, hn::Add(hn::Sqrt(s[0]), eps), minusLr);
    }
  };
};

struct Adadelta : Rule {
  static constexpr int kStates = 2;
  double rho, eps;
  explicit Adadelta(Frame f) : Rule(f), rho(f.f64()), eps(f.f64()) {}
  void prepare(double* row) { NextStep(row); }

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V keep, take, eps, minusLr;
    Lanes(D d, const Adadelta& r, const double*)
        : keep(C(d, r.rho)), take(C(d, 1 - r.rho)), eps(C(d, r.eps)), minusLr(C(d, -r.lr)) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      s[0] = DecaySquare(s[0], keep, g, take);
      const V std = hn::Sqrt(hn::Add(s[0], eps));
      const V delta = hn::Mul(hn::Div(hn::Sqrt(hn::Add(s[1], eps)), std), g);
      s[1] = DecaySquare(s[1], keep, delta, take);
      return hn::MulAdd(delta, minusLr, p);
    }
  };
};

struct Adamax : Rule {
  static constexpr int kStates = 2;
  double beta1, beta2, eps;
  Power power1;
  explicit Adamax(Frame f) : Rule(f), beta1(f.f64()), beta2(f.f64()), eps(f.f64()), power1(beta1) {}
  void prepare(double* row) { row[kScalar] = -(lr / (1 - power1(NextStep(row)))); }

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V keep1, take1, keep2, eps, minusLr;
    Lanes(D d, const Adamax& r, const double* row)
        : keep1(C(d, r.beta1)),
          take1(C(d, 1 - r.beta1)),
          keep2(C(d, r.beta2)),
          eps(C(d, r.eps)),
          minusLr(C(d, row[kScalar])) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      s[0] = Decay(s[0], keep1, g, take1);
      s[1] = MaxOrNaN(hn::Mul(s[1], keep2), hn::Add(hn::Abs(g), eps));
      return AddCDiv(p, s[0], s[1], minusLr);
    }
  };
};

struct Nadam : Rule {
  static constexpr int kStates = 2;
  double beta1, beta2, eps, momentumDecay;
  Power power2, momentumPower;
  explicit Nadam(Frame f)
      : Rule(f),
        beta1(f.f64()),
        beta2(f.f64()),
        eps(f.f64()),
        momentumDecay(f.f64()),
        power2(beta2),
        momentumPower(0.96) {}
  void prepare(double* row) {
    const double step = NextStep(row);
    const double mu = beta1 * (1 - 0.5 * momentumPower(step * momentumDecay));
    const double next = beta1 * (1 - 0.5 * std::pow(0.96, (step + 1) * momentumDecay));
    float* product = At<float>(row[kMuProduct]);
    *product *= static_cast<float>(mu);
    const double productNext = static_cast<double>(*product) * next;
    row[kScalar] = -lr * (1 - mu) / (1 - static_cast<double>(*product));
    row[kScalar + 1] = -lr * next / (1 - productNext);
    row[kScalar + 2] = 1 - power2(step);
  }

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V keep1, take1, keep2, take2, eps, ofGrad, ofAvg, correction;
    Lanes(D d, const Nadam& r, const double* row)
        : keep1(C(d, r.beta1)),
          take1(C(d, 1 - r.beta1)),
          keep2(C(d, r.beta2)),
          take2(C(d, 1 - r.beta2)),
          eps(C(d, r.eps)),
          ofGrad(C(d, row[kScalar])),
          ofAvg(C(d, row[kScalar + 1])),
          correction(C(d, row[kScalar + 2])) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      s[0] = Decay(s[0], keep1, g, take1);
      s[1] = DecaySquare(s[1], keep2, g, take2);
      const V denom = hn::Add(hn::Sqrt(hn::Div(s[1], correction)), eps);
      return AddCDiv(AddCDiv(p, g, denom, ofGrad), s[0], denom, ofAvg);
    }
  };
};

struct Radam : Rule {
  static constexpr int kStates = 2;
  double beta1, beta2, eps;
  Power power1, power2;
  explicit Radam(Frame f) : Rule(f), beta1(f.f64()), beta2(f.f64()), eps(f.f64()), power1(beta1), power2(beta2) {}
  void prepare(double* row) {
    const double step = NextStep(row), p2 = power2(step), correction2 = 1 - p2;
    const double rhoInf = 2 / (1 - beta2) - 1, rho = rhoInf - 2 * step * p2 / correction2;
    row[kScalar] = 1 - power1(step);
    row[kScalar + 1] = std::sqrt(correction2);
    // 0: the variance is not tractable yet, and the step is one of plain momentum.
    row[kScalar + 2] = rho > 5 ? std::sqrt((rho - 4) * (rho - 2) * rhoInf / ((rhoInf - 4) * (rhoInf - 2) * rho)) : 0;
  }

  template <class D, class V = hn::Vec<D>>
  struct Lanes {
    V keep1, take1, keep2, take2, eps, lr, correction1, root2, rect, one;
    bool rectified;
    Lanes(D d, const Radam& r, const double* row)
        : keep1(C(d, r.beta1)),
          take1(C(d, 1 - r.beta1)),
          keep2(C(d, r.beta2)),
          take2(C(d, 1 - r.beta2)),
          eps(C(d, r.eps)),
          lr(C(d, r.lr)),
          correction1(C(d, row[kScalar])),
          root2(C(d, row[kScalar + 1])),
          rect(C(d, row[kScalar + 2])),
          one(C(d, 1)),
          rectified(row[kScalar + 2] != 0) {}
    HWY_INLINE V operator()(D, V p, V g, V* s) const {
      s[0] = Decay(s[0], keep1, g, take1);
      s[1] = DecaySquare(s[1], keep2, g, take2);
      V change = hn::Mul(hn::Div(s[0], correction1), lr);
      if (rectified) {
        const V rate = hn::Mul(hn::Div(one, hn::Add(hn::Sqrt(s[1]), eps)), root2);
        change = hn::Mul(hn::Mul(change, rate), rect);
      }
      return hn::Sub(p, change);
    }
  };
};

template <class R, class T>
struct Step {
  const R& rule;
  const double* table;
  int64_t rows;

  // Elements [begin, end) of the line.
  void operator()(int64_t begin, int64_t end) const {
    int64_t low = 0, high = rows;  // the last row that starts at or before begin
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      if (static_cast<int64_t>(table[middle * kRow + kStart]) <= begin)
        low = middle;
      else
        high = middle;
    }
    for (; low < rows; ++low) {
      const double* row = table + low * kRow;
      const int64_t start = static_cast<int64_t>(row[kStart]), count = static_cast<int64_t>(row[kElements]);
      if (start >= end) break;
      const int64_t from = begin > start ? begin - start : 0, to = end - start < count ? end - start : count;
      if (from < to) update(row, static_cast<size_t>(from), static_cast<size_t>(to));
    }
  }

  void update(const double* row, size_t from, size_t to) const {
    const hn::ScalableTag<T> d;
    using V = hn::Vec<decltype(d)>;
    const size_t lanes = hn::Lanes(d);
    const typename R::template Lanes<decltype(d)> step(d, rule, row);
    const V decay = C(d, rule.weightDecay);
    const bool decays = rule.weightDecay != 0, negates = rule.maximize;
    T* const param = At<T>(row[kParam]);
    const T* const grad = At<const T>(row[kGrad]);
    T* state[R::kStates + 1];
    for (int k = 0; k < R::kStates; ++k) state[k] = At<T>(row[kState + k]);
    for (size_t i = from; i < to; i += lanes) {
      const size_t rest = to - i;
      V s[R::kStates + 1];
      if (HWY_LIKELY(rest >= lanes)) {
        for (int k = 0; k < R::kStates; ++k) s[k] = hn::LoadU(d, state[k] + i);
        V p = hn::LoadU(d, param + i), g = hn::LoadU(d, grad + i);
        if (negates) g = hn::Neg(g);
        if (decays) g = hn::MulAdd(p, decay, g);
        hn::StoreU(step(d, p, g, s), d, param + i);
        for (int k = 0; k < R::kStates; ++k) hn::StoreU(s[k], d, state[k] + i);
      } else {
        for (int k = 0; k < R::kStates; ++k) s[k] = LoadFirst(d, state[k] + i, rest);
        V p = LoadFirst(d, param + i, rest), g = LoadFirst(d, grad + i, rest);
        if (negates) g = hn::Neg(g);
        if (decays) g = hn::MulAdd(p, decay, g);
        StoreFirst(step(d, p, g, s), d, param + i, rest);
        for (int k = 0; k < R::kStates; ++k) StoreFirst(s[k], d, state[k] + i, rest);
      }
    }
  }
};

template <class R, class T>
void runStep(const Kernel&, Frame f) {
  const int64_t rows = f.i64();
  double* const table = f.ptr<double>();
  R rule(f);
  int64_t line = 0;
  for (int64_t r = 0; r < rows; ++r) {
    double* const row = table + r * kRow;
    row[kStart] = static_cast<double>(line);
    line += (static_cast<int64_t>(row[kElements]) + kAlign - 1) / kAlign * kAlign;
    rule.prepare(row);
  }
  const Step<R, T> step{rule, table, rows};
  if (line < 2 * kGrain)
    step(0, line);
  else
    parallelFor(line, kGrain, step, kAlign);
}

#define TENFOLD_STEP(NAME, FRAME, ...) \
  {NAME, DType::f32, runStep<__VA_ARGS__, float>, FRAME}, { NAME, DType::f64, runStep<__VA_ARGS__, double>, FRAME }
using RmsPropPlain = RmsProp<false, false>;
using RmsPropMomentum = RmsProp<true, false>;
using RmsPropCentered = RmsProp<false, true>;
using RmsPropBoth = RmsProp<true, true>;

extern const Kernel kOptimizer[];
const Kernel kOptimizer[] = {
    TENFOLD_STEP("sgdStep", kSgdFrame, Sgd<false>),
    TENFOLD_STEP("sgdMomentumStep", kSgdFrame, Sgd<true>),
    TENFOLD_STEP("adamStep", kAdamFrame, Adam<false>),
    TENFOLD_STEP("adamAmsgradStep", kAdamFrame, Adam<true>),
    TENFOLD_STEP("rmspropStep", kRmsPropFrame, RmsPropPlain),
    TENFOLD_STEP("rmspropMomentumStep", kRmsPropFrame, RmsPropMomentum),
    TENFOLD_STEP("rmspropCenteredStep", kRmsPropFrame, RmsPropCentered),
    TENFOLD_STEP("rmspropCenteredMomentumStep", kRmsPropFrame, RmsPropBoth),
    TENFOLD_STEP("adagradStep", kAdagradFrame, Adagrad),
    TENFOLD_STEP("adadeltaStep", kAdadeltaFrame, Adadelta),
    TENFOLD_STEP("adamaxStep", kBetasFrame, Adamax),
    TENFOLD_STEP("nadamStep", kNadamFrame, Nadam),
    TENFOLD_STEP("radamStep", kBetasFrame, Radam),
};
#undef TENFOLD_STEP
constexpr size_t kOptimizerCount = sizeof(kOptimizer) / sizeof(kOptimizer[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable optimizerKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kOptimizer), HWY_NAMESPACE::kOptimizerCount};
}
}  // namespace tenfold
#endif
