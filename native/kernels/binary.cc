// Two inputs: arithmetic, powers, remainders, bits. To add one, see tile-inl.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/binary.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/special-inl.h"
#include "kernels/all.h"

#ifndef TENFOLD_BINARY_LISTS
#define TENFOLD_BINARY_LISTS
// float32, float64
#define TENFOLD_BINARY_FLOAT(OP)                                                           \
  OP(add, 1, Add(a, b))                                                                    \
  OP(sub, 1, Sub(a, b))                                                                    \
  OP(mul, 1, Mul(a, b))                                                                    \
  OP(div, 1, Div(a, b))                                                                    \
  OP(addScaled, 1, MulAdd(C(d, p[0]), b, a)) /* a + p0 b: add, sub with alpha */           \
  OP(maximum, 1, IfThenElse(Or(Gt(a, b), IsNaN(a)), a, b))                                 \
  OP(minimum, 1, IfThenElse(Or(Lt(a, b), IsNaN(a)), a, b))                                 \
  OP(fmax, 1, IfThenElse(Or(Gt(a, b), IsNaN(b)), a, b))                                    \
  OP(fmin, 1, IfThenElse(Or(Lt(a, b), IsNaN(b)), a, b))                                    \
  OP(divTrunc, 1, Trunc(Div(a, b)))                                                        \
  OP(floorDivide, 6, FloorDivide(d, a, b))                                                 \
  OP(remainder, 4, Remainder(d, a, b))                                                     \
  OP(fmod, 4, Fmod(d, a, b))                                                               \
  OP(pow, 10, Pow(d, a, b))                                                                \
  OP(hypot, 2, Hypot(d, a, b))                                                             \
  OP(atan2, 8, Atan2(d, a, b))                                                             \
  OP(logaddexp, 4, LogAddExp(d, a, b))                                                     \
  OP(logaddexp2, 8, LogAddExp2(d, a, b))                                                   \
  OP(xlogy, 2, IfThenZeroElse(AndNot(IsNaN(b), Eq(a, Zero(d))), Mul(a, Log(d, b))))        \
  OP(heaviside, 1, IfThenElse(Eq(a, Zero(d)), b, IfThenElseZero(Gt(a, Zero(d)), C(d, 1)))) \
  OP(copysign, 1, CopySign(a, b))                                                          \
  OP(nextafter, 8, PerLanePair<NextAfter>(d, a, b))

// int32, int64; what overflows wraps around
#define TENFOLD_BINARY_INT(OP)                                                                   \
  OP(add, 1, T(U(a) + U(b)))                                                                     \
  OP(sub, 1, T(U(a) - U(b)))                                                                     \
  OP(mul, 1, T(U(a) * U(b)))                                                                     \
  OP(addScaled, 1, T(U(a) + U(T(p[0])) * U(b)))                                                  \
  OP(maximum, 1, a > b ? a : b)                                                                  \
  OP(minimum, 1, a < b ? a : b)                                                                  \
  OP(fmax, 1, a > b ? a : b)                                                                     \
  OP(fmin, 1, a < b ? a : b)                                                                     \
  OP(divTrunc, 4, DivTrunc(a, b))                                                                \
  OP(floorDivide, 5, FloorDiv(a, b))                                                             \
  OP(remainder, 5, FloorMod(a, b))                                                               \
  OP(fmod, 4, ModTrunc(a, b))                                                                    \
  OP(pow, 8, IntPow(a, b))                                                                       \
  OP(bitwiseAnd, 1, a& b)                                                                        \
  OP(bitwiseOr, 1, a | b)                                                                        \
  OP(bitwiseXor, 1, a ^ b)                                                                       \
  OP(bitwiseLeftShift, 1, U(b) < sizeof(T) * 8 ? T(U(a) << (U(b) & (sizeof(T) * 8 - 1))) : T(0)) \
  OP(bitwiseRightShift, 1, T(a >> (U(b) < sizeof(T) * 8 ? b : T(sizeof(T) * 8 - 1))))            \
  OP(gcd, 40, Gcd(a, b))                                                                         \
  OP(lcm, 50, Lcm(a, b))
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// log(e^a + e^b) from the larger on; equal infinities stay what they are.
template <class D, class V>
HWY_INLINE V LogAddExp(D d, V a, V b) {
  const V larger = IfThenElse(Or(Gt(a, b), IsNaN(a)), a, b);
  const V y = Add(larger, Log1p(d, Exp(d, Neg(Abs(Sub(a, b))))));
  return IfThenElse(And(Eq(a, b), Eq(Abs(a), C(d, kInf))), a, y);
}
template <class D, class V>
HWY_INLINE V LogAddExp2(D d, V a, V b) {
  const V larger = IfThenElse(Or(Gt(a, b), IsNaN(a)), a, b);
  const V y = Add(larger, Mul(Log1p(d, Exp2(d, Neg(Abs(Sub(a, b))))), C(d, 1.4426950408889634)));
  return IfThenElse(And(Eq(a, b), Eq(Abs(a), C(d, kInf))), a, y);
}
struct NextAfter {
  static float Of(float a, float b) { return std::nextafter(a, b); }
  static double Of(double a, double b) { return std::nextafter(a, b); }
};
template <class F, class D, class V>
HWY_INLINE V PerLanePair(D d, V a, V b) {
  return PerLane<F>(d, a, b);
}

