// Vector math: exp, log and what is made of them. Included once per instruction set. trig-inl.h and special-inl.h go
// on.
//
// Each function takes float or double vectors, and its line says how far a result may be from the true value, in units
// in the last place (float32 / float64); native/test/math_test.cc holds every instruction set to it. Special values
// are C's. Polynomials were fitted at Chebyshev nodes in 50-digit arithmetic; their lowest coefficient stands first.
// A float function that has no float code is computed in double (InDouble), which rounds correctly but for rare ties.
#include <cmath>
#include <limits>

#include "kernels/tile-inl.h"

#if defined(TENFOLD_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_KERNELS_MATH_INL_H_
#undef TENFOLD_KERNELS_MATH_INL_H_
#else
#define TENFOLD_KERNELS_MATH_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
template <class D>
constexpr bool kIsFloat = sizeof(hn::TFromD<D>) == 4;
// One of two constants, by the lane type.
template <class D>
HWY_INLINE hn::Vec<D> C(D d, double forFloat, double forDouble) {
  return C(d, kIsFloat<D> ? forFloat : forDouble);
}

template <class D, class V>
HWY_INLINE V Poly(D d, V, double c0) {
  return C(d, c0);
}
template <class D, class V, class... Rest>
HWY_INLINE V Poly(D d, V x, double c0, Rest... rest) {
  return MulAdd(Poly(d, x, rest...), x, C(d, c0));
}

// F()(…) on float lanes, computed on two vectors of doubles.
template <class F, class D, class... V>
HWY_INLINE hn::Vec<D> InDouble(D d, V... x) {
  const hn::Half<D> dh;
  const hn::Repartition<double, D> dd;
  const F f;
  const auto low = f(dd, PromoteTo(dd, LowerHalf(dh, x))...);
  const auto high = f(dd, PromoteTo(dd, UpperHalf(dh, x))...);
  return Combine(d, DemoteTo(dh, high), DemoteTo(dh, low));
}

// F::Of(double, …) lane by lane: for the C library's functions, and for what is too rare to deserve vector code.
template <class F, class D, class... V>
HWY_NOINLINE hn::Vec<D> PerLane(D d, V... x) {
  using T = hn::TFromD<D>;
  HWY_ALIGN T lanes[sizeof...(V)][hn::MaxLanes(d)];
  HWY_ALIGN T result[hn::MaxLanes(d)];
  size_t k = 0;
  (Store(x, d, lanes[k++]), ...);
  for (size_t i = 0; i < hn::Lanes(d); ++i) {
    if constexpr (sizeof...(V) == 1)
      result[i] = static_cast<T>(F::Of(lanes[0][i]));
    else
      result[i] = static_cast<T>(F::Of(lanes[0][i], lanes[1][i]));
  }
  return Load(d, result);
}

// Declares NAME(d, x) from a body for doubles.
#ifndef TENFOLD_DOUBLE_MATH
#define TENFOLD_DOUBLE_MATH(NAME)            \
  struct NAME##InDouble {                    \
    template <class D, class V>              \
    HWY_INLINE V operator()(D d, V x) const; \
  };                                         \
  template <class D, class V>                \
  HWY_INLINE V NAME(D d, V x) {              \
    if constexpr (kIsFloat<D>)               \
      return InDouble<NAME##InDouble>(d, x); \
    else                                     \
      return NAME##InDouble()(d, x);         \
  }                                          \
  template <class D, class V>                \
  HWY_INLINE V NAME##InDouble::operator()(D d, V x) const
#endif

// ---- powers of two --------------------------------------------------------------------------------------------------
// Whole numbers live in float lanes: adding 1.5 * 2^23 (2^52) rounds to a whole number and leaves it in the low bits.
// (Converting to integer lanes costs more, and for doubles AVX2 has no such instruction.)
template <class D>
HWY_INLINE hn::Vec<D> RoundingShift(D d) {
  return C(d, 12582912.0, 6755399441055744.0);
}
template <class D, class V>
HWY_INLINE V RoundSmall(D d, V x) {
  return Sub(Add(x, RoundingShift(d)), RoundingShift(d));
}
// 2^n for whole n that give a normal number.
template <class D, class V>
HWY_INLINE V Pow2(D d, V n) {
  const hn::RebindToUnsigned<D> du;
  const V biased = Add(n, C(d, 12582912.0 + 127, 6755399441055744.0 + 1023));
  return BitCast(d, hn::ShiftLeft < kIsFloat<D> ? 23 : 52 > (BitCast(du, biased)));
}
// x * 2^n for any whole n that the callers have (twice the normal range), rounded once.
template <class D, class V>
HWY_INLINE V Scale(D d, V x, V n) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (sizeof(V) == 64) {
    if constexpr (kIsFloat<D>)
      return V{_mm512_scalef_ps(x.raw, n.raw)};
    else
      return V{_mm512_scalef_pd(x.raw, n.raw)};
  }
