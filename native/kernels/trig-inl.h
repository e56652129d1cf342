// Vector math: circular functions. See math-inl.h.
#include "kernels/math-inl.h"

#if defined(TENFOLD_KERNELS_TRIG_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_KERNELS_TRIG_INL_H_
#undef TENFOLD_KERNELS_TRIG_INL_H_
#else
#define TENFOLD_KERNELS_TRIG_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// Beyond these |x| the reduction below loses digits, and the C library takes over, vector by vector.
template <class D>
HWY_INLINE hn::Vec<D> TrigLimit(D d) {
  return C(d, 30000, 1e6);
}

// r + low in [-pi/4, pi/4] and the quadrant (in the low bits) with x = quadrant * pi/2 + r + low, for |x| < TrigLimit.
// pi/2 comes in parts: for floats each a full number (the products are exact under FMA), for doubles of 33 bits (exact
// always). Floats leave low at 0.
template <class D, class V>
HWY_INLINE V ReduceByHalfPi(D d, V x, V& low, hn::Vec<hn::RebindToUnsigned<D>>& quadrant) {
  const hn::RebindToUnsigned<D> du;
  const V shifted = Add(Mul(x, C(d, 0.6366197723675814)), RoundingShift(d));
  quadrant = BitCast(du, shifted);
  const V n = Sub(shifted, RoundingShift(d));
  if constexpr (kIsFloat<D>) {
    low = Zero(d);
    V r = NegMulAdd(n, C(d, 1.57079637050628662109), x);
    r = NegMulAdd(n, C(d, -4.37113882867379382e-08), r);
    return NegMulAdd(n, C(d, -1.7151245100058819e-15), r);
  } else {
    const V first = NegMulAdd(n, C(d, 1.57079632673412561417e+00), x);
    const V part = Mul(n, C(d, 6.07710050630396597660e-11));
    const V second = Sub(first, part);
    const V lost = Sub(Sub(first, second), part);
    const V tail = NegMulAdd(n, C(d, 2.02226624879595063154e-21), lost);
    const V r = Add(second, tail);
    low = Add(Sub(second, r), tail);
    return r;
  }
}
template <class D, class V>
HWY_INLINE V SinReduced(D d, V r, V low, V z) {
  V tail;
  if constexpr (kIsFloat<D>) {
    tail = Poly(d, z, -0.1666666666, 0.008333331848, -0.0001984007253, 2.724808876e-6);
    return MulAdd(Mul(r, z), tail, r);
  } else {
    tail = Poly(d, z, -0.166666666666666645, 0.00833333333333087607, -0.000198412698366493437, 2.75573160460633069e-6,
                -2.50511201070843620e-8, 1.59172861571764910e-10);
    return Add(r, MulAdd(Mul(r, z), tail, low));
  }
}
template <class D, class V>
HWY_INLINE V CosReduced(D d, V r, V low, V z) {
  V tail;
  if constexpr (kIsFloat<D>) {
    tail = Poly(d, z, 0.04166664462, -0.001388829600, 2.454642598e-5);
  } else {
    tail = Poly(d, z, 0.0416666666666666653, -0.00138888888888873519, 0.0000248015872986973559, -2.75573172363911437e-7,
                2.08761389252942858e-9, -1.13821049644536357e-11);
  }
  // 1 - z/2 with what its rounding loses added back.
  const V half = Mul(C(d, 0.5), z);
  const V w = Sub(C(d, 1), half);
  return Add(w, MulAdd(Mul(z, z), tail, NegMulAdd(r, low, Sub(Sub(C(d, 1), w), half))));
}
// sin(x + quarters * pi/2) for |x| < TrigLimit.
template <int kQuarters, class D, class V>
HWY_INLINE V SinShifted(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  hn::Vec<decltype(du)> quadrant;
  V low;
  const V r = ReduceByHalfPi(d, x, low, quadrant);
  if (kQuarters) quadrant = Add(quadrant, Set(du, kQuarters));
  const V z = Mul(r, r);
  const auto odd = TestBit(quadrant, Set(du, 1));
  const V y = IfThenElse(RebindMask(d, odd), CosReduced(d, r, low, z), SinReduced(d, r, low, z));
  const auto sign = hn::ShiftLeft<sizeof(hn::TFromD<D>) * 8 - 2>(And(quadrant, Set(du, 2)));
  return Xor(y, BitCast(d, sign));
}

struct LibSin {
  static double Of(double x) { return std::sin(x); }
};
struct LibCos {
  static double Of(double x) { return std::cos(x); }
};
struct LibTan {
  static double Of(double x) { return std::tan(x); }
};
struct SinInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return SinShifted<0>(d, x);
  }
};
struct CosInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    return SinShifted<1>(d, x);
  }
};

#if HWY_TARGET == HWY_SSE4
constexpr bool kHasFma = false;
#else
constexpr bool kHasFma = true;
#endif

