// Vector math: error functions, powers, remainders, gamma and Bessel functions. See math-inl.h.
#include "kernels/trig-inl.h"

#if defined(TENFOLD_KERNELS_SPECIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_KERNELS_SPECIAL_INL_H_
#undef TENFOLD_KERNELS_SPECIAL_INL_H_
#else
#define TENFOLD_KERNELS_SPECIAL_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// ---- error functions ------------------------------------------------------------------------------------------------
// erf for |x| <= 1, in doubles.
template <class D, class V>
HWY_INLINE V ErfSmall(D d, V x) {
  const V z = Mul(x, x);
  return Mul(x, Poly(d, z, 1.12837916709551257, -0.376126389031837481, 0.112837916709548787, -0.0268661706450767932,
                     0.00522397762481801447, -0.000854832698083378991, 0.000120553311116427109,
                     -0.0000149255952668311816, 1.64610004841213680e-6, -1.63503127010546950e-7, 1.46597752740474358e-8,
                     -1.13728488567916737e-9, 5.95717614774891140e-11));
}
// exp(y^2) erfc(y) for y in [0, 28], in doubles: a polynomial in (y - 4) / (y + 4), over 1 + 2 y.
template <class D, class V>
HWY_INLINE V Erfcx(D d, V y) {
  const V q = Div(Sub(y, C(d, 4)), Add(y, C(d, 4)));
  const V tail = Poly(d, q, 1.23299511862555251, -0.139621116840562516, 0.0153796521026201117, 0.0680970542546930409,
                      -0.101039066036329543, 0.0937328349983332929, -0.0663303658115442027, 0.0371675155378790817,
                      -0.0161977340670398658, 0.00503196997222568745, -0.000757773214797171853,
                      -0.000199256642910655651, 0.000150621312176245119, -0.0000243995054585255443,
                      -0.0000112209025043406014, 5.71076947321691303e-6, 2.91644556293914150e-7,
                      -8.27759191353794477e-7, 7.70349588110278138e-8, 1.13280483042745491e-7, -1.91062944877791771e-8,
                      -1.66087946718285292e-8, 1.68680826259322930e-9, 2.10310958175703369e-9, 2.91116599553274455e-10);
  return Div(tail, MulAdd(C(d, 2), y, C(d, 1)));
}
// exp(-y^2); what rounding takes from y^2 is put back, because exp magnifies it.
template <class D, class V>
HWY_INLINE V ExpMinusSquare(D d, V y) {
  // Veltkamp's split: exact without FMA.
  const V big = Mul(y, C(d, 134217729.0));
  const V high = Sub(big, Sub(big, y));
  const V low = Sub(y, high);
  const V square = Mul(y, y);
  const V lost = Add(Sub(Mul(high, high), square), Mul(low, Add(high, y)));
  const V e = Exp(d, Neg(square));
  return NegMulAdd(e, lost, e);
}
// 1 / 4
TENFOLD_DOUBLE_MATH(Erfc) {
  const V y = Lesser(C(d, 28), Abs(x));
  const V tail = Mul(ExpMinusSquare(d, y), Erfcx(d, y));
  const V far = IfThenElse(Lt(x, Zero(d)), Sub(C(d, 2), tail), tail);
  return IfThenElse(Lt(y, C(d, 0.5)), Sub(C(d, 1), ErfSmall(d, x)), far);
}
// 1.5 / 2: floats by x P(x^2) up to 1, then 1 - Q(|x| - 2.5); a P / Q as one rational lost 5 ulp to rounding
template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  if constexpr (kIsFloat<D>) {
    const V y = Lesser(C(d, 3.93), Abs(x));
    const V z = Mul(y, y);
    const V near = MulAdd(y,
                          Poly(d, z, 0.1283791658, -0.3761262667, 0.1128359472, -0.02685421201, 0.005189087423,
                               -0.0008016864287, 7.875875063e-5),
                          y);
    const V rest =
        Poly(d, Sub(y, C(d, 2.5)), 0.0004069548029, -0.002178210478, 0.005445562302, -0.008351377588, 0.008623658150,
             -0.006110774683, 0.002794295856, -0.0005573744655, -0.0002539732465, 0.0002680456062, -8.464015092e-5,
             -1.670600069e-5, 1.701801930e-5, -6.634913131e-7, -1.076475386e-6);
    return CopySignToAbs(IfThenElse(Gt(y, C(d, 1)), Lesser(C(d, 1), Sub(C(d, 1), rest)), near), x);
  } else {
    const V y = Lesser(C(d, 6), Abs(x));
    const V far = Sub(C(d, 1), Mul(Exp(d, Neg(Mul(y, y))), Erfcx(d, y)));
    return CopySign(IfThenElse(Lt(y, C(d, 1)), ErfSmall(d, y), far), x);
  }
}
// 1 / 5: M. Giles' approximation, then two Newton steps
TENFOLD_DOUBLE_MATH(Erfinv) {
  const V y = Abs(x);
  const V w = Neg(Log(d, Mul(Sub(C(d, 1), y), Add(C(d, 1), y))));
  const V w1 = Sub(w, C(d, 2.5)), w2 = Sub(Sqrt(w), C(d, 3));
  const V near = Poly(d, w1, 1.50140941, 0.246640727, -0.00417768164, -0.00125372503, 0.00021858087, -4.39150654e-06,
                      -3.5233877e-06, 3.43273939e-07, 2.81022636e-08);
  const V far = Poly(d, w2, 2.83297682, 1.00167406, 0.00943887047, -0.0076224613, 0.00573950773, -0.00367342844,
                     0.00134934322, 0.000100950558, -0.000200214257);
  V r = Mul(IfThenElse(Lt(w, C(d, 5)), near, far), y);
  const V rest = Sub(C(d, 1), y);
  for (int step = 0; step < 2; ++step) {
    // erf(r) - y, as (1 - y) - erfc(r) where erf has lost its digits
    const V e = ExpMinusSquare(d, r);
    const V miss = IfThenElse(Lt(y, C(d, 0.5)), Sub(ErfSmall(d, r), y), Sub(rest, Mul(e, Erfcx(d, r))));
    r = NegMulAdd(Div(miss, e), C(d, 0.8862269254527580), r);
  }
  r = IfThenElse(Eq(y, C(d, 1)), C(d, kInf), IfThenElse(Gt(y, C(d, 1)), C(d, kNaN), r));
  return CopySign(r, x);
}