#endif
  const V half = RoundSmall(d, Mul(n, C(d, 0.5)));
  return Mul(Mul(x, Pow2(d, half)), Pow2(d, Sub(n, half)));
}

// ---- exp ------------------------------------------------------------------------------------------------------------
// e^r - 1 for |r| <= ln(2) / 2.
template <class D, class V>
HWY_INLINE V Expm1Reduced(D d, V r) {
  V tail;
  if constexpr (kIsFloat<D>) {
    tail = Poly(d, r, 0.5000000000, 0.1666657631, 0.04166655376, 0.008363292753, 0.001392632598);
  } else {
    tail = Poly(d, r, 0.5, 0.166666666666666675, 0.0416666666666234768, 0.00833333333333001176, 0.00138888889175382958,
                0.000198412698633032233, 0.0000248015207925726928, 2.75572680728900983e-6, 2.76203274282682382e-7,
                2.51005692758136826e-8);
  }
  return MulAdd(Mul(r, r), tail, r);
}
// n and r with x = n * ln(2) + r. The first part of ln(2) is short, so that its product is exact without FMA too.
template <class D, class V>
HWY_INLINE V ReduceByLn2(D d, V x, V& n) {
  n = RoundSmall(d, Mul(x, C(d, 1.4426950408889634)));
  const V r = NegMulAdd(n, C(d, 0.693359375, 6.93147180369123816490e-01), x);
  return NegMulAdd(n, C(d, -2.12194440054690583e-4, 1.90821492927058770002e-10), r);
}
// Lets NaN pass.
template <class D, class V>
HWY_INLINE V ClampTo(D d, V x, V low, V high) {
  (void)d;
  return Greater(low, Lesser(high, x));
}

// 1.1 / 1.1
template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  x = ClampTo(d, x, C(d, -105, -747), C(d, 90, 711));
  V n;
  const V r = ReduceByLn2(d, x, n);
  return Scale(d, Add(C(d, 1), Expm1Reduced(d, r)), n);
}
// 1.1 / 1.1
template <class D, class V>
HWY_INLINE V Exp2(D d, V x) {
  x = ClampTo(d, x, C(d, -152, -1077), C(d, 129, 1025));
  const V n = RoundSmall(d, x);
  const V f = Sub(x, n);
  const V ln2 = C(d, 0.6931471805599453);
  const V lost = Mul(f, C(d, 0.6931471805599453 - static_cast<double>(0.6931471805599453f), 2.3190468138462996e-17));
  const V r = MulAdd(f, ln2, lost);
  return Scale(d, Add(C(d, 1), Expm1Reduced(d, r)), n);
}
// 2 / 2
template <class D, class V>
HWY_INLINE V Expm1(D d, V x) {
  const V clamped = ClampTo(d, x, C(d, -20, -40), C(d, 89, 710));
  V n;
  const V r = ReduceByLn2(d, clamped, n);
  // t = 2^(n-1): 2^n itself overflows before the result does.
  const V t = Pow2(d, Sub(n, C(d, 1)));
  const V y = MulAdd(t, Expm1Reduced(d, r), Sub(t, C(d, 0.5)));
  return IfThenElse(Lt(Abs(x), C(d, 1e-9, 1e-18)), x, Add(y, y));
}