// 1.5 / 1
template <class D, class V>
HWY_INLINE V Sin(D d, V x) {
  if (HWY_UNLIKELY(!AllTrue(d, Lt(Abs(x), TrigLimit(d))))) return PerLane<LibSin>(d, x);
  V y;
  if constexpr (kIsFloat<D> && !kHasFma)
    y = InDouble<SinInDouble>(d, x);
  else
    y = SinShifted<0>(d, x);
  return IfThenElse(Eq(x, Zero(d)), x, y);  // the reduction gives +0 for -0
}
// 1.5 / 1
template <class D, class V>
HWY_INLINE V Cos(D d, V x) {
  if (HWY_UNLIKELY(!AllTrue(d, Lt(Abs(x), TrigLimit(d))))) return PerLane<LibCos>(d, x);
  if constexpr (kIsFloat<D> && !kHasFma)
    return InDouble<CosInDouble>(d, x);
  else
    return SinShifted<1>(d, x);
}
// 1 / 3: sin / cos, or -cos / sin in odd quadrants
struct TanInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const hn::RebindToUnsigned<D> du;
    hn::Vec<decltype(du)> quadrant;
    V low;
    const V r = ReduceByHalfPi(d, x, low, quadrant);
    const V z = Mul(r, r);
    const V sin = SinReduced(d, r, low, z), cos = CosReduced(d, r, low, z);
    const auto odd = RebindMask(d, TestBit(quadrant, Set(du, 1)));
    return Div(IfThenElse(odd, Neg(cos), sin), IfThenElse(odd, sin, cos));
  }
};
template <class D, class V>
HWY_INLINE V Tan(D d, V x) {
  if (HWY_UNLIKELY(!AllTrue(d, Lt(Abs(x), TrigLimit(d))))) return PerLane<LibTan>(d, x);
  V y;
  if constexpr (kIsFloat<D>)
    y = InDouble<TanInDouble>(d, x);
  else
    y = TanInDouble()(d, x);
  return IfThenElse(Eq(x, Zero(d)), x, y);
}

// 1 / 2
TENFOLD_DOUBLE_MATH(Atan) {
  const V y = Abs(x);
  const auto large = Gt(y, C(d, 1));
  const V t = IfThenElse(large, Div(C(d, -1), y), y);
  const V z = Mul(t, t);
  const V tail = Poly(d, z, -0.333333333333333328, 0.199999999999995532, -0.142857142856484040, 0.111111111072347990,
                      -0.0909090896955740314, 0.0769230535467865481, -0.0666663643577769270, 0.0588207495637129457,
                      -0.0526126573570945440, 0.0475208677357665614, -0.0430811965533047127, 0.0387264021404263245,
                      -0.0337501320016197343, 0.0275679422973446767, -0.0202387069863935158, 0.0127561729076942975,
                      -0.00657568334415169863, 0.00262297789190608902, -0.000751847252697382152,
                      0.000136872485314812200, -0.0000118325054175556928);
  const V a = MulAdd(Mul(t, z), tail, t);
  const V full = Add(C(d, 1.5707963267948966), Add(a, C(d, 6.123233995736766e-17)));
  return CopySignToAbs(IfThenElse(large, full, a), x);
}
// asin for |x| <= 1/2, z = x^2.
template <class D, class V>
HWY_INLINE V AsinReduced(D d, V x, V z) {
  const V tail = Poly(d, z, 0.166666666666666678, 0.0749999999999842426, 0.0446428571463733809, 0.0303819441370852143,
                      0.0223721730020055974, 0.0173523912659092279, 0.0139712353011245391, 0.0114789526902573868,
                      0.0103243182887441119, 0.00545087818772055068, 0.0174193579648848551, -0.0148814093928180634,
                      0.0287784426125930386);
  return MulAdd(Mul(x, z), tail, x);
}
// 1 / 2: beyond 1/2, asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2))
TENFOLD_DOUBLE_MATH(Asin) {
  const V y = Abs(x);
  const auto large = Gt(y, C(d, 0.5));
  const V z = IfThenElse(large, Mul(C(d, 0.5), Sub(C(d, 1), y)), Mul(y, y));
  const V a = AsinReduced(d, IfThenElse(large, Sqrt(z), y), z);
  const V full = Add(NegMulAdd(C(d, 2), a, C(d, 1.5707963267948966)), C(d, 6.123233995736766e-17));
  return CopySign(IfThenElse(large, full, a), x);
}
// 1 / 2
TENFOLD_DOUBLE_MATH(Acos) {
  const V y = Abs(x);
  const auto large = Gt(y, C(d, 0.5));
  const V z = IfThenElse(large, Mul(C(d, 0.5), Sub(C(d, 1), y)), Mul(y, y));
  const V a = AsinReduced(d, IfThenElse(large, Sqrt(z), y), z);
  const V twice = Add(a, a);
  const auto negative = Lt(x, Zero(d));
  const V near = Sub(C(d, 1.5707963267948966), Sub(CopySign(a, x), C(d, 6.123233995736766e-17)));
  const V far = IfThenElse(negative, Sub(C(d, 3.141592653589793), Sub(twice, C(d, 1.2246467991473532e-16))), twice);
  return IfThenElse(large, far, near);
}
struct Atan2InDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V y, V x) const {
    const V ay = Abs(y), ax = Abs(x);
    const auto bothInf = And(Eq(ay, C(d, kInf)), Eq(ax, C(d, kInf)));
    const auto bothZero = And(Eq(ay, Zero(d)), Eq(ax, Zero(d)));
    V q = Div(ay, ax);
    q = IfThenElse(bothInf, C(d, 1), IfThenElse(bothZero, Zero(d), q));
    const V a = Atan(d, q);
    const auto left = Lt(CopySign(C(d, 1), x), Zero(d));
    const V turned = Sub(C(d, 3.141592653589793), Sub(a, C(d, 1.2246467991473532e-16)));
    return CopySign(IfThenElse(left, turned, a), y);
  }
};
// 1 / 3
template <class D, class V>
HWY_INLINE V Atan2(D d, V y, V x) {
  if constexpr (kIsFloat<D>)
    return InDouble<Atan2InDouble>(d, y, x);
  else
    return Atan2InDouble()(d, y, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif  // TENFOLD_KERNELS_TRIG_INL_H_
