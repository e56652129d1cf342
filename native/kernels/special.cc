// Special functions that are computed a number at a time, in float64 for float32 too: Bessel and Airy functions,
// orthogonal polynomials, incomplete gamma functions, zeta, the normal distribution's tails. To add one: a function
// here and a row in its list.
//
// Compiled once, not per instruction set: they branch by their arguments, and wait for exp, log and cos of the C
// library.
#include <cmath>
#include <complex>
#include <limits>

#include "kernel.h"
#include "kernels/all.h"

namespace tenfold {
namespace {

constexpr double kPi = 3.14159265358979323846, kRootPi = 1.77245385090551602730, kRootHalf = 0.70710678118654752440;
constexpr double kEuler = 0.57721566490153286061, kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kEpsilon = std::numeric_limits<double>::epsilon();

// ---- Bessel functions -----------------------------------------------------------------------------------------------

// Where these have limits at infinity, PyTorch answers NaN.

#ifdef _WIN32
double besselJ0(double x) { return std::isinf(x) ? kNan : _j0(x); }
double besselJ1(double x) { return std::isinf(x) ? kNan : _j1(x); }
double besselY(double (*y)(double), double x) { return x > 0 && x < kInf ? y(x) : x == 0 ? -kInf : kNan; }
double besselY0(double x) { return besselY(_y0, x); }
double besselY1(double x) { return besselY(_y1, x); }
#else
double besselJ0(double x) { return std::isinf(x) ? kNan : ::j0(x); }
double besselJ1(double x) { return std::isinf(x) ? kNan : ::j1(x); }
double besselY(double (*y)(double), double x) { return x > 0 && x < kInf ? y(x) : x == 0 ? -kInf : kNan; }
double besselY0(double x) { return besselY(::y0, x); }
double besselY1(double x) { return besselY(::y1, x); }
#endif

// exp(x) K_v(x), x >= 1: the trapezoidal rule on its integral of exp(x - x cosh t) cosh(v t) (DLMF 10.32.9). The
// integrand is analytic in a strip around the real axis, so steps of 1/8, and of a part of the peak's width where that
// is narrow, leave no error that a double shows (L. Trefethen, J. Weideman, "The exponentially convergent trapezoidal
// rule", 2014).
double scaledK(double v, double x) {
  const double step = x > 32 ? 0.7 / std::sqrt(x) : 0.125;
  double sum = 0.5;
  for (int k = 1;; ++k) {
    const double t = k * step, half = std::sinh(t / 2), exponent = 2 * x * half * half;
    if (!(exponent <= 45)) break;
    sum += std::exp(-exponent) * std::cosh(v * t);
  }
  return sum * step;
}
// K_0 and K_1 up to 2: their power series (DLMF 10.31.2 and 10.31.1).
double nearK0(double x) {
  const double y = x * x / 4, log = -std::log(x / 2) - kEuler;
  double term = 1, harmonic = 0, sum = log;
  for (int k = 1; k < 20; ++k) {
    term *= y / (double(k) * k);
    harmonic += 1.0 / k;
    sum += term * (log + harmonic);
  }
  return sum;
}
double nearK1(double x) {
  const double y = x * x / 4, log = std::log(x / 2) + kEuler;
  double term = 1, harmonic = 0, sum = log - 0.5;
  for (int k = 1; k < 20; ++k) {
    term *= y / (double(k) * (k + 1));
    harmonic += 1.0 / k;
    sum += term * (log - harmonic - 0.5 / (k + 1));
  }
  return 1 / x + x / 2 * sum;
}
double scaledBesselK0(double x) {
  if (!(x > 0)) return x == 0 ? kInf : kNan;
  return x <= 2 ? nearK0(x) * std::exp(x) : scaledK(0, x);
}
double scaledBesselK1(double x) {
  if (!(x > 0)) return x == 0 ? kInf : kNan;
  return x <= 2 ? nearK1(x) * std::exp(x) : scaledK(1, x);
}
double besselK0(double x) { return x > 0 && x <= 2 ? nearK0(x) : scaledBesselK0(x) * std::exp(-x); }
double besselK1(double x) { return x > 0 && x <= 2 ? nearK1(x) : scaledBesselK1(x) * std::exp(-x); }

double sphericalBesselJ0(double x) {
  if (std::isinf(x)) return 0;
  return std::fabs(x) < 1e-4 ? 1 - x * x / 6 : std::sin(x) / x;
}

// Ai(-x) for large x, by zeta = 2/3 x^(3/2): its expansion, DLMF 9.7.9.
double farAiry(double x, double zeta) {
  double term = 1, even = 1, odd = 0;
  for (int k = 1; k < 40 && std::fabs(term) > 1e-18; ++k) {
    term *= (6 * k - 5) * (6 * k - 3) * (6.0 * k - 1) / (216.0 * k * (2 * k - 1)) / zeta;
    (k % 2 == 0 ? even : odd) += k % 4 < 2 ? term : -term;
  }
  const double angle = zeta - kPi / 4;
  return (std::cos(angle) * even + std::sin(angle) * odd) / (kRootPi * std::sqrt(std::sqrt(x)));
}
// Ai(-x) between: the sum of K_1/3's two values beside its cut (DLMF 9.2.14, 9.6.2), whose integral runs along a path
// that leaves the real axis, so that it falls on both sides.
double middleAiry(double x, double zeta) {
  using Complex = std::complex<double>;
  constexpr double step = 1.0 / 16;
  Complex sum = 0;
  for (int k = -64; k <= 64; ++k) {
    const double s = k * step, bend = std::tanh(s);
    const Complex t(s, bend), exponent = Complex(0, zeta) * std::cosh(t);
    if (exponent.real() > -45) sum += std::exp(exponent - t / 3.0) * Complex(1, 1 - bend * bend);
  }
  return sum.imag() * step * std::sqrt(x / 3) / kPi;
}
// Ai: between -3.5 and 1.5 its power series (DLMF 9.4.1), right of it by K_1/3 (9.6.2).
double airyAi(double x) {
  if (!(std::fabs(x) < kInf)) return kNan;
  const double zeta = 2.0 / 3 * std::fabs(x) * std::sqrt(std::fabs(x));
  if (x > 1.5) return std::exp(-zeta) * std::sqrt(x / 3) / kPi * scaledK(1.0 / 3, zeta);
  if (x < -3.5) return zeta > 20 ? farAiry(-x, zeta) : middleAiry(-x, zeta);
  double even = 1, odd = x, sumEven = 1, sumOdd = x;
  const double cube = x * x * x;
  for (int k = 1; k < 40; ++k) {
    even *= cube / ((3 * k - 1) * (3.0 * k));
    odd *= cube / ((3 * k) * (3.0 * k + 1));
    sumEven += even;
    sumOdd += odd;
  }
  return 0.35502805388781723926 * sumEven - 0.25881940379280679841 * sumOdd;
}

// ---- the error function's relatives ---------------------------------------------------------------------------------

double erfcx(double x) {
  if (x < 0) {
    if (x < -26.7) return kInf;
    const double square = x * x, low = std::fma(x, x, -square);
    return 2 * (std::exp(square) * (1 + low)) - erfcx(-x);
  }
  if (x < 25) {
    const double square = x * x, low = std::fma(x, x, -square);
    return std::exp(square) * (1 + low) * std::erfc(x);
  }
  const double r = 1 / (2 * x * x);
  return x == kInf ? 0 : x != x ? x : (1 - r * (1 - 3 * r * (1 - 5 * r * (1 - 7 * r)))) / (x * kRootPi);
}
double logNdtr(double x) {
  const double t = x * kRootHalf;
  return x < -1 ? std::log(erfcx(-t) / 2) - t * t : std::log1p(-std::erfc(t) / 2);
}
// The inverse of the normal distribution: Newton's method on the probability near ½, on its logarithm in the tail, from
// the approximation of Abramowitz and Stegun 26.2.23.
double ndtri(double p) {
  if (p == 0) return -kInf;
  if (p == 1) return kInf;
  if (!(p > 0 && p < 1)) return kNan;
  if (p > 0.25 && p < 0.75) {
    const double want = p - 0.5;
    double x = want * 2.50662827463100050242;
    for (int k = 0; k < 6; ++k)
      x -= (std::erf(x * kRootHalf) / 2 - want) * 2.50662827463100050242 * std::exp(x * x / 2);
    return x;
  }
  const double tail = p < 0.5 ? p : 1 - p, log = std::log(tail), t = std::sqrt(-2 * log);
  double x = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
  for (int k = 0; k < 6; ++k) {
    // The logarithm's slope is the density over the probability.
    x -= (logNdtr(x) - log) * erfcx(-x * kRootHalf) * kRootPi * kRootHalf;
  }
  return p < 0.5 ? x : -x;
}

// ---- gamma and zeta functions ---------------------------------------------------------------------------------------

constexpr double kBernoulli[] = {1.0 / 6, -1.0 / 30,     1.0 / 42,      -1.0 / 30,       5.0 / 66,      -691.0 / 2730,
                                 7.0 / 6, -3617.0 / 510, 43867.0 / 798, -174611.0 / 330, 854513.0 / 138};

// The sum of (q + k)^-x over k >= 0: terms up to 12, the rest by Euler and Maclaurin (DLMF 25.11.5).
double zeta(double x, double q) {
  if (x == 1) return kInf;
  if (x < 1) return kNan;
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (x != std::floor(x)) return kNan;
    if (q < -12) {  // the terms left of 0 are a part of another such sum
      const double count = std::ceil(-q), left = zeta(x, 1 - q - count) - zeta(x, 1 - q);
      return zeta(x, q + count) + (std::fmod(x, 2) == 0 ? left : -left);
    }
  }
  if (x != x || q != q) return kNan;
  double sum = 0, a = q;
  for (; a < 12; ++a) {
    const double term = std::pow(a, -x);
    sum += term;
    if (std::fabs(term) < kEpsilon * 0.01 * std::fabs(sum) && a > 0) return sum;
  }
  const double power = std::pow(a, -x);
  sum += power * a / (x - 1) + power / 2;
  double factor = x / 2, rest = power / a;
  for (int k = 0; k < 11; ++k) {
    sum += kBernoulli[k] * factor * rest;
    const double n = 2 * k + 3;
    factor *= (x + n - 2) * (x + n - 1) / (n * (n + 1));
    rest /= a * a;
  }
  return sum;
}

// log(1 + x) - x.
double log1pMinus(double x) {
  if (std::fabs(x) > 0.25) return std::log1p(x) - x;
  double power = x, sum = 0;
  for (int k = 2; k < 40; ++k) {
    power *= -x;
    sum += power / k;
    if (std::fabs(power) < kEpsilon * std::fabs(sum)) break;
  }
  return sum;
}
// x^a exp(-x) / gamma(a + 1). For large a by Stirling's series, as the powers would cost all digits.
double gammaFactor(double a, double x) {
  if (a < 10) return std::exp(a * std::log(x) - x - std::lgamma(a + 1));
  const double r = 1 / a, s = r * r;
  const double rest = r * (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188))));
  return std::exp(a * log1pMinus((x - a) / a) - rest) / std::sqrt(2 * kPi * a);
}
// Both regularized incomplete gamma functions: the lower one's series (DLMF 8.11.4) left of a + 1, the upper one's
// continued fraction (8.9.2) right of it.
double lowerSeries(double a, double x) {
  double term = 1, sum = 1;
  for (int k = 1; k < 200000; ++k) {
    term *= x / (a + k);
    sum += term;
    if (term < kEpsilon * 0.5 * sum) break;
  }
  return gammaFactor(a, x) * sum;
}
double upperFraction(double a, double x) {
  constexpr double tiny = 1e-300;
  double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
  for (int k = 1; k < 200000; ++k) {
    const double numerator = -k * (k - a);
    b += 2;
    d = numerator * d + b;
    d = 1 / (std::fabs(d) < tiny ? tiny : d);
    c = b + numerator / c;
    if (std::fabs(c) < tiny) c = tiny;
    const double step = c * d;
    h *= step;
    if (std::fabs(step - 1) < kEpsilon) break;
  }
  return gammaFactor(a, x) * a * h;
}
// For small a the upper function is what is left of 1 by series without cancellation: DLMF 8.7.3.
double upperSmall(double a, double x) {
  double term = 1, sum = 0;
  for (int k = 1; k < 200; ++k) {
    term *= -x / k;
    sum += term / (a + k);
    if (std::fabs(term) < kEpsilon * std::fabs(sum)) break;
  }
  const double power = std::expm1(a * std::log(x) - std::lgamma(a + 1));  // x^a / gamma(a + 1) - 1
  return -power - (power + 1) * a * sum;
}
double igamma(double a, double x) {
  if (a < 0 || x < 0) return kNan;
  if (a == 0) return x > 0 ? 1 : kNan;
  if (x == 0) return 0;
  if (a == kInf) return x == kInf ? kNan : 0;
  if (x == kInf) return 1;
  if (a != a || x != x) return kNan;
  return x < a + 1 ? lowerSeries(a, x) : 1 - upperFraction(a, x);
}
double igammac(double a, double x) {
  if (a < 0 || x < 0) return kNan;
  if (a == 0) return x > 0 ? 0 : kNan;
  if (x == 0) return 1;
  if (a == kInf) return x == kInf ? kNan : 1;
  if (x == kInf) return 0;
  if (a != a || x != x) return kNan;
  if (x >= a + 1) return upperFraction(a, x);
  return a < 1 && x < 1.5 ? upperSmall(a, x) : 1 - lowerSeries(a, x);
}