// ---- log ------------------------------------------------------------------------------------------------------------
// k and m with x = 2^k * m, m in [sqrt(1/2), sqrt(2)); for positive finite x, subnormals included.
template <class D, class V>
HWY_INLINE V SplitExponent(D d, V x, V& k) {
  const hn::RebindToUnsigned<D> du;
  constexpr int kBits = kIsFloat<D> ? 23 : 52;
  using TU = hn::TFromD<decltype(du)>;
  constexpr TU kOne = kIsFloat<D> ? static_cast<TU>(0x3f800000u) : static_cast<TU>(0x3ff0000000000000u);
  constexpr TU kHalfRoot = kIsFloat<D> ? static_cast<TU>(0x3f3504f3u) : static_cast<TU>(0x3fe6a09e667f3bcdu);
  constexpr TU kWhole = kIsFloat<D> ? static_cast<TU>(0x4b000000u) : static_cast<TU>(0x4330000000000000u);
  const auto small = Lt(x, C(d, std::numeric_limits<float>::min(), std::numeric_limits<double>::min()));
  const V normal = IfThenElse(small, Mul(x, C(d, 16777216.0, 18014398509481984.0)), x);
  const auto bits = Add(BitCast(du, normal), Set(du, kOne - kHalfRoot));
  const V biased = BitCast(d, Or(hn::ShiftRight<kBits>(bits), Set(du, kWhole)));
  k = Sub(Sub(biased, C(d, 8388608.0 + 127, 4503599627370496.0 + 1023)), IfThenElseZero(small, C(d, 24, 54)));
  return BitCast(d, Add(And(bits, Set(du, (TU{1} << kBits) - 1)), Set(du, kHalfRoot)));
}
// log's values outside (0, inf).
template <class D, class V>
HWY_INLINE V LogSpecial(D d, V x, V y) {
  y = IfThenElse(Lt(x, C(d, kInf)), y, x);  // inf and NaN
  y = IfThenElse(Eq(x, Zero(d)), C(d, -kInf), y);
  return IfThenElse(Lt(x, Zero(d)), C(d, kNaN), y);
}
// log(1 + f) + k * ln(2) for 1 + f in [sqrt(1/2), sqrt(2)).
template <class D, class V>
HWY_INLINE V LogReduced(D d, V f, V k) {
  if constexpr (kIsFloat<D>) {
    const V tail = Poly(d, f, 0.3333333118, -0.2499999696, 0.2000071575, -0.1666780232, 0.1424905765, -0.1242568733,
                        0.1168541992, -0.1147973385, 0.06971611471);
    const V f2 = Mul(f, f);
    V y = Mul(Mul(f, f2), tail);
    y = MulAdd(k, C(d, -2.12194440054690583e-4), y);
    y = NegMulAdd(C(d, 0.5), f2, y);
    return MulAdd(k, C(d, 0.693359375), Add(f, y));
  } else {
    // log(1 + f) = 2 atanh(s), s = f / (2 + f): FreeBSD's arrangement, e_log.c
    const V s = Div(f, Add(C(d, 2), f));
    const V z = Mul(s, s);
    const V tail = Mul(z, Poly(d, z, 0.666666666666666973, 0.399999999998981919, 0.285714286265702036,
                               0.222222110378165877, 0.181828961834830866, 0.153314872358657332, 0.146193434535126152));
    const V halfSquare = Mul(C(d, 0.5), Mul(f, f));
    const V low = MulAdd(s, Add(halfSquare, tail), Mul(k, C(d, 1.90821492927058770002e-10)));
    return Sub(Mul(k, C(d, 6.93147180369123816490e-01)), Sub(Sub(halfSquare, low), f));
  }
}
// 1 / 1
template <class D, class V>
HWY_INLINE V Log(D d, V x) {
  V k;
  const V m = SplitExponent(d, x, k);
  return LogSpecial(d, x, LogReduced(d, Sub(m, C(d, 1)), k));
}
// 1.5 / 1.5: log(u) + (what rounding took from u = 1 + x) / u
template <class D, class V>
HWY_INLINE V Log1p(D d, V x) {
  const V u = Add(C(d, 1), x);
  V k;
  const V m = SplitExponent(d, u, k);
  const V lost = Sub(x, Sub(u, C(d, 1)));
  const auto inside = And(Gt(u, Zero(d)), Lt(u, C(d, kInf)));
  const V y = Add(LogReduced(d, Sub(m, C(d, 1)), k), IfThenElseZero(inside, Div(lost, u)));
  return IfThenElse(Eq(u, C(d, 1)), x, LogSpecial(d, u, y));
}
// 1 / 2
TENFOLD_DOUBLE_MATH(Log2) {
  V k;
  const V m = SplitExponent(d, x, k);
  const V ln = LogReduced(d, Sub(m, C(d, 1)), Zero(d));
  return LogSpecial(d, x, Add(k, MulAdd(ln, C(d, 2.0355273740931033e-17), Mul(ln, C(d, 1.4426950408889634)))));
}
// 1 / 2
TENFOLD_DOUBLE_MATH(Log10) {
  V k;
  const V m = SplitExponent(d, x, k);
  const V ln = LogReduced(d, Sub(m, C(d, 1)), Zero(d));
  const V low = MulAdd(ln, C(d, 1.0983196502167650e-17), Mul(k, C(d, 3.69423907715893078616e-13)));
  const V y = Add(MulAdd(ln, C(d, 0.4342944819032518), low), Mul(k, C(d, 3.01029995663611771306e-01)));
  return LogSpecial(d, x, y);
}

