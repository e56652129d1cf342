// Random numbers, value for value those of PyTorch's CPU generator: the words of mt19937 (draws-inl.h), in the order
// in which PyTorch 1.13 asks for them, made into samples by the same formulas in the same precision.
//
// Words are drawn by one thread, because their order is the contract; where a sample costs a logarithm or more, the
// samples are made by the pool from a slab of uniforms. So no value depends on the number of threads.
//
// A 64-bit integer crosses as two doubles: its high half, its low half, both as unsigned 32-bit numbers; negative ones
// as two's complement. Kernels check their data before they draw, so a refused call leaves the state alone.
//
// To add a distribution: a struct with T operator()(double u) if it needs one uniform for each sample (see
// Exponential), its Run function and a line of the table.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "random/random.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "kernel.h"
#include "kernels/all.h"
#include "random/draws-inl.h"
#include "random/normal-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// Elements made at a time: 256 KB of uniforms stay in the L2 cache.
constexpr size_t kSlab = size_t{1} << 15;
// Samples that cost a logarithm (8 ns and more) for a piece of work of 10 microseconds or more.
constexpr int64_t kGrain = 2048;

#define TENFOLD_FILL "inout state: bytes, out y[n], n"  // state: a GeneratorState (generator.h)
struct Fill {
  explicit Fill(Frame& frame)
      : state(frame.ptr<GeneratorState>()), out(frame.ptr<void>()), n(static_cast<size_t>(frame.i64())) {}
  GeneratorState* state;
  void* out;
  size_t n;
};

inline uint64_t ReadU64(Frame& frame) {
  const uint64_t high = static_cast<uint64_t>(frame.i64());
  return high << 32 | static_cast<uint64_t>(frame.i64());
}

// ---- seed -----------------------------------------------------------------------------------------------------------
constexpr char kMtSeedFrame[] = "inout state: bytes, seedHigh, seedLow";
void RunMtSeed(const Kernel&, Frame frame) {
  GeneratorState* state = frame.ptr<GeneratorState>();
  seedGenerator(*state, ReadU64(frame));
}

// ---- uniform --------------------------------------------------------------------------------------------------------
constexpr char kUniformFrame[] = TENFOLD_FILL ", from: f64, to: f64";
// Uniform in [from, to). One word for each float, two for each double.
template <class T>
void RunUniform(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const T from = static_cast<T>(frame.f64()), to = static_cast<T>(frame.f64());
  Draws draws(fill.state);
  FillUniform(draws, static_cast<T*>(fill.out), fill.n, from, to);
}

// Calls sample(u) for n uniform doubles in [0, 1), in order, and stores what it returns: for distributions of which
// PyTorch makes every sample from one double, whatever the dtype.
template <class T, class Sample>
struct SampleRange {
  const double* u;
  T* out;
  const Sample& sample;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) out[i] = sample(u[i]);
  }
};
template <class T, class Sample>
void FillFromUniform(const Fill& fill, const Sample& sample) {
  Draws draws(fill.state);
  T* out = static_cast<T*>(fill.out);
  const std::unique_ptr<double[]> u(new double[std::min(fill.n, kSlab)]);
  for (size_t done = 0; done < fill.n; done += kSlab) {
    const size_t m = std::min(fill.n - done, kSlab);
    FillUniform(draws, u.get(), m, 0.0, 1.0);
    parallelFor(static_cast<int64_t>(m), kGrain, SampleRange<T, Sample>{u.get(), out + done, sample});
  }
}

constexpr char kExponentialFrame[] = TENFOLD_FILL ", lambda: f64";
template <class T>
struct Exponential {
  double scale;
  T operator()(double u) const { return static_cast<T>(scale * std::log(1 - u)); }
};
template <class T>
void RunExponential(const Kernel&, Frame frame) {
  const Fill fill(frame);
  FillFromUniform<T>(fill, Exponential<T>{-1.0 / frame.f64()});
}

constexpr char kCauchyFrame[] = TENFOLD_FILL ", median: f64, sigma: f64";
template <class T>
struct Cauchy {
  double median, sigma;
  T operator()(double u) const { return static_cast<T>(std::fma(sigma, std::tan(kPi * (u - 0.5)), median)); }
};
template <class T>
void RunCauchy(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const double median = frame.f64(), sigma = frame.f64();
  FillFromUniform<T>(fill, Cauchy<T>{median, sigma});
}

