// One input: arithmetic, rounding, exp and log, trigonometry, special functions. To add one, see tile-inl.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/unary.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/special-inl.h"
#include "kernels/all.h"

#ifndef TENFOLD_UNARY_LISTS
#define TENFOLD_UNARY_LISTS
// float32, float64
#define TENFOLD_UNARY_FLOAT(OP)                                                                      \
  OP(neg, 1, Neg(x))                                                                                 \
  OP(abs, 1, Abs(x))                                                                                 \
  OP(sign, 1, Sub(IfThenElseZero(Gt(x, Zero(d)), C(d, 1)), IfThenElseZero(Lt(x, Zero(d)), C(d, 1)))) \
  OP(sgn, 1, Sub(IfThenElseZero(Gt(x, Zero(d)), C(d, 1)), IfThenElseZero(Lt(x, Zero(d)), C(d, 1))))  \
  OP(positive, 1, x)                                                                                 \
  OP(square, 1, Mul(x, x))                                                                           \
  OP(reciprocal, 1, Div(C(d, 1), x))                                                                 \
  OP(sqrt, 1, Sqrt(x))                                                                               \
  OP(rsqrt, 2, Div(C(d, 1), Sqrt(x)))                                                                \
  OP(floor, 1, Floor(x))                                                                             \
  OP(ceil, 1, Ceil(x))                                                                               \
  OP(trunc, 1, Trunc(x))                                                                             \
  OP(round, 1, Round(x))                                                                             \
  OP(frac, 1, Sub(x, Trunc(x)))                                                                      \
  OP(exp, 1, Exp(d, x))                                                                              \
  OP(exp2, 1, Exp2(d, x))                                                                            \
  OP(expm1, 1, Expm1(d, x))                                                                          \
  OP(log, 1, Log(d, x))                                                                              \
  OP(log2, 4, Log2(d, x))                                                                            \
  OP(log10, 4, Log10(d, x))                                                                          \
  OP(log1p, 2, Log1p(d, x))                                                                          \
  OP(sin, 1, Sin(d, x))                                                                              \
  OP(cos, 1, Cos(d, x))                                                                              \
  OP(tan, 5, Tan(d, x))                                                                              \
  OP(asin, 5, Asin(d, x))                                                                            \
  OP(acos, 5, Acos(d, x))                                                                            \
  OP(atan, 6, Atan(d, x))                                                                            \
  OP(sinh, 6, Sinh(d, x))                                                                            \
  OP(cosh, 5, Cosh(d, x))                                                                            \
  OP(tanh, 2, Tanh(d, x))                                                                            \
  OP(asinh, 10, Asinh(d, x))                                                                         \
  OP(acosh, 10, Acosh(d, x))                                                                         \
  OP(atanh, 8, Atanh(d, x))                                                                          \
  OP(sigmoid, 2, Sigmoid(d, x))                                                                      \
  OP(logit, 2, Log(d, Div(x, Sub(C(d, 1), x))))                                                      \
  OP(erf, 1, Erf(d, x))                                                                              \
  OP(erfc, 10, Erfc(d, x))                                                                           \
  OP(erfinv, 20, Erfinv(d, x))                                                                       \
  OP(lgamma, 20, Lgamma(d, x))                                                                       \
  OP(digamma, 20, Digamma(d, x))                                                                     \
  OP(i0, 15, I0(d, x))                                                                               \
  OP(powScalar, 8, PowScalar(d, x, p[0]))                                                            \
  OP(roundDecimals, 2, RoundDecimals(d, x, p[0]))                                                    \
  OP(nanToNum, 1, NanToNum(d, x, p))                                                                 \
  OP(clampScalar, 1, ClampTo(d, x, C(d, p[0]), C(d, p[1])))                                          \
  OP(clampMinScalar, 1, Greater(C(d, p[0]), x))                                                      \
  OP(clampMaxScalar, 1, Lesser(C(d, p[0]), x))