// ---- hyperbolic, logistic -------------------------------------------------------------------------------------------
// 1.5 / 2.5: 1 - 2 / (exp(2 |x|) + 1), and a polynomial below 0.6; in doubles e / (e + 2), e = exp(2 |x|) - 1
template <class D, class V>
HWY_INLINE V Tanh(D d, V x) {
  const V y = Lesser(C(d, 10, 20), Abs(x));
  V n;
  if constexpr (kIsFloat<D>) {
    const V r = ReduceByLn2(d, Add(y, y), n);
    const V e = Mul(Add(C(d, 1), Expm1Reduced(d, r)), Pow2(d, n));
    const V far = Sub(C(d, 1), Div(C(d, 2), Add(e, C(d, 1))));
    const V z = Mul(y, y);
    const V tail =
        Poly(d, z, -0.3333333323, 0.1333331287, -0.05396155178, 0.02178832200, -0.008410070802, 0.002370765640);
    return CopySignToAbs(IfThenElse(Gt(y, C(d, 0.6)), far, MulAdd(Mul(y, z), tail, y)), x);
  }
  const V r = ReduceByLn2(d, Add(y, y), n);
  const V t = Pow2(d, n);
  const V e = MulAdd(t, Expm1Reduced(d, r), Sub(t, C(d, 1)));
  return CopySignToAbs(Div(e, Add(e, C(d, 2))), x);
}
// 2.1 / 2.1
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  return Div(C(d, 1), Add(C(d, 1), Exp(d, Neg(x))));
}
// 1 / 3
TENFOLD_DOUBLE_MATH(Sinh) {
  // Beyond 709 only half of e^|x| is a finite number: exp(|x| - ln 2) stands for it, as e^|x| / 2 = (e^(|x|/2))^2 / 2.
  const V y = Abs(x);
  const V e = Expm1(d, y);
  const V middle = Mul(C(d, 0.5), Add(e, Div(e, Add(e, C(d, 1)))));
  const V root = Exp(d, Mul(C(d, 0.5), y));
  const V large = Mul(Mul(C(d, 0.5), root), root);
  return CopySignToAbs(IfThenElse(Gt(y, C(d, 40)), large, middle), x);
}
// 1 / 3
TENFOLD_DOUBLE_MATH(Cosh) {
  const V root = Exp(d, Mul(C(d, 0.5), Abs(x)));
  const V half = Mul(Mul(C(d, 0.5), root), root);
  return Add(half, Div(C(d, 0.25), half));
}
// 1 / 3: log1p(y + y^2 / (1 + sqrt(y^2 + 1))), y = |x|
TENFOLD_DOUBLE_MATH(Asinh) {
  const V y = Abs(x);
  const V y2 = Mul(y, y);
  const V near = Log1p(d, Add(y, Div(y2, Add(C(d, 1), Sqrt(Add(y2, C(d, 1)))))));
  const V far = Add(Log(d, y), C(d, 0.6931471805599453));
  return CopySignToAbs(IfThenElse(Lt(y, C(d, 1e9)), near, far), x);
}
// 1 / 3: log1p(t + sqrt(2 t + t^2)), t = x - 1
TENFOLD_DOUBLE_MATH(Acosh) {
  const V t = Sub(x, C(d, 1));
  const V near = Log1p(d, Add(t, Sqrt(MulAdd(t, t, Add(t, t)))));
  const V far = Add(Log(d, x), C(d, 0.6931471805599453));
  return IfThenElse(Gt(x, C(d, 1e9)), far, IfThenElse(Lt(x, C(d, 1)), C(d, kNaN), near));
}
// 1 / 3
TENFOLD_DOUBLE_MATH(Atanh) {
  const V y = Abs(x);
  return CopySignToAbs(Mul(C(d, 0.5), Log1p(d, Div(Add(y, y), Sub(C(d, 1), y)))), x);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif  // TENFOLD_KERNELS_MATH_INL_H_