// ---- orthogonal polynomials -----------------------------------------------------------------------------------------

// From two polynomials on by r = (a x + b) q - c p; inside [-1, 1] PyTorch takes Chebyshev's from angles for larger n.
double recur(double x, int64_t n, double p, double q) {
  for (int64_t k = 1; k < n && q == q; ++k) {
    const double r = 2 * x * q - p;
    p = q;
    q = r;
  }
  return q;
}
double sign(int64_t n) { return n % 2 == 0 ? 1 : -1; }

double chebyshevT(double x, int64_t n) {
  if (n < 0) return 0;
  if (std::fabs(x) == 1) return x > 0 ? 1 : sign(n);
  if (n > 6 && std::fabs(x) < 1) return std::cos(static_cast<double>(n) * std::acos(x));
  return n == 0 ? 1 : recur(x, n, 1, x);
}
double chebyshevU(double x, int64_t n) {
  if (n < 0) return 0;
  const auto m = static_cast<double>(n + 1);
  if (std::fabs(x) == 1) return x > 0 ? m : m * sign(n);
  if (n > 8 && std::fabs(x) < 1) {
    const double angle = std::acos(x);
    return std::sin(angle) != 0 ? std::sin(m * angle) / std::sin(angle) : m * std::cos(m * angle) / x;
  }
  return n == 0 ? 1 : recur(x, n, 1, 2 * x);
}
double chebyshevV(double x, int64_t n) {
  if (n < 0) return 0;
  const auto m = static_cast<double>(2 * n + 1);
  if (std::fabs(x) == 1) return x > 0 ? 1 : m * sign(n);
  if (n > 8 && std::fabs(x) < 1) {
    const double angle = std::acos(x);
    return std::sin(angle / 2) != 1 ? std::cos(m / 2 * angle) / std::cos(angle / 2) : m * sign(n);
  }
  return n == 0 ? 1 : recur(x, n, 1, 2 * x - 1);
}
double chebyshevW(double x, int64_t n) {
  if (n < 0) return 0;
  const auto m = static_cast<double>(2 * n + 1);
  if (std::fabs(x) == 1) return x > 0 ? m : sign(n);
  if (n > 8 && std::fabs(x) < 1) {
    const double angle = std::acos(x);
    return std::cos(angle / 2) != 1 ? std::sin(m / 2 * angle) / std::sin(angle / 2) : x > 0 ? m : sign(n);
  }
  return n == 0 ? 1 : recur(x, n, 1, 2 * x + 1);
}
double shifted(double x) { return x + x - 1; }
double shiftedChebyshevT(double x, int64_t n) { return chebyshevT(shifted(x), n); }
double shiftedChebyshevU(double x, int64_t n) { return chebyshevU(shifted(x), n); }
double shiftedChebyshevV(double x, int64_t n) { return chebyshevV(shifted(x), n); }
double shiftedChebyshevW(double x, int64_t n) { return chebyshevW(shifted(x), n); }

