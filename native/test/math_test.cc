// Holds every math kernel, on every instruction set that this machine has, to its bound in units in the last place,
// against the C library in the next wider type: samples spread over all bit patterns and over the usual range, and
// C's special values (zeros with their signs, infinities, NaN, subnormals, huge arguments).
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "check.h"
#include "kernels/all.h"
#include "simd/cpu.h"

using namespace tenfold;

namespace {

const Kernel* find(const KernelTable& table, const char* name, DType dtype) {
  for (size_t i = 0; i < table.count; ++i) {
    if (table.kernels[i].dtype == dtype && !std::strcmp(table.kernels[i].name, name)) return &table.kernels[i];
  }
  return nullptr;
}

template <class T>
struct Wider;
template <>
struct Wider<float> {
  using type = double;
};
template <>
struct Wider<double> {
  using type = long double;
};

// Whether long double functions are more exact than those of doubles. On arm64 Apple's type is the same, and musl
// computes them by those of doubles: a reference that is 2 ulp off itself, and by far more at subnormals.
#if defined(__APPLE__) && defined(__aarch64__)
constexpr bool kLongIsWider = false;
#elif defined(__linux__) && defined(__aarch64__) && !defined(__GLIBC__)
constexpr bool kLongIsWider = false;
#else
constexpr bool kLongIsWider = true;
#endif

// Distance from the true value, in units of T's last place at the true value.
template <class T, class W>
double ulps(T got, W want) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : 1e30;
  if (std::isinf(got) || std::isinf(rounded)) return got == rounded ? 0 : 1e30;
  if (want == 0 || got == 0) {
    if (want == 0 && got == 0) return std::signbit(want) == std::signbit(got) ? 0 : 1e30;
  }
  int exponent;
  std::frexp(want, &exponent);
  const int digits = std::numeric_limits<T>::digits, lowest = std::numeric_limits<T>::min_exponent;
  const W ulp = std::ldexp(W{1}, (exponent > lowest ? exponent : lowest) - digits);
  return static_cast<double>(std::fabs(static_cast<W>(got) - want) / ulp);
}

uint64_t scramble(uint64_t i) {
  i *= 0x9e3779b97f4a7c15u;
  i ^= i >> 32;
  i *= 0xd6e8feb86659fd93u;
  return i ^ i >> 32;
}

template <class T>
std::vector<T> samples(size_t spread, size_t usual) {
  std::vector<T> x;
  using L = std::numeric_limits<T>;
  for (const T v : {T(0),
                    L::denorm_min(),
                    L::min(),
                    T(1e-30),
                    L::epsilon(),
                    T(0.25),
                    T(0.5),
                    T(1),
                    T(2),
                    T(3),
                    T(10),
                    T(100),
                    T(1000),
                    T(88.722839),
                    T(89),
                    T(103.97),
                    T(709.78),
                    T(710.4),
                    T(745.1),
                    T(30000),
                    T(1e6),
                    T(1e10),
                    T(1e22),
                    T(3.1415926535897932),
                    T(1.5707963267948966),
                    L::max(),
                    L::infinity(),
                    L::quiet_NaN()}) {
    x.push_back(v);
    x.push_back(-v);
  }
  for (size_t i = 0; i < spread; ++i) {
    T v;
    const uint64_t bits = scramble(i);
    std::memcpy(&v, &bits, sizeof v);
    x.push_back(v);
  }
  for (const double width : {1.2, 6.0, 120.0, 2e5}) {
    for (size_t i = 0; i < usual; ++i) x.push_back(static_cast<T>((scramble(i) * 0x1p-63 - 1) * width));
  }
  return x;
}

