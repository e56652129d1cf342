// Activations and their backwards (grad first). To add one, see tile-inl.h. A backward stands here where fusing it
// measured faster than the formula made of ops.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/all.h"
#include "kernels/special-inl.h"

#ifndef TENFOLD_ACTIVATION_LISTS
#define TENFOLD_ACTIVATION_LISTS
// float32, float64; x
#define TENFOLD_ACTIVATIONS(OP)                                                                      \
  OP(relu, 1, Greater(Zero(d), x))                                                                   \
  OP(silu, 2, Mul(x, Sigmoid(d, x)))                                                                 \
  OP(gelu, 2, Mul(x, GeluGate(d, x)))                                                                \
  OP(geluTanh, 2, Mul(x, GeluTanhGate(d, x)))                                                        \
  OP(mish, 2, Mul(x, TanhSoftplus(d, x)))                                                            \
  OP(softsign, 1, Div(x, Add(C(d, 1), Abs(x))))                                                      \
  OP(hardtanh, 1, ClampTo(d, x, C(d, p[0]), C(d, p[1]))) /* min, max */                              \
  OP(hardsigmoid, 1, Div(Clamp06(d, x), C(d, 6)))                                                    \
  OP(hardswish, 1, Div(Mul(x, Clamp06(d, x)), C(d, 6)))                                              \
  OP(logsigmoid, 2, Sub(Lesser(Zero(d), x), Log1p(d, Exp(d, Neg(Abs(x))))))                          \
  OP(softplus, 2, Softplus(d, x, p[0], p[1]))                         /* beta, threshold */          \
  OP(leakyRelu, 1, IfThenElse(Gt(x, Zero(d)), x, Mul(x, C(d, p[0])))) /* negative slope */           \
  OP(elu, 2, Elu(d, x, p[0], p[1], p[2]))                             /* alpha, scale, inputScale */ \
  OP(selu, 2, Elu(d, x, 1.6732632423543772, 1.0507009873554805, 1))                                  \
  OP(celu, 2, Elu(d, x, p[0], 1, 1 / p[0]))                                        /* alpha */       \
  OP(hardshrink, 1, IfThenZeroElse(And(Ge(x, C(d, -p[0])), Le(x, C(d, p[0]))), x)) /* lambda */      \
  OP(softshrink, 1, Softshrink(d, x, C(d, p[0])))                                  /* lambda */      \
  OP(threshold, 1, IfThenElse(Le(x, C(d, p[0])), C(d, p[1]), x))                   /* threshold, value */

// float32, float64; grad, then x, or the forward's result where the name says Result
#define TENFOLD_ACTIVATION_BACKWARDS(OP)                                                                           \
  OP(reluBackward, 1, IfThenZeroElse(Le(x, Zero(d)), grad))         /* x or result: the same */                    \
  OP(thresholdBackward, 1, IfThenZeroElse(Le(x, C(d, p[0])), grad)) /* threshold */                                \
  OP(tanhBackward, 1, Mul(grad, NegMulAdd(x, x, C(d, 1))))          /* result */                                   \
  OP(sigmoidBackward, 1, Mul(grad, Mul(Sub(C(d, 1), x), x)))        /* result */                                   \
  OP(siluBackward, 2, SiluBackward(d, grad, x))                                                                    \
  OP(geluBackward, 3, GeluBackward(d, grad, x))                                                                    \
  OP(geluTanhBackward, 3, GeluTanhBackward(d, grad, x))                                                            \
  OP(mishBackward, 3, MishBackward(d, grad, x))                                                                    \
  OP(softsignBackward, 1, Div(grad, Mul(Add(C(d, 1), Abs(x)), Add(C(d, 1), Abs(x)))))                              \
  OP(hardtanhBackward, 1, IfThenElseZero(And(Gt(x, C(d, p[0])), Lt(x, C(d, p[1]))), grad)) /* min, max */          \
  OP(clampBackward, 1, IfThenElseZero(And(Ge(x, C(d, p[0])), Le(x, C(d, p[1]))), grad))    /* min, max */          \
  OP(hardsigmoidBackward, 1, IfThenElseZero(And(Gt(x, C(d, -3)), Lt(x, C(d, 3))), Div(grad, C(d, 6))))             \
  OP(hardswishBackward, 1, HardswishBackward(d, grad, x))                                                          \
  OP(logSigmoidBackward, 2, Mul(grad, Sigmoid(d, Neg(x))))                                                         \
  OP(softplusBackward, 2, SoftplusBackward(d, grad, x, p[0], p[1]))                 /* beta, threshold */          \
  OP(leakyReluBackward, 1, IfThenElse(Gt(x, Zero(d)), grad, Mul(grad, C(d, p[0])))) /* negative slope */           \
  OP(eluBackward, 2, EluBackward(d, grad, x, p[0], p[1], p[2]))                     /* alpha, scale, inputScale */ \
  OP(eluBackwardFromResult, 1,                                                                                     \
     IfThenElse(Gt(x, Zero(d)), Mul(grad, C(d, p[1])),                                                             \
                Mul(Mul(grad, C(d, p[2])), Add(x, C(d, p[0] * p[1])))))                  /* as elu's */            \
  OP(shrinkBackward, 1, IfThenElseZero(Or(Gt(x, C(d, p[0])), Lt(x, C(d, -p[0]))), grad)) /* lambda; hard, soft */