// Beyond these orders PyTorch answers NaN, which they would overflow to anyway.
template <class T>
constexpr int64_t kHermiteOrders = sizeof(T) == 4 ? 128 : 512;

template <class T>
double hermiteH(double x, int64_t n) {
  if (n < 0) return 0;
  if (n == 0) return 1;
  if (n > kHermiteOrders<T>) return kNan;
  double p = 1, q = 2 * x;
  for (int64_t k = 2; k < n + n; k += 2) {
    const double r = 2 * x * q - static_cast<double>(k) * p;
    p = q;
    q = r;
  }
  return q;
}
template <class T>
double hermiteHe(double x, int64_t n) {
  if (n < 0) return 0;
  if (n == 0) return 1;
  if (n > kHermiteOrders<T>) return kNan;
  double p = 1, q = x;
  for (int64_t k = 1; k < n; ++k) {
    const double r = x * q - static_cast<double>(k) * p;
    p = q;
    q = r;
  }
  return q;
}
double laguerreL(double x, int64_t n) {
  if (n < 0) return 0;
  if (x == 0 || n == 0) return 1;
  double p = 1, q = 1 - x;
  for (int64_t k = 1; k < n && q == q; ++k) {
    const auto m = static_cast<double>(k);
    const double r = ((2 * m + 1 - x) * q - m * p) / (m + 1);
    p = q;
    q = r;
  }
  return q;
}
double legendreP(double x, int64_t n) {
  if (n < 0) return 0;
  if (std::fabs(x) == 1) return x > 0 ? 1 : sign(n);
  if (n == 0) return 1;
  double p = 1, q = x;
  for (int64_t k = 1; k < n && q == q; ++k) {
    const auto m = static_cast<double>(k);
    const double r = ((2 * m + 1) * x * q - m * p) / (m + 1);
    p = q;
    q = r;
  }
  return q;
}
double frexpMantissa(double x) {
  int exponent;
  return std::frexp(x, &exponent);
}
double frexpExponent(double x) {
  int exponent = 0;
  if (std::isfinite(x)) std::frexp(x, &exponent);
  return exponent;
}