// One tile over all samples on each instruction set; `reference` in the wider type.
template <class T, class Reference>
void hold(const char* name, double bound, Reference reference, const std::vector<T>& x,
          const std::vector<T>* y = nullptr, double slack = 0) {
  using W = typename Wider<T>::type;
  constexpr bool wider = std::is_same_v<T, float> || kLongIsWider;
  if (!wider) bound += 2;
  std::vector<W> want(x.size());
  for (size_t i = 0; i < x.size(); ++i) want[i] = reference(static_cast<W>(x[i]), y ? static_cast<W>((*y)[i]) : W{0});
  const double params[8] = {};
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const Kernel* kernel = nullptr;
    for (const auto table : {unaryKernels(target), binaryKernels(target)}) {
      if (!kernel) kernel = find(table, name, DTypeOf<T>::value);
    }
    CHECK(kernel, "%s has no kernel", name);
    if (!kernel) return;
    std::vector<T> got(x.size());
    const void* in[] = {x.data(), y ? y->data() : nullptr};
    kernel->tile(got.data(), in, x.size(), params);
    double worst = 0;
    size_t where = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!wider && std::fpclassify(x[i]) == FP_SUBNORMAL) continue;
      if (slack && std::fabs(static_cast<W>(got[i]) - want[i]) < slack) continue;
      const double e = ulps(got[i], want[i]);
      if (e > worst) worst = e, where = i;
    }
    if (std::getenv("TENFOLD_SHOW_ULPS")) {
      std::printf("  %-10s %-8s %-7s %.3g at %.17g\n", name, nameOf(kernel->dtype), targetName(target), worst,
                  static_cast<double>(x[where]));
    }
    CHECK(worst <= bound, "%s %s %s: %.3g ulp at %.17g, %.17g: got %.17g, want %.17g", name, nameOf(kernel->dtype),
          targetName(target), worst, static_cast<double>(x[where]), y ? static_cast<double>((*y)[where]) : 0.,
          static_cast<double>(got[where]), static_cast<double>(want[where]));
  }
}

const std::vector<float>& floats() {
  static const auto x = samples<float>(400000, 150000);
  return x;
}
const std::vector<double>& doubles() {
  static const auto x = samples<double>(50000, 40000);
  return x;
}

}  // namespace

// musl is not to be told otherwise; the wider functions of it that can't be the measure are left out below.
#if defined(__linux__) && !defined(__GLIBC__)
#define TENFOLD_MUSL
#endif