// ---- powers ---------------------------------------------------------------------------------------------------------
struct LibPow {
  static double Of(double x, double y) { return std::pow(x, y); }
};
struct PowInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V y) const {
    const V ax = Abs(x), one = C(d, 1), zero = Zero(d);
    V r = Exp2(d, Mul(y, Log2(d, ax)));
    const V half = Mul(y, C(d, 0.5));
    const auto whole = Eq(Round(y), y);
    const auto odd = AndNot(Eq(Round(half), half), whole);
    const auto negative = Lt(CopySign(one, x), zero);
    r = IfThenElse(And(odd, negative), Neg(r), r);
    // A finite negative base needs a whole exponent.
    r = IfThenElse(AndNot(whole, And(Lt(x, zero), Gt(x, C(d, -kInf)))), C(d, kNaN), r);
    // |x| = 1 with an infinite exponent, then what is 1 whatever the other is, NaN included
    r = IfThenElse(And(Eq(ax, one), Eq(Abs(y), C(d, kInf))), one, r);
    return IfThenElse(Or(Eq(x, one), Eq(y, zero)), one, r);
  }
};
// 1 / libm's: a float's power through log2 in double, a double's by the C library
template <class D, class V>
HWY_INLINE V Pow(D d, V x, V y) {
  if constexpr (kIsFloat<D>)
    return InDouble<PowInDouble>(d, x, y);
  else
    return PerLane<LibPow>(d, x, y);
}

struct LibHypot {
  static double Of(double x, double y) { return std::hypot(x, y); }
};
struct HypotInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V y) const {
    const V r = Sqrt(MulAdd(x, x, Mul(y, y)));
    const auto inf = Or(Eq(Abs(x), C(d, kInf)), Eq(Abs(y), C(d, kInf)));
    return IfThenElse(inf, C(d, kInf), r);
  }
};
// 1 / libm's
template <class D, class V>
HWY_INLINE V Hypot(D d, V x, V y) {
  if constexpr (kIsFloat<D>)
    return InDouble<HypotInDouble>(d, x, y);
  else
    return PerLane<LibHypot>(d, x, y);
}