constexpr char kGeometricFrame[] = TENFOLD_FILL ", p: f64";
// p in (0, 1): the number of trials up to and with the first success.
template <class T>
struct Geometric {
  double logOfFailure;
  T operator()(double u) const {
    const double k = std::ceil(std::log(u) / logOfFailure);  // infinite where u is 0
    if constexpr (std::is_integral_v<T>) {
      constexpr double kMax = static_cast<double>(std::numeric_limits<int64_t>::max());
      return static_cast<T>(k < kMax ? static_cast<int64_t>(k) : std::numeric_limits<int64_t>::max());
    } else {
      return static_cast<T>(k);
    }
  }
};
template <class T>
void RunGeometric(const Kernel&, Frame frame) {
  const Fill fill(frame);
  FillFromUniform<T>(fill, Geometric<T>{std::log(1 - frame.f64())});
}

// ---- normal ---------------------------------------------------------------------------------------------------------
// Blocks of 16 uniforms make 16 normals; where n is no multiple of 16, PyTorch draws the rest too, and then makes the
// last 16 elements anew from 16 further uniforms.
void FillNormal16(const Fill& fill, float mean, float std) {
  constexpr size_t kPart = kBlock / 16 * 16;
  HWY_ALIGN float u[kPart];
  Draws draws(fill.state);
  float* out = static_cast<float*>(fill.out);
  const size_t whole = fill.n / 16 * 16, rest = fill.n - whole;
  for (size_t done = 0; done < whole; done += kPart) {
    const size_t m = std::min(whole - done, kPart);
    FillUniform(draws, u, m, 0.0f, 1.0f);
    for (size_t i = 0; i < m; i += 16) BoxMuller16(u + i, out + done + i, mean, std);
  }
  if (rest > 0) {
    draws.Skip(rest);
    FillUniform(draws, u, 16, 0.0f, 1.0f);
    BoxMuller16(u, out + fill.n - 16, mean, std);
  }
}

struct Normal16Range {
  double* out;
  double mean, std;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; i += 16) BoxMuller16(out + i, out + i, mean, std);
  }
};
void FillNormal16(const Fill& fill, double mean, double std) {
  Draws draws(fill.state);
  double* out = static_cast<double*>(fill.out);
  const size_t whole = fill.n / 16 * 16, rest = fill.n - whole;
  for (size_t done = 0; done < whole; done += kSlab) {
    const size_t m = std::min(whole - done, kSlab);
    FillUniform(draws, out + done, m, 0.0, 1.0);
    parallelFor(static_cast<int64_t>(m), kGrain, Normal16Range{out + done, mean, std});
  }
  if (rest > 0) {
    draws.Skip(2 * rest);
    double* last = out + fill.n - 16;
    FillUniform(draws, last, 16, 0.0, 1.0);
    BoxMuller16(last, last, mean, std);
  }
}

// Pairs, in double whatever the dtype: uniforms u1, u2 make two samples; where n is odd, the second one of the last
// pair waits in the state for the next call.
struct Identity {
  double operator()(double x) const { return x; }
};
struct Exp {
  double operator()(double x) const { return std::exp(x); }
};

template <class T, class Map>
struct PairRange {
  const double* u;
  T* out;
  size_t n;  // elements of out: the last pair may have room for one only
  double mean, std;
  double* left;  // where its second sample goes then
  T Finish(double x) const { return static_cast<T>(Map()(std::fma(x, std, mean))); }
  void operator()(int64_t begin, int64_t end) const {
    for (size_t k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k) {
      const double radius = std::sqrt(-2 * std::log(1 - u[2 * k + 1]));
      const double theta = 2.0 * kPi * u[2 * k];
      const double cosine = std::cos(theta), sine = std::sin(theta);
      out[2 * k] = Finish(radius * cosine);
      if (2 * k + 1 < n) {
        out[2 * k + 1] = Finish(radius * sine);
      } else {
        *left = radius * sine;
      }
    }
  }
};
template <class T, class Map>
void FillNormalPairs(const Fill& fill, double mean, double std) {
  GeneratorState& g = *fill.state;
  T* out = static_cast<T*>(fill.out);
  size_t n = fill.n;
  if (n == 0) return;
  if (g.hasNormal) {
    *out++ = static_cast<T>(Map()(std::fma(g.normal, std, mean)));
    g.hasNormal = 0;
    --n;
  }
  Draws draws(&g);
  const size_t uniforms = (n + 1) / 2 * 2;
  const std::unique_ptr<double[]> u(new double[std::min(uniforms, kSlab)]);
  for (size_t done = 0; done < n; done += kSlab) {
    const size_t m = std::min(n - done, kSlab), pairs = (m + 1) / 2;
    FillUniform(draws, u.get(), 2 * pairs, 0.0, 1.0);
    parallelFor(static_cast<int64_t>(pairs), kGrain / 4,
                PairRange<T, Map>{u.get(), out + done, m, mean, std, &g.normal});
  }
  g.hasNormal = n % 2;
}