#define HOLD(NAME, FLOAT_ULPS, DOUBLE_ULPS, ...)                     \
  TEST(math_##NAME) {                                                \
    const auto reference = [](auto x, auto) { return __VA_ARGS__; }; \
    hold<float>(#NAME, FLOAT_ULPS, reference, floats());             \
    hold<double>(#NAME, DOUBLE_ULPS, reference, doubles());          \
  }
#define HOLD_SLACK(NAME, FLOAT_ULPS, DOUBLE_ULPS, FLOAT_SLACK, DOUBLE_SLACK, ...)  \
  TEST(math_##NAME) {                                                              \
    const auto reference = [](auto x, auto) { return __VA_ARGS__; };               \
    hold<float>(#NAME, FLOAT_ULPS, reference, floats(), nullptr, FLOAT_SLACK);     \
    hold<double>(#NAME, DOUBLE_ULPS, reference, doubles(), nullptr, DOUBLE_SLACK); \
  }

HOLD(sqrt, 0.5, 0.51, std::sqrt(x))
HOLD(rsqrt, 1.5, 1.5, 1 / std::sqrt(x))
HOLD(reciprocal, 0.5, 0.51, 1 / x)
HOLD(exp, 1.1, 1.1, std::exp(x))
HOLD(exp2, 1.1, 1.1, std::exp2(x))
HOLD(expm1, 2, 2, std::expm1(x))
HOLD(log, 1, 1, std::log(x))
HOLD(log2, 0.51, 2, std::log2(x))
HOLD(log10, 0.51, 2, std::log10(x))
HOLD(log1p, 1.5, 1.5, std::log1p(x))
HOLD(sin, 1.5, 1, std::sin(x))
HOLD(cos, 1.5, 1, std::cos(x))
HOLD(tan, 0.51, 3, std::tan(x))
HOLD(asin, 0.51, 2, std::asin(x))
HOLD(acos, 0.51, 2, std::acos(x))
HOLD(atan, 0.51, 2, std::atan(x))
HOLD(sinh, 0.51, 3, std::sinh(x))
HOLD(cosh, 0.51, 3, std::cosh(x))
HOLD(tanh, 1.5, 2.5, std::tanh(x))
HOLD(asinh, 0.51, 3, std::asinh(x))
HOLD(acosh, 0.51, 3, x < 1 ? std::numeric_limits<decltype(x)>::quiet_NaN() : std::acosh(x))
HOLD(atanh, 0.51, 3, std::atanh(x))
// 1 / (1 + exp(-x)) overflows to 0 where the value is subnormal, in PyTorch as here.
HOLD_SLACK(sigmoid, 2.1, 2.1, 1.2e-38, 2.3e-308, 1 / (1 + std::exp(-x)))
HOLD(erf, 1.5, 2, std::erf(x))
HOLD(erfc, 0.51, 4, std::erfc(x))
HOLD(neg, 0, 0, -x)
HOLD(abs, 0, 0, std::fabs(x))
HOLD(floor, 0, 0, std::floor(x))
HOLD(ceil, 0, 0, std::ceil(x))
HOLD(trunc, 0, 0, std::trunc(x))
HOLD(round, 0, 0, std::nearbyint(x))

// In doubles these are the C library's own, or run into cancellation at a zero; the slack is absolute.
#ifdef TENFOLD_MUSL
HOLD_SLACK(lgamma, 2, 20, 1e-9, 1e-15, std::lgamma(x))
#else
HOLD_SLACK(lgamma, 2, 8, 1e-9, 1e-15, std::lgamma(x))
#endif

namespace {
// The arguments of the second input, at odds with the first's.
template <class T>
std::vector<T> partners(const std::vector<T>& x) {
  std::vector<T> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[(i * 7919 + 12345) % x.size()];
  return y;
}
// Every special value with every other one, then the samples.
template <class T>
void pairs(const std::vector<T>& from, std::vector<T>& x, std::vector<T>& y) {
  constexpr size_t kSpecial = 56;
  for (size_t i = 0; i < kSpecial; ++i) {
    for (size_t j = 0; j < kSpecial; ++j) {
      x.push_back(from[i]);
      y.push_back(from[j]);
    }
  }
  const std::vector<T> others = partners(from);
  x.insert(x.end(), from.begin(), from.end());
  y.insert(y.end(), others.begin(), others.end());
}
}  // namespace

#define HOLD_2(NAME, FLOAT_ULPS, DOUBLE_ULPS, ...)                     \
  TEST(math_##NAME) {                                                  \
    const auto reference = [](auto x, auto y) { return __VA_ARGS__; }; \
    std::vector<float> xf, yf;                                         \
    pairs(floats(), xf, yf);                                           \
    hold<float>(#NAME, FLOAT_ULPS, reference, xf, &yf);                \
    std::vector<double> xd, yd;                                        \
    pairs(doubles(), xd, yd);                                          \
    hold<double>(#NAME, DOUBLE_ULPS, reference, xd, &yd);              \
  }
HOLD_2(add, 0.5, 0.501, x + y)
HOLD_2(sub, 0.5, 0.501, x - y)
HOLD_2(mul, 0.5, 0.501, x* y)
HOLD_2(div, 0.5, 0.501, x / y)
#ifndef TENFOLD_MUSL  // its powl gives 0 for (-1e-323)^89, not -0, and its hypotl is off by a unit in double's last
                      // place
HOLD_2(pow, 0.51, 1, std::pow(x, y))
HOLD_2(hypot, 0.51, 1, std::hypot(x, y))
#endif
HOLD_2(atan2, 0.51, 3, std::atan2(x, y))
HOLD_2(fmod, 0, 0, std::fmod(x, y))
HOLD_2(copysign, 0, 0, std::copysign(x, y))
HOLD_2(fmax, 0, 0, std::isnan(x) ? y : std::isnan(y) ? x : x > y ? x : y)
HOLD_2(maximum, 0, 0, std::isnan(x) ? x : std::isnan(y) ? y : x > y ? x : y)

TEST(math_erfinv) {
  // erf(erfinv(x)) is x, as far as x tells: the error in y is that of x over erf'(y).
  const double params[8] = {};
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    for (int i = -99999; i <= 99999; ++i) {
      const double x = i / 100000.0;
      const float xf = static_cast<float>(x);
      double y;
      float yf;
      const void* in[] = {&x};
      const void* inf[] = {&xf};
      find(unaryKernels(target), "erfinv", DType::f64)->tile(&y, in, 1, params);
      find(unaryKernels(target), "erfinv", DType::f32)->tile(&yf, inf, 1, params);
      // One Newton step in long double reaches the true value.
      const long double wide = y, perErf = 0.886226925452758013649L * std::exp(wide * wide);
      const long double step = (std::erf(wide) - x) * perErf;
      const double miss = ulps(y, y - step);
      CHECK(miss <= 5, "erfinv(%.17g) on %s: %.3g ulp", x, targetName(target), miss);
      const long double z = y + (static_cast<long double>(xf) - x) * perErf;
      CHECK(std::fabs(yf - z) <= 2e-7 * std::fabs(z) + 1e-12, "erfinv(%.9g) on %s: %.9g", xf, targetName(target), yf);
    }
  }
}

// Against the series sum over k of (x/2)^2k / k!^2, and psi(x) = psi(x + n) - sum of 1 / (x + k), in long double.
TEST(math_i0_digamma) {
  const double params[8] = {};
  for (double sample = -39.9999; sample <= 40; sample += 0.0137) {
    const float narrow = static_cast<float>(sample);
    const double x = narrow;
    long double term = 1, i0 = 1;
    const long double quarter = static_cast<long double>(x) * x / 4;
    for (long double k = 1; term > i0 * 1e-21L; ++k) i0 += term *= quarter / (k * k);
    const long double pi = 3.14159265358979323846264338L;
    long double at = x, psi = 0;
    if (at < 0) psi = -pi / std::tan(pi * (at - std::floor(at))), at = 1 - at;
    for (; at < 30; ++at) psi -= 1 / at;
    const long double z = 1 / (at * at);
    psi +=
        std::log(at) - 0.5L / at - z * (1 / 12.0L - z * (1 / 120.0L - z * (1 / 252.0L - z * (1 / 240.0L - z / 132))));
    for (const int64_t target : kTargets) {
      if (!supports(target)) continue;
      double got;
      const void* in[] = {&x};
      find(unaryKernels(target), "i0", DType::f64)->tile(&got, in, 1, params);
      CHECK(ulps<double>(got, i0) <= 6, "i0(%.17g) = %.17g, want %.17g", x, got, static_cast<double>(i0));
      find(unaryKernels(target), "digamma", DType::f64)->tile(&got, in, 1, params);
      CHECK(std::fabs(got - psi) <= 2e-15 * (1 + std::fabs(psi)) * (1 + 10 * std::fabs(psi) * (x < 0)),
            "digamma(%.17g) = %.17g, want %.17g", x, got, static_cast<double>(psi));
      float gotFloat;
      const void* inFloat[] = {&narrow};
      find(unaryKernels(target), "digamma", DType::f32)->tile(&gotFloat, inFloat, 1, params);
      CHECK(std::fabs(gotFloat - psi) <= 6.1e-8 * (std::fabs(psi) + 1e-4), "digamma(%.9g) = %.9g, want %.17g", x,
            gotFloat, static_cast<double>(psi));
    }
  }
}