#define TENFOLD_ACTIVATIONS_INT(OP) OP(relu, 1, x > 0 ? x : T(0))
#define TENFOLD_BACKWARD(NAME, COST, ...) TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V grad, V x), __VA_ARGS__)
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

constexpr double kSqrtHalf = 0.70710678118654752, kSqrt2OverPi = 0.79788456080286536,
                 kSqrt1Over2Pi = 0.39894228040143268;
constexpr double kGeluCube = 0.044715;

// The standard normal distribution's share below x. For floats 1/2 + x P(x^2) / Q(x^2), fitted with 3e-8: within 3 ulp,
// as 1 + erf(x) is where it is small, in half of erf's time. Beyond 5.7 it comes out as more than a half, and is cut.
template <class D, class V>
HWY_INLINE V GeluGate(D d, V x) {
  if constexpr (kIsFloat<D>) {
    const V y = ClampTo(d, x, C(d, -5.7), C(d, 5.7));
    const V z = Mul(y, y);
    const V p = Poly(d, z, 0.3989422677, 0.03391919648, 0.004575395445, 0.0001619773369, 5.110323523e-6);
    const V q =
        Poly(d, z, 1, 0.2516889725, 0.02841831553, 0.001824997262, 6.698071283e-5, 7.190389038e-7, -1.715438231e-9);
    return Add(C(d, 0.5), ClampTo(d, Div(Mul(y, p), q), C(d, -0.5), C(d, 0.5)));
  } else {
    return MulAdd(C(d, 0.5), Erf(d, Mul(x, C(d, kSqrtHalf))), C(d, 0.5));
  }
}
template <class D, class V>
HWY_INLINE V GeluBackward(D d, V grad, V x) {
  const V density = Mul(C(d, kSqrt1Over2Pi), Exp(d, Mul(C(d, -0.5), Mul(x, x))));
  return Mul(grad, MulAdd(x, density, GeluGate(d, x)));
}
// Its approximation (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3), which is sigmoid(2 u).
template <class D, class V>
HWY_INLINE V GeluTanhGate(D d, V x) {
  const V u = Mul(Mul(C(d, 2 * kSqrt2OverPi), x), MulAdd(C(d, kGeluCube), Mul(x, x), C(d, 1)));
  return Sigmoid(d, u);
}
template <class D, class V>
HWY_INLINE V GeluTanhBackward(D d, V grad, V x) {
  const V gate = GeluTanhGate(d, x);
  const V slope = Mul(C(d, 2 * kSqrt2OverPi), MulAdd(C(d, 3 * kGeluCube), Mul(x, x), C(d, 1)));
  const V bend = Mul(gate, Sub(C(d, 1), gate));
  // Far out x * slope overflows, and bend is 0.
  return Mul(grad, Add(gate, IfThenZeroElse(Eq(bend, Zero(d)), Mul(Mul(x, bend), slope))));
}
template <class D, class V>
HWY_INLINE V SiluBackward(D d, V grad, V x) {
  const V s = Sigmoid(d, x);
  return Mul(Mul(grad, s), MulAdd(x, Sub(C(d, 1), s), C(d, 1)));
}
// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); 1 in float and double from 20 on.
template <class D, class V>
HWY_INLINE V TanhSoftplus(D d, V x) {
  const V e = Exp(d, Lesser(C(d, 20), x));
  const V n = Mul(e, Add(e, C(d, 2)));
  return Div(n, Add(n, C(d, 2)));
}
template <class D, class V>
HWY_INLINE V MishBackward(D d, V grad, V x) {
  const V t = TanhSoftplus(d, x);
  const V slope = Mul(Sigmoid(d, x), NegMulAdd(t, t, C(d, 1)));
  return Mul(grad, MulAdd(x, slope, t));
}
template <class D, class V>
HWY_INLINE V Clamp06(D d, V x) {
  return ClampTo(d, Add(x, C(d, 3)), Zero(d), C(d, 6));
}
template <class D, class V>
HWY_INLINE V HardswishBackward(D d, V grad, V x) {
  const V inner = Mul(grad, Add(Div(x, C(d, 3)), C(d, 0.5)));
  return IfThenZeroElse(Lt(x, C(d, -3)), IfThenElse(Ge(x, C(d, 3)), grad, inner));
}
template <class D, class V>
HWY_INLINE V Softplus(D d, V x, double beta, double threshold) {
  const V scaled = Mul(x, C(d, beta));
  return IfThenElse(Gt(scaled, C(d, threshold)), x, Div(Log1p(d, Exp(d, scaled)), C(d, beta)));
}
template <class D, class V>
HWY_INLINE V SoftplusBackward(D d, V grad, V x, double beta, double threshold) {
  const V scaled = Mul(x, C(d, beta));
  return IfThenElse(Gt(scaled, C(d, threshold)), grad, Mul(grad, Sigmoid(d, scaled)));
}
template <class D, class V>
HWY_INLINE V Elu(D d, V x, double alpha, double scale, double inputScale) {
  const V low = Mul(Expm1(d, Mul(x, C(d, inputScale))), C(d, alpha * scale));
  return IfThenElse(Le(x, Zero(d)), low, Mul(x, C(d, scale)));
}
template <class D, class V>
HWY_INLINE V EluBackward(D d, V grad, V x, double alpha, double scale, double inputScale) {
  const V low = Mul(Mul(grad, C(d, inputScale * alpha * scale)), Exp(d, Mul(x, C(d, inputScale))));
  return IfThenElse(Gt(x, Zero(d)), Mul(grad, C(d, scale)), low);
}
template <class D, class V>
HWY_INLINE V Softshrink(D d, V x, V lambda) {
  const V low = IfThenElse(Lt(x, Neg(lambda)), Add(x, lambda), IfThenElse(IsNaN(x), x, Zero(d)));
  return IfThenElse(Gt(x, lambda), Sub(x, lambda), low);
}