// An order as the tensor holds it, without its fraction; -1, as for all negative ones, for what no int64 holds and for
// NaN.
int64_t order(double n) { return n > -1 && n < 0x1p63 ? static_cast<int64_t>(n) : -1; }
// Orders beyond would take seconds for a number, or more; they are answered by NaN.
constexpr int64_t kOrders = 10'000'000;

// ---- rows -----------------------------------------------------------------------------------------------------------

template <class T, double (*F)(double)>
void unaryTile(void* out, const void* const* in, size_t n, const double*) {
  T* const to = static_cast<T*>(out);
  const T* const x = static_cast<const T*>(in[0]);
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<T>(F(static_cast<double>(x[i])));
}
template <class T, double (*F)(double, double)>
void binaryTile(void* out, const void* const* in, size_t n, const double*) {
  T* const to = static_cast<T*>(out);
  const T *const a = static_cast<const T*>(in[0]), *const b = static_cast<const T*>(in[1]);
  for (size_t i = 0; i < n; ++i) to[i] = static_cast<T>(F(static_cast<double>(a[i]), static_cast<double>(b[i])));
}
template <class T, double (*F)(double, int64_t)>
void polynomialTile(void* out, const void* const* in, size_t n, const double*) {
  T* const to = static_cast<T*>(out);
  const T *const x = static_cast<const T*>(in[0]), *const k = static_cast<const T*>(in[1]);
  for (size_t i = 0; i < n; ++i) {
    const int64_t degree = order(static_cast<double>(k[i]));
    to[i] = static_cast<T>(degree > kOrders ? kNan : F(static_cast<double>(x[i]), degree));
  }
}
template <class T>
constexpr Kernel row(const char* name, TileFn tile, int inputs, int cost) {
  Kernel k = {name, DTypeOf<T>::value, nullptr, nullptr, tile, inputs, {}, DTypeOf<T>::value, cost};
  for (int i = 0; i < inputs; ++i) k.in[i] = DTypeOf<T>::value;
  return k;
}