constexpr char kNormalFrame[] = TENFOLD_FILL ", mean: f64, std: f64, pairs";
// Where `pairs` is 1, as below 16 elements, samples are made pair by pair. It is what PyTorch does
// for an output that isn't contiguous.
template <class T>
void RunNormal(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const double mean = frame.f64(), std = frame.f64();
  if (fill.n < 16 || frame.flag()) {
    FillNormalPairs<T, Identity>(fill, mean, std);
  } else {
    FillNormal16(fill, static_cast<T>(mean), static_cast<T>(std));
  }
}

// mean and std of the logarithm
constexpr char kLogNormalFrame[] = TENFOLD_FILL ", mean: f64, std: f64";
template <class T>
void RunLogNormal(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const double mean = frame.f64(), std = frame.f64();
  FillNormalPairs<T, Exp>(fill, mean, std);
}

// ---- integers -------------------------------------------------------------------------------------------------------
// word mod divisor by multiplication (Lemire, Kaser, Kurz: Faster remainder by direct computation, 2019).
struct FastMod {
  explicit FastMod(uint32_t divisor) : d(divisor), inverse(UINT64_MAX / divisor + 1) {}
  uint32_t operator()(uint32_t word) const {
#ifdef __SIZEOF_INT128__
    using Wide = unsigned __int128;
    return static_cast<uint32_t>(static_cast<Wide>(inverse * word) * d >> 64);
#else
    return word % d;
#endif
  }
  uint32_t d;
  uint64_t inverse;
};

// How random_ makes a T from an integer: PyTorch's bool is a byte that holds 0 or 1.
template <class T>
inline T FromInt(uint64_t x) {
  if constexpr (std::is_same_v<T, Bool>) {
    return Bool{static_cast<uint8_t>(x != 0)};
  } else {
    return static_cast<T>(static_cast<int64_t>(x));
  }
}

constexpr char kIntegersFrame[] = TENFOLD_FILL ", fromHigh, fromLow, rangeHigh, rangeLow, words";
// Integers in [from, from + range). Range 0 stands for 2^64, all of int64, with from 0.
// A sample takes one word or two, as `words` says: PyTorch's takes two from a range of 2^28 on. PyTorch's random_()
// without bounds is this kernel with range 2^63 for int64, 2^53 + 1 for float64, 2^24 + 1 for float32, and the largest
// value + 1 for the rest.
template <class T>
void RunRandom(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const uint64_t from = ReadU64(frame), range = ReadU64(frame);
  const bool wide = frame.f64() == 2;
  T* out = static_cast<T*>(fill.out);
  uint32_t bits[kBlock];
  Draws draws(fill.state);
  const size_t part = wide ? kBlock / 2 : kBlock;
  const FastMod mod(range == 0 || range >> 32 ? 1 : static_cast<uint32_t>(range));
  for (size_t done = 0; done < fill.n; done += part) {
    const size_t m = std::min(fill.n - done, part);
    draws.Fill(bits, wide ? 2 * m : m);
    T* to = out + done;
    if (wide) {
      for (size_t i = 0; i < m; ++i) {
        const uint64_t x = uint64_t{bits[2 * i]} << 32 | bits[2 * i + 1];
        to[i] = FromInt<T>((range ? x % range : x) + from);
      }
    } else if (range == 0 || range >> 32) {
      for (size_t i = 0; i < m; ++i) to[i] = FromInt<T>(bits[i] + from);  // a word is below such a range
    } else {
      for (size_t i = 0; i < m; ++i) to[i] = FromInt<T>(mod(bits[i]) + from);
    }
  }
}