// Integer division: a division by zero is an error, as in PyTorch; the lowest number over -1 wraps around to itself,
// where the processor's instruction would end the process.
template <class T>
HWY_INLINE T DivTrunc(T a, T b) {
  if (HWY_UNLIKELY(b == 0)) throw KernelError("ZeroDivision", "integer division by zero");
  return b == -1 ? static_cast<T>(0 - U(a)) : static_cast<T>(a / b);
}
template <class T>
HWY_INLINE T ModTrunc(T a, T b) {
  if (HWY_UNLIKELY(b == 0)) throw KernelError("ZeroDivision", "integer remainder of a division by zero");
  return b == -1 ? T{0} : static_cast<T>(a % b);
}
template <class T>
HWY_INLINE T FloorMod(T a, T b) {
  const T m = ModTrunc(a, b);
  return m != 0 && (m < 0) != (b < 0) ? static_cast<T>(m + b) : m;
}
template <class T>
HWY_INLINE T FloorDiv(T a, T b) {
  const T q = DivTrunc(a, b);
  const bool inexact = U(q) * U(b) != U(a);
  return inexact && (a < 0) != (b < 0) ? static_cast<T>(q - 1) : q;
}
template <class T>
HWY_INLINE T IntPow(T base, T exponent) {
  if (exponent < 0) return base == 1 ? T{1} : base == -1 ? (exponent & 1 ? T{-1} : T{1}) : T{0};
  auto result = U(T{1});
  auto square = U(base);
  for (auto e = U(exponent); e; e >>= 1, square *= square) {
    if (e & 1) result *= square;
  }
  return static_cast<T>(result);
}
template <class T>
HWY_INLINE std::make_unsigned_t<T> Magnitude(T a) {
  return a < 0 ? 0 - U(a) : U(a);
}
template <class T>
HWY_INLINE T Gcd(T a, T b) {
  auto x = Magnitude(a), y = Magnitude(b);
  while (y) {
    const auto rest = x % y;
    x = y;
    y = rest;
  }
  return static_cast<T>(x);
}
template <class T>
HWY_INLINE T Lcm(T a, T b) {
  const auto g = U(Gcd(a, b));
  return g == 0 ? T{0} : static_cast<T>(Magnitude(static_cast<T>(Magnitude(a) / g * Magnitude(b))));
}

namespace vectors {
TENFOLD_BINARY_FLOAT(TENFOLD_VECTOR_2)
}
namespace numbers {
TENFOLD_BINARY_INT(TENFOLD_NUMBER_2)
}

#define TENFOLD_FLOATS(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 2>(#NAME, COST), VectorRow<vectors::NAME, double, 2>(#NAME, COST),
#define TENFOLD_INTS(NAME, COST, ...)                                        \
  NumberRow<numbers::NAME, int32_t, int32_t, int32_t, int32_t>(#NAME, COST), \
      NumberRow<numbers::NAME, int64_t, int64_t, int64_t, int64_t>(#NAME, COST),
constexpr Kernel kBinary[] = {TENFOLD_BINARY_FLOAT(TENFOLD_FLOATS) TENFOLD_BINARY_INT(TENFOLD_INTS)};
#undef TENFOLD_FLOATS
#undef TENFOLD_INTS

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable binaryKernels(int64_t target) {
  const auto& table = *TENFOLD_FOR_TARGET(target, kBinary);
  return {table, sizeof(table) / sizeof(table[0])};
}
}  // namespace tenfold
#endif