#define TENFOLD_ROW1(NAME, COST) \
  row<float>(#NAME, unaryTile<float, NAME>, 1, COST), row<double>(#NAME, unaryTile<double, NAME>, 1, COST),
#define TENFOLD_ROW2(NAME, COST) \
  row<float>(#NAME, binaryTile<float, NAME>, 2, COST), row<double>(#NAME, binaryTile<double, NAME>, 2, COST),
#define TENFOLD_ROWN(NAME, COST) \
  row<float>(#NAME, polynomialTile<float, NAME>, 2, COST), row<double>(#NAME, polynomialTile<double, NAME>, 2, COST),

// clang-format off
const Kernel kSpecialKernels[] = {
    TENFOLD_ROW1(besselJ0, 100) TENFOLD_ROW1(besselJ1, 100) TENFOLD_ROW1(besselY0, 150) TENFOLD_ROW1(besselY1, 150)
    TENFOLD_ROW1(besselK0, 800) TENFOLD_ROW1(besselK1, 800)
    TENFOLD_ROW1(scaledBesselK0, 800) TENFOLD_ROW1(scaledBesselK1, 800)
    TENFOLD_ROW1(sphericalBesselJ0, 40) TENFOLD_ROW1(airyAi, 2000)
    TENFOLD_ROW1(frexpMantissa, 10) TENFOLD_ROW1(frexpExponent, 10)
    TENFOLD_ROW1(erfcx, 80) TENFOLD_ROW1(logNdtr, 120) TENFOLD_ROW1(ndtri, 1000)
    TENFOLD_ROW2(zeta, 800) TENFOLD_ROW2(igamma, 400) TENFOLD_ROW2(igammac, 400)
    TENFOLD_ROWN(chebyshevT, 60) TENFOLD_ROWN(chebyshevU, 60) TENFOLD_ROWN(chebyshevV, 60) TENFOLD_ROWN(chebyshevW, 60)
    TENFOLD_ROWN(shiftedChebyshevT, 60) TENFOLD_ROWN(shiftedChebyshevU, 60)
    TENFOLD_ROWN(shiftedChebyshevV, 60) TENFOLD_ROWN(shiftedChebyshevW, 60)
    TENFOLD_ROWN(laguerreL, 60) TENFOLD_ROWN(legendreP, 60)
    row<float>("hermiteH", polynomialTile<float, hermiteH<float>>, 2, 60), row<double>("hermiteH", polynomialTile<double, hermiteH<double>>, 2, 60),
    row<float>("hermiteHe", polynomialTile<float, hermiteHe<float>>, 2, 60), row<double>("hermiteHe", polynomialTile<double, hermiteHe<double>>, 2, 60),
};
// clang-format on

}  // namespace

KernelTable specialKernels(int64_t) { return {kSpecialKernels, sizeof(kSpecialKernels) / sizeof(kSpecialKernels[0])}; }

}  // namespace tenfold