constexpr char kRandpermFrame[] = TENFOLD_FILL;
// A permutation of 0 .. n-1 by Fisher and Yates' shuffle from the front.
void RunRandperm(const Kernel&, Frame frame) {
  const Fill fill(frame);
  int64_t* out = static_cast<int64_t*>(fill.out);
  for (size_t i = 0; i < fill.n; ++i) out[i] = static_cast<int64_t>(i);
  Draws draws(fill.state);
  uint32_t bits[kBlock];
  for (size_t done = 0; done + 1 < fill.n; done += kBlock) {
    const size_t m = std::min(fill.n - 1 - done, kBlock);
    draws.Fill(bits, m);
    for (size_t i = 0; i < m; ++i) {
      const size_t at = done + i;
      std::swap(out[at], out[at + bits[i] % (fill.n - at)]);
    }
  }
}

// ---- bernoulli ------------------------------------------------------------------------------------------------------
constexpr char kBernoulliFrame[] = TENFOLD_FILL ", p: f64, value: f64";
// `value` with probability p, else 0. Dropout's mask is p = 1 - rate, value = 1 / p. Two words a sample.
template <class T>
void RunBernoulli(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const double p = frame.f64(), one = frame.f64();
  T value, zero;
  if constexpr (std::is_same_v<T, Bool>) {
    value = Bool{static_cast<uint8_t>(one != 0)}, zero = Bool{0};
  } else {
    value = static_cast<T>(one), zero = 0;
  }
  constexpr size_t kPart = kBlock / 2;
  HWY_ALIGN double u[kPart];
  Draws draws(fill.state);
  for (size_t done = 0; done < fill.n; done += kPart) {
    const size_t m = std::min(fill.n - done, kPart);
    FillUniform(draws, u, m, 0.0, 1.0);
    T* out = static_cast<T*>(fill.out) + done;
    for (size_t i = 0; i < m; ++i) out[i] = u[i] < p ? value : zero;
  }
}

constexpr char kBernoulliTensorFrame[] = TENFOLD_FILL ", in p[n]";
// p may be the output. 24 bits of a word decide a float's
// sample, 53 of two a double's.
template <class T>
void RunBernoulliTensor(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const T* p = frame.ptr<const T>();
  for (size_t i = 0; i < fill.n; ++i) {
    if (!(p[i] >= 0 && p[i] <= 1)) {
      throw KernelError("RangeError", "bernoulli: expected every p in [0, 1], got " + std::to_string(p[i]));
    }
  }
  constexpr size_t kPart = kBlock / 2;
  HWY_ALIGN T u[kPart];
  Draws draws(fill.state);
  for (size_t done = 0; done < fill.n; done += kPart) {
    const size_t m = std::min(fill.n - done, kPart);
    FillUniform(draws, u, m, T{0}, T{1});
    T* out = static_cast<T*>(fill.out) + done;
    for (size_t i = 0; i < m; ++i) out[i] = u[i] < p[done + i] ? T{1} : T{0};
  }
}

// ---- poisson --------------------------------------------------------------------------------------------------------
// rates: address of n rates in the kernel's dtype. Below 10 by multiplying uniforms, from there by transformed
// rejection (Hoermann 1993, as NumPy and PyTorch have it).
int64_t SamplePoisson(Draws& draws, double rate) {
  if (rate == 0) return 0;
  if (rate < 10) {
    const double limit = std::exp(-rate);
    int64_t k = 0;
    for (double product = draws.NextUniform(); product > limit; product *= draws.NextUniform()) ++k;
    return k;
  }
  const double root = std::sqrt(rate), logRate = std::log(rate);
  const double b = 0.931 + 2.53 * root;
  const double a = -0.059 + 0.02483 * b;
  const double inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const double vr = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const double u = draws.NextUniform() - 0.5;
    const double v = draws.NextUniform();
    const double us = 0.5 - std::fabs(u);
    const int64_t k = static_cast<int64_t>(std::floor((2 * a / us + b) * u + rate + 0.43));
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v) + std::log(inverseAlpha) - std::log(a / (us * us) + b) <=
        -rate + static_cast<double>(k) * logRate - std::lgamma(static_cast<double>(k) + 1)) {
      return k;
    }
  }
}
constexpr char kPoissonFrame[] = TENFOLD_FILL ", in rates[n]";
template <class T>
void RunPoisson(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const T* rates = frame.ptr<const T>();
  for (size_t i = 0; i < fill.n; ++i) {
    if (!(rates[i] >= 0 && rates[i] < T{1e18})) {
      throw KernelError("RangeError", "poisson: expected every rate in [0, 1e18), got " + std::to_string(rates[i]));
    }
  }
  Draws draws(fill.state);
  T* out = static_cast<T*>(fill.out);
  for (size_t i = 0; i < fill.n; ++i) out[i] = static_cast<T>(SamplePoisson(draws, rates[i]));
}