namespace vectors {
TENFOLD_ACTIVATIONS(TENFOLD_VECTOR_1)
TENFOLD_ACTIVATION_BACKWARDS(TENFOLD_BACKWARD)
}  // namespace vectors
namespace numbers {
TENFOLD_ACTIVATIONS_INT(TENFOLD_NUMBER_1)
}

#define TENFOLD_ROWS_1(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 1>(#NAME, COST), VectorRow<vectors::NAME, double, 1>(#NAME, COST),
#define TENFOLD_ROWS_2(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 2>(#NAME, COST), VectorRow<vectors::NAME, double, 2>(#NAME, COST),
#define TENFOLD_INTS(NAME, COST, ...)                               \
  NumberRow<numbers::NAME, int32_t, int32_t, int32_t>(#NAME, COST), \
      NumberRow<numbers::NAME, int64_t, int64_t, int64_t>(#NAME, COST),
constexpr Kernel kActivation[] = {TENFOLD_ACTIVATIONS(TENFOLD_ROWS_1) TENFOLD_ACTIVATION_BACKWARDS(TENFOLD_ROWS_2)
                                      TENFOLD_ACTIVATIONS_INT(TENFOLD_INTS)};
#undef TENFOLD_ROWS_1
#undef TENFOLD_ROWS_2
#undef TENFOLD_INTS

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable activationKernels(int64_t target) {
  const auto& table = *TENFOLD_FOR_TARGET(target, kActivation);
  return {table, sizeof(table) / sizeof(table[0])};
}
}  // namespace tenfold
#endif