// ---- remainders (exact) ---------------------------------------------------------------------------------------------
struct LibFmod {
  static double Of(double x, double y) { return std::fmod(x, y); }
};
// Of floats whose quotient is below 2^28: quotient, product and difference are exact in double.
struct FmodInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x, V y) const {
    (void)d;
    const V ax = Abs(x), ay = Abs(y);
    V r = NegMulAdd(Trunc(Div(ax, ay)), ay, ax);
    r = IfThenElse(Lt(r, Zero(d)), Add(r, ay), r);  // the quotient was rounded up to a whole number
    return CopySignToAbs(r, x);
  }
};
template <class D, class V>
HWY_INLINE V Fmod(D d, V x, V y) {
  if constexpr (kIsFloat<D>) {
    if (HWY_LIKELY(AllTrue(d, Lt(Div(Abs(x), Abs(y)), C(d, 268435456.0))))) {
      return IfThenElse(Eq(Abs(y), C(d, kInf)), x, InDouble<FmodInDouble>(d, x, y));
    }
  }
  return PerLane<LibFmod>(d, x, y);
}
// Python's %: the sign of the divisor.
template <class D, class V>
HWY_INLINE V Remainder(D d, V x, V y) {
  const V m = Fmod(d, x, y);
  const auto differ = Xor(Lt(m, Zero(d)), Lt(y, Zero(d)));
  return IfThenElse(And(Ne(m, Zero(d)), differ), Add(m, y), m);
}
// Python's //, by its own algorithm: the quotient of what fmod leaves, so that (x // y) * y + x % y is near x.
template <class D, class V>
HWY_INLINE V FloorDivide(D d, V x, V y) {
  const V zero = Zero(d), one = C(d, 1);
  const V m = Fmod(d, x, y);
  V q = Div(Sub(x, m), y);
  const auto differ = Xor(Lt(m, zero), Lt(y, zero));
  q = IfThenElse(And(Ne(m, zero), differ), Sub(q, one), q);
  V f = Floor(q);
  f = IfThenElse(Gt(Sub(q, f), C(d, 0.5)), Add(f, one), f);
  const V ratio = Div(x, y);
  f = IfThenElse(Eq(q, zero), CopySign(zero, ratio), f);
  return IfThenElse(Eq(y, zero), ratio, f);
}