// ---- multinomial ----------------------------------------------------------------------------------------------------
template <class T>
void CheckWeights(const T* weights, size_t rows, size_t categories) {
  for (size_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (size_t c = 0; c < categories; ++c) {
      const T w = weights[r * categories + c];
      if (!(w >= 0 && w <= std::numeric_limits<T>::max())) {
        throw KernelError("RangeError", "multinomial: expected finite probabilities >= 0, got " + std::to_string(w));
      }
      sum += w;
    }
    if (!(sum > 0)) {
      throw KernelError("RangeError", "multinomial: expected a row of probabilities with a sum > 0, got " +
                                          std::to_string(sum) + " in row " + std::to_string(r));
    }
  }
}

// One uniform double a sample, looked up in the row's normalised running sum.
template <class T>
void SampleWithReplacement(Draws& draws, const T* weights, T* running, size_t categories, int64_t* out,
                           size_t samples) {
  T sum = 0;
  for (size_t c = 0; c < categories; ++c) running[c] = sum += weights[c];
  for (size_t c = 0; c < categories; ++c) running[c] /= sum;
  running[categories - 1] = 1;
  for (size_t s = 0; s < samples; ++s) {
    const double u = draws.NextUniform();
    size_t left = 0, right = categories;
    while (left < right) {
      const size_t middle = left + (right - left) / 2;
      if (static_cast<double>(running[middle]) < u) {
        left = middle + 1;
      } else {
        right = middle;
      }
    }
    out[s] = static_cast<int64_t>(left);
  }
}

// weight / exponential is largest for category c with probability weight[c] / sum: the `samples` largest are a draw
// without replacement (Efraimidis and Spirakis 2006).
template <class T>
struct Larger {
  using Entry = std::pair<T, int64_t>;
  bool operator()(const Entry& a, const Entry& b) const {
    return (std::isnan(a.first) && !std::isnan(b.first)) || a.first > b.first;
  }
};
template <class T>
void TakeLargest(std::pair<T, int64_t>* entries, size_t n, int64_t* out, size_t samples) {
  const Larger<T> larger;
  if (samples == 1) {
    size_t best = 0;
    for (size_t i = 1; i < n; ++i) best = larger(entries[i], entries[best]) ? i : best;
    out[0] = entries[best].second;
    return;
  }
  // As PyTorch's topk, so that ties, which only weights of 0 make, fall the same way.
  if (samples * 64 <= n) {
    std::partial_sort(entries, entries + samples, entries + n, larger);
  } else {
    std::nth_element(entries, entries + samples - 1, entries + n, larger);
    std::sort(entries, entries + samples - 1, larger);
  }
  for (size_t s = 0; s < samples; ++s) out[s] = entries[s].second;
}

constexpr char kMultinomialFrame[] =
    "inout state: bytes, out y[n]: i64, n, in weights[rows*categories], rows, categories, samples, replacement, "
    "columnsFirst";