// int32, int64
#define TENFOLD_UNARY_INT(OP)                                                                    \
  OP(neg, 1, T(0 - U(x)))                                                                        \
  OP(abs, 1, T(x < 0 ? 0 - U(x) : U(x)))                                                         \
  OP(sign, 1, T((x > 0) - (x < 0)))                                                              \
  OP(sgn, 1, T((x > 0) - (x < 0)))                                                               \
  OP(positive, 1, x)                                                                             \
  OP(square, 1, T(U(x) * U(x)))                                                                  \
  OP(floor, 1, x)                                                                                \
  OP(ceil, 1, x)                                                                                 \
  OP(trunc, 1, x)                                                                                \
  OP(round, 1, x)                                                                                \
  OP(bitwiseNot, 1, T(~x))                                                                       \
  OP(powScalar, 4, IntPow(x, T(p[0])))                                                           \
  OP(clampScalar, 1, x<Bound<T>(p[0]) ? Bound<T>(p[0]) : x> Bound<T>(p[1]) ? Bound<T>(p[1]) : x) \
  OP(clampMinScalar, 1, x < Bound<T>(p[0]) ? Bound<T>(p[0]) : x)                                 \
  OP(clampMaxScalar, 1, x > Bound<T>(p[0]) ? Bound<T>(p[0]) : x)
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// PyTorch computes the common exponents without pow, and so keeps them exact. The choice is made once per vector; the
// exponent is the same for all of them, so it is predicted.
template <class D, class V>
HWY_INLINE V PowScalar(D d, V x, double exponent) {
  const V one = C(d, 1);
  if (exponent == 2) return Mul(x, x);
  if (exponent == 3) return Mul(Mul(x, x), x);
  if (exponent == 0.5) return Sqrt(x);
  if (exponent == -0.5) return Div(one, Sqrt(x));
  if (exponent == -1) return Div(one, x);
  if (exponent == -2) return Div(one, Mul(x, x));
  return Pow(d, x, C(d, exponent));
}
template <class D, class V>
HWY_INLINE V RoundDecimals(D d, V x, double decimals) {
  const V scale = C(d, std::pow(10.0, std::fabs(decimals)));
  return decimals < 0 ? Mul(Round(Div(x, scale)), scale) : Div(Round(Mul(x, scale)), scale);
}
// p: what stands for NaN, inf, -inf
template <class D, class V>
HWY_INLINE V NanToNum(D d, V x, const double* p) {
  V y = IfThenElse(IsNaN(x), C(d, p[0]), x);
  y = IfThenElse(Eq(x, C(d, kInf)), C(d, p[1]), y);
  return IfThenElse(Eq(x, C(d, -kInf)), C(d, p[2]), y);
}
// A scalar bound of an integer tensor: infinite ones become the type's own.
template <class T>
HWY_INLINE T Bound(double b) {
  constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
  if (b >= -kLow) return std::numeric_limits<T>::max();
  return b <= kLow ? std::numeric_limits<T>::min() : static_cast<T>(b);
}
template <class T>
HWY_INLINE T IntPow(T base, T exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
  auto result = U(T{1});
  auto square = U(base);
  for (auto e = U(exponent); e; e >>= 1, square *= square) {
    if (e & 1) result *= square;
  }
  return static_cast<T>(result);
}

namespace vectors {
TENFOLD_UNARY_FLOAT(TENFOLD_VECTOR_1)
}
namespace numbers {
TENFOLD_UNARY_INT(TENFOLD_NUMBER_1)
}

#define TENFOLD_FLOATS(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 1>(#NAME, COST), VectorRow<vectors::NAME, double, 1>(#NAME, COST),
#define TENFOLD_INTS(NAME, COST, ...)                               \
  NumberRow<numbers::NAME, int32_t, int32_t, int32_t>(#NAME, COST), \
      NumberRow<numbers::NAME, int64_t, int64_t, int64_t>(#NAME, COST),
constexpr Kernel kUnary[] = {TENFOLD_UNARY_FLOAT(TENFOLD_FLOATS) TENFOLD_UNARY_INT(TENFOLD_INTS)};
#undef TENFOLD_FLOATS
#undef TENFOLD_INTS

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable unaryKernels(int64_t target) {
  const auto& table = *TENFOLD_FOR_TARGET(target, kUnary);
  return {table, sizeof(table) / sizeof(table[0])};
}
}  // namespace tenfold
#endif