// ---- gamma, Bessel
// -----------------------------------------------------------------------------------------------------
struct LibLgamma {
  static double Of(double x) {
#ifndef _WIN32
    int sign;  // lgamma would write the sign to a global
    return lgamma_r(x, &sign);
#else
    if (std::abs(x) < 1e-200) return -std::log(std::abs(x));  // at both ends Windows' own is infinite too early
    return x > 1e17 ? x * (std::log(x) - 1) : std::lgamma(x);
#endif
  }
};
// Reflection to positive x, recurrence to x >= 10, then the asymptotic series.
struct ScalarDigamma {
  static double Of(double x) {
    if (x == 0) return std::copysign(kInf, -x);
    double r = 0;
    if (x < 0) {
      if (x == std::trunc(x)) return kNaN;
      const double fraction = std::modf(x, &r);
      r = -3.141592653589793 / std::tan(3.141592653589793 * fraction);
      x = 1 - x;
    }
    for (; x < 10; ++x) r -= 1 / x;
    if (x > 1e17) return r + std::log(x);
    const double z = 1 / (x * x);
    const double late = 1. / 240 - z * (1. / 132 - z * (691. / 32760 - z / 12));
    const double tail = z * (1. / 12 - z * (1. / 120 - z * (1. / 252 - z * late)));
    return r + std::log(x) - 0.5 / x - tail;
  }
};
// 1 / 6: the series in (x/2)^2 up to 8; sqrt(x) exp(-x) I0(x) as a polynomial in 16/x - 1 beyond
TENFOLD_DOUBLE_MATH(I0) {
  const V y = Abs(x);
  const V z = Mul(C(d, 0.25), Mul(y, y));
  const V near =
      Poly(d, Lesser(C(d, 16), z), 1.0, 1.0, 2.5e-01, 2.77777777777777762e-02, 1.73611111111111101e-03,
           6.94444444444444444e-05, 1.92901234567901239e-06, 3.93675988914084175e-08, 6.15118732678256523e-10,
           7.59405842812662392e-12, 7.59405842812662337e-14, 6.27608134555919329e-16, 4.358389823304995e-18,
           2.57892888952958276e-20, 1.31578004567835862e-22, 5.8479113141260385e-25, 2.28434035708048379e-27,
           7.90429189301205402e-30, 2.43959626327532528e-32, 6.75788438580422547e-35, 1.68947109645105643e-37,
           3.83100021870987849e-40, 7.91528970807826165e-43);
  const V far = Poly(d, Sub(Div(C(d, 16), Greater(C(d, 8), y)), C(d, 1)), 0.402176509445008076, 0.00336055198366772350,
                     0.000136216074391871920, 0.0000111430338025836824, 1.48384758630969766e-6, 2.97359565815281593e-7,
                     8.87215461894462477e-8, 3.93292657109125207e-8, 2.15568111098987425e-8, 7.53238641755512282e-9,
                     -6.80598007512967783e-9, -1.33197985920199408e-8, -5.16251788093901273e-9, 7.32331073512289311e-9,
                     6.78979040389573605e-9, -3.11851456121224011e-9, -4.84825092211769674e-9, 1.09245272464686647e-9,
                     2.39819272289492366e-9, -2.74811163727603304e-10, -7.47384462188759149e-10,
                     3.52532101970079556e-11, 1.08819947854689332e-10);
  const V root = Exp(d, Mul(C(d, 0.5), y));  // exp(x) overflows before I0 does
  const V large = Mul(Mul(root, Div(far, Sqrt(y))), root);
  return IfThenElse(Gt(y, C(d, 8)), IfThenElse(Eq(y, C(d, kInf)), y, large), near);
}
// Floats' are computed in double: reflection to y >= 1/2, y (y + 1) … (y + 7) to reach 8, then Stirling's series.
struct LgammaInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = C(d, 1);
    const auto left = Lt(x, C(d, 0.5));
    const V y = IfThenElse(left, Sub(one, x), x);
    V product = y;
    for (int k = 1; k < 8; ++k) product = Mul(product, Add(y, C(d, k)));
    const auto small = Lt(y, C(d, 8));
    const V z = IfThenElse(small, Add(y, C(d, 8)), y);
    const V r = Div(one, z);
    const V tail = Mul(r, Poly(d, Mul(r, r), 1. / 12, -1. / 360, 1. / 1260, -1. / 1680, 1. / 1188, -691. / 360360));
    V lg = Add(MulSub(Sub(z, C(d, 0.5)), Log(d, z), z), Add(C(d, 0.91893853320467274), tail));
    lg = Sub(lg, Log(d, IfThenElse(small, product, one)));
    const V sine = Abs(SinShifted<0>(d, Mul(C(d, 3.141592653589793), Sub(x, Round(x)))));
    lg = IfThenElse(left, Sub(Log(d, Div(C(d, 3.141592653589793), sine)), lg), lg);
    return IfThenElse(Eq(Abs(x), C(d, kInf)), C(d, kInf), lg);
  }
};
struct DigammaInDouble {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V x) const {
    const V one = C(d, 1), zero = Zero(d);
    const auto left = Lt(x, C(d, 0.5));
    const V y = IfThenElse(left, Sub(one, x), x);
    V product = y, slope = one;
    for (int k = 1; k < 8; ++k) {
      const V factor = Add(y, C(d, k));
      slope = MulAdd(slope, factor, product);
      product = Mul(product, factor);
    }
    const auto small = Lt(y, C(d, 8));
    const V z = IfThenElse(small, Add(y, C(d, 8)), y);
    const V r = Div(one, z), r2 = Mul(r, r);
    const V tail = Mul(r2, Poly(d, r2, 1. / 12, -1. / 120, 1. / 252, -1. / 240, 1. / 132, -691. / 32760));
    V psi = Sub(Log(d, z), MulAdd(C(d, 0.5), r, tail));
    psi = Sub(psi, IfThenElseZero(small, Div(slope, product)));
    const V fraction = Sub(x, Round(x));
    const V tangent = TanInDouble()(d, Mul(C(d, 3.141592653589793), fraction));
    psi = IfThenElse(left, Sub(psi, Div(C(d, 3.141592653589793), tangent)), psi);
    psi = IfThenElse(And(left, Eq(fraction, zero)), C(d, kNaN), psi);
    psi = IfThenElse(Eq(x, C(d, -kInf)), C(d, kNaN), psi);
    return IfThenElse(Eq(x, zero), CopySign(C(d, kInf), Neg(x)), psi);
  }
};
// 2 / libm's
template <class D, class V>
HWY_INLINE V Lgamma(D d, V x) {
  if constexpr (kIsFloat<D>)
    return InDouble<LgammaInDouble>(d, x);
  else
    return PerLane<LibLgamma>(d, x);
}
template <class D, class V>
HWY_INLINE V Digamma(D d, V x) {
  if constexpr (kIsFloat<D>)
    return InDouble<DigammaInDouble>(d, x);
  else
    return PerLane<ScalarDigamma>(d, x);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif  // TENFOLD_KERNELS_SPECIAL_INL_H_