// y [rows, samples], weights [rows, categories]; without replacement samples <= categories, and columnsFirst draws
// category by category, as PyTorch does for weights that lie in memory that way. As PyTorch 1.13: later ones draw a
// single sample with replacement as they do one without.
template <class T>
void RunMultinomial(const Kernel&, Frame frame) {
  const Fill fill(frame);
  const T* weights = frame.ptr<const T>();
  const size_t rows = static_cast<size_t>(frame.i64()), categories = static_cast<size_t>(frame.i64());
  const size_t samples = static_cast<size_t>(frame.i64());
  const bool replacement = frame.flag(), columns_first = frame.flag();
  if (rows == 0 || samples == 0) return;
  if (categories == 0 || (!replacement && samples > categories)) {
    throw KernelError("RangeError",
                      "multinomial: expected at most as many samples without replacement as categories (" +
                          std::to_string(categories) + "), got " + std::to_string(samples));
  }
  CheckWeights(weights, rows, categories);
  int64_t* out = static_cast<int64_t*>(fill.out);
  Draws draws(fill.state);
  if (replacement) {
    const std::unique_ptr<T[]> running(new T[categories]);
    for (size_t r = 0; r < rows; ++r) {
      SampleWithReplacement(draws, weights + r * categories, running.get(), categories, out + r * samples, samples);
    }
    return;
  }
  // q of category c in the row at hand is at q[c * step]; columns first, all rows' are drawn with the first one's.
  const size_t step = columns_first ? rows : 1;
  const std::unique_ptr<T[]> drawn(new T[categories * step]);
  const std::unique_ptr<std::pair<T, int64_t>[]> entries(new std::pair<T, int64_t>[categories]);
  for (size_t r = 0; r < rows; ++r) {
    if (r == 0 || !columns_first) {
      Fill draw = fill;
      draw.out = drawn.get();
      draw.n = categories * step;
      FillFromUniform<T>(draw, Exponential<T>{-1.0});
    }
    const T* q = drawn.get() + (columns_first ? r : 0);
    for (size_t c = 0; c < categories; ++c) {
      entries[c] = {weights[r * categories + c] / q[c * step], static_cast<int64_t>(c)};
    }
    TakeLargest(entries.get(), categories, out + r * samples, samples);
  }
}

// ---- table ----------------------------------------------------------------------------------------------------------
#define TENFOLD_FLOATS(NAME, RUN, FRAME) \
  {NAME, DType::f32, RUN<float>, FRAME}, { NAME, DType::f64, RUN<double>, FRAME }
#define TENFOLD_INTS(NAME, RUN, FRAME)                                                  \
  {NAME, DType::i64, RUN<int64_t>, FRAME}, {NAME, DType::i32, RUN<int32_t>, FRAME},     \
      {NAME, DType::i16, RUN<int16_t>, FRAME}, {NAME, DType::i8, RUN<int8_t>, FRAME}, { \
    NAME, DType::u8, RUN<uint8_t>, FRAME                                                \
  }
extern const Kernel kRandom[];
const Kernel kRandom[] = {
    {"mtSeed", DType::i64, RunMtSeed, kMtSeedFrame},
    TENFOLD_FLOATS("uniform", RunUniform, kUniformFrame),
    TENFOLD_FLOATS("normal", RunNormal, kNormalFrame),
    TENFOLD_FLOATS("logNormal", RunLogNormal, kLogNormalFrame),
    TENFOLD_FLOATS("exponential", RunExponential, kExponentialFrame),
    TENFOLD_FLOATS("cauchy", RunCauchy, kCauchyFrame),
    TENFOLD_FLOATS("geometric", RunGeometric, kGeometricFrame),
    TENFOLD_INTS("geometric", RunGeometric, kGeometricFrame),
    TENFOLD_FLOATS("random", RunRandom, kIntegersFrame),
    TENFOLD_INTS("random", RunRandom, kIntegersFrame),
    {"random", DType::b8, RunRandom<Bool>, kIntegersFrame},
    {"randperm", DType::i64, RunRandperm, kRandpermFrame},
    TENFOLD_FLOATS("bernoulli", RunBernoulli, kBernoulliFrame),
    TENFOLD_INTS("bernoulli", RunBernoulli, kBernoulliFrame),
    {"bernoulli", DType::b8, RunBernoulli<Bool>, kBernoulliFrame},
    TENFOLD_FLOATS("bernoulliTensor", RunBernoulliTensor, kBernoulliTensorFrame),
    TENFOLD_FLOATS("poisson", RunPoisson, kPoissonFrame),
    TENFOLD_FLOATS("multinomial", RunMultinomial, kMultinomialFrame),
};
#undef TENFOLD_FLOATS
#undef TENFOLD_INTS
constexpr size_t kRandomCount = sizeof(kRandom) / sizeof(kRandom[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable randomKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kRandom), HWY_NAMESPACE::kRandomCount};
}
}  // namespace tenfold
#endif
