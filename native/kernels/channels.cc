// Batch normalization: statistics of each channel of a dense [outer, channels, inner].
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/channels.cc"
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
namespace {

// Elements are met in one of two ways, so that loads are always of neighbours: a channel's runs of `inner`, or, where
// inner is 1, a vector of channels down the rows. Short sums are of T, sums of those are of double.
struct Block {
  int64_t outer, channels, inner;
  explicit Block(Frame& f) : outer(f.i64()), channels(f.i64()), inner(f.i64()) {}
  int64_t count() const { return outer * inner; }
  // Channels that take about 10 microseconds at 1 nanosecond an element.
  int64_t grain() const { return 10000 / (count() + 1) + 1; }
};
constexpr int64_t kShort = 512;

template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* from, int64_t rest) {
  return HWY_LIKELY(rest >= static_cast<int64_t>(hn::Lanes(d))) ? hn::LoadU(d, from)
                                                                : LoadFirst(d, from, static_cast<size_t>(rest));
}
template <class D, class T>
HWY_INLINE void store(hn::Vec<D> v, D d, T* to, int64_t rest) {
  if (HWY_LIKELY(rest >= static_cast<int64_t>(hn::Lanes(d))))
    hn::StoreU(v, d, to);
  else
    StoreFirst(v, d, to, static_cast<size_t>(rest));
}

// What is summed: x, or (x - centre)^2, or y, or y (x - centre); y is the gradient.
enum class Term { x, square, y, product };
template <Term kTerm, class D, class V>
HWY_INLINE V term(D d, V x, V y, V centre, V sum) {
  if constexpr (kTerm == Term::x) return hn::Add(sum, x);
  if constexpr (kTerm == Term::y) return hn::Add(sum, y);
  const V away = hn::Sub(x, centre);
  if constexpr (kTerm == Term::square) return hn::MulAdd(away, away, sum);
  if constexpr (kTerm == Term::product) return hn::MulAdd(y, away, sum);
  (void)d;
  return sum;
}

// Sum of a channel's terms.
template <Term kTerm, class T>
double channelSum(const Block& b, int64_t channel, const T* x, const T* y, T centre) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto c = hn::Set(d, centre);
  double all = 0;
  for (int64_t n = 0; n < b.outer; ++n) {
    const int64_t at = (n * b.channels + channel) * b.inner;
    for (int64_t first = 0; first < b.inner; first += kShort) {
      const int64_t end = first + kShort < b.inner ? first + kShort : b.inner;
      auto sum = hn::Zero(d);
      int64_t i = first;
      for (; i + lanes <= end; i += lanes) {
        sum = term<kTerm>(d, hn::LoadU(d, x + at + i), y ? hn::LoadU(d, y + at + i) : c, c, sum);
      }
      if (i < end) {
        const size_t rest = static_cast<size_t>(end - i);
        const auto last =
            term<kTerm>(d, LoadFirst(d, x + at + i, rest), y ? LoadFirst(d, y + at + i, rest) : c, c, hn::Zero(d));
        sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, rest), last));
      }
      all += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
    }
  }
  return all;
}

// Sums of the terms of a vector of channels from `first` on, where inner is 1.
template <Term kTerm, class T, class D>
void columnSums(D d, const Block& b, int64_t first, const T* x, const T* y, const T* centre, double* sums) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), rest = b.channels - first;
  const auto c = load(d, centre, lanes);
  HWY_ALIGN T part[hn::MaxLanes(d)];
  for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] = 0;
  for (int64_t start = 0; start < b.outer; start += kShort) {
    const int64_t end = start + kShort < b.outer ? start + kShort : b.outer;
    auto sum = hn::Zero(d);
    for (int64_t n = start; n < end; ++n) {
      const int64_t at = n * b.channels + first;
      sum = term<kTerm>(d, load(d, x + at, rest), y ? load(d, y + at, rest) : c, c, sum);
    }
    hn::Store(sum, d, part);
    for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += static_cast<double>(part[lane]);
  }
}

// Runs `columns` on vectors of channels where inner is 1, else `channels` on one channel after the other.
template <class T, class Columns, class Channels>
void eachChannel(const Block& b, const Columns& columns, const Channels& channels) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
  if (b.count() == 0 || b.channels == 0) return;
  if (b.inner == 1)
    parallelFor((b.channels + lanes - 1) / lanes, b.grain(), columns, 1);
  else
    parallelFor(b.channels, b.grain(), channels, 1);
}

// ---- batchNorm ---------------------------------------------------------------------------------------------------
// y = (x - mean) rstd weight + bias by each channel's own mean and variance; mean and rstd [channels] are given too.

template <class T>
struct BatchNorm {
  Block b;
  const T *x, *weight, *bias;
  T *y, *mean, *rstd;
  double eps;

  explicit BatchNorm(Frame& f)
      : b(f),
        x(f.ptr<const T>()),
        weight(f.ptr<const T>()),
        bias(f.ptr<const T>()),
        y(f.ptr<T>()),
        mean(f.ptr<T>()),
        rstd(f.ptr<T>()),
        eps(f.f64()) {}

  // scale and shift of a channel, from its statistics
  HWY_INLINE void line(int64_t channel, double average, double squares, T& scale, T& shift) const {
    const double r = 1 / std::sqrt(squares / static_cast<double>(b.count()) + eps);
    mean[channel] = static_cast<T>(average);
    rstd[channel] = static_cast<T>(r);
    const double s = weight ? r * static_cast<double>(weight[channel]) : r;
    scale = static_cast<T>(s);
    shift = static_cast<T>((bias ? static_cast<double>(bias[channel]) : 0) - average * s);
  }
};

template <class T>
struct NormalizeChannels {
  const BatchNorm<T>& p;
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    const Block& b = p.b;
    for (int64_t channel = begin; channel < end; ++channel) {
      const double average = channelSum<Term::x, T>(b, channel, p.x, nullptr, T{0}) / static_cast<double>(b.count());
      const double squares = channelSum<Term::square, T>(b, channel, p.x, nullptr, static_cast<T>(average));
      T scale, shift;
      p.line(channel, average, squares, scale, shift);
      const auto s = hn::Set(d, scale), t = hn::Set(d, shift);
      for (int64_t n = 0; n < b.outer; ++n) {
        const int64_t at = (n * b.channels + channel) * b.inner;
        for (int64_t i = 0; i < b.inner; i += lanes) {
          store(hn::MulAdd(load(d, p.x + at + i, b.inner - i), s, t), d, p.y + at + i, b.inner - i);
        }
      }
    }
  }
};

template <class T>
struct NormalizeColumns {
  const BatchNorm<T>& p;
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    const Block& b = p.b;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * lanes, rest = b.channels - first, size = rest < lanes ? rest : lanes;
      double average[hn::MaxLanes(d)], squares[hn::MaxLanes(d)];
      HWY_ALIGN T centre[hn::MaxLanes(d)] = {}, scale[hn::MaxLanes(d)] = {}, shift[hn::MaxLanes(d)] = {};
      columnSums<Term::x, T>(d, b, first, p.x, static_cast<const T*>(nullptr), centre, average);
      for (int64_t lane = 0; lane < size; ++lane) {
        average[lane] /= static_cast<double>(b.count());
        centre[lane] = static_cast<T>(average[lane]);
      }
      columnSums<Term::square, T>(d, b, first, p.x, static_cast<const T*>(nullptr), centre, squares);
      for (int64_t lane = 0; lane < size; ++lane)
        p.line(first + lane, average[lane], squares[lane], scale[lane], shift[lane]);
      const auto s = hn::Load(d, scale), t = hn::Load(d, shift);
      for (int64_t n = 0; n < b.outer; ++n) {
        const int64_t at = n * b.channels + first;
        store(hn::MulAdd(load(d, p.x + at, rest), s, t), d, p.y + at, rest);
      }
    }
  }
};

constexpr char kBatchNormFrame[] =
    "outer, channels, inner, in x[outer*channels*inner], in? weight[channels], in? bias[channels], "
    "out y[outer*channels*inner], out mean[channels], out rstd[channels], eps: f64";
template <class T>
void runBatchNorm(const Kernel&, Frame f) {
  const BatchNorm<T> p(f);
  eachChannel<T>(p.b, NormalizeColumns<T>{p}, NormalizeChannels<T>{p});
}

// ---- batchNormBackward -------------------------------------------------------------------------------------------
// With u = (x - mean) rstd: gradWeight = sum of grad u, gradBias = sum of grad, and
// gradX = rstd weight (grad - gradBias / count - u gradWeight / count).

template <class T>
struct BatchNormGrads {
  Block b;
  const T *grad, *x, *mean, *rstd, *weight;
  T *gradX, *gradWeight, *gradBias;

  explicit BatchNormGrads(Frame& f)
      : b(f),
        grad(f.ptr<const T>()),
        x(f.ptr<const T>()),
        mean(f.ptr<const T>()),
        rstd(f.ptr<const T>()),
        weight(f.ptr<const T>()),
        gradX(f.ptr<T>()),
        gradWeight(f.ptr<T>()),
        gradBias(f.ptr<T>()) {}

  // gradX = slope grad + bend (x - mean) + shift
  HWY_INLINE void line(int64_t channel, double sum, double product, T& slope, T& bend, T& shift) const {
    const double r = static_cast<double>(rstd[channel]), count = static_cast<double>(b.count());
    if (gradWeight) gradWeight[channel] = static_cast<T>(product * r);
    if (gradBias) gradBias[channel] = static_cast<T>(sum);
    const double s = weight ? r * static_cast<double>(weight[channel]) : r;
    slope = static_cast<T>(s);
    bend = static_cast<T>(-s * r * r * product / count);
    shift = static_cast<T>(-s * sum / count);
  }
};

template <class T>
struct ChannelGrads {
  const BatchNormGrads<T>& p;
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    const Block& b = p.b;
    for (int64_t channel = begin; channel < end; ++channel) {
      const double sum = channelSum<Term::y, T>(b, channel, p.grad, p.grad, T{0});
      const double product = channelSum<Term::product, T>(b, channel, p.x, p.grad, p.mean[channel]);
      T slope, bend, shift;
      p.line(channel, sum, product, slope, bend, shift);
      if (!p.gradX) continue;
      const auto m = hn::Set(d, p.mean[channel]), s = hn::Set(d, slope), e = hn::Set(d, bend), t = hn::Set(d, shift);
      for (int64_t n = 0; n < b.outer; ++n) {
        const int64_t at = (n * b.channels + channel) * b.inner;
        for (int64_t i = 0; i < b.inner; i += lanes) {
          const int64_t rest = b.inner - i;
          const auto away = hn::Sub(load(d, p.x + at + i, rest), m);
          store(hn::MulAdd(load(d, p.grad + at + i, rest), s, hn::MulAdd(away, e, t)), d, p.gradX + at + i, rest);
        }
      }
    }
  }
};

template <class T>
struct ColumnGrads {
  const BatchNormGrads<T>& p;
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    const Block& b = p.b;
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * lanes, rest = b.channels - first, size = rest < lanes ? rest : lanes;
      double sums[hn::MaxLanes(d)], products[hn::MaxLanes(d)];
      HWY_ALIGN T centre[hn::MaxLanes(d)] = {}, slope[hn::MaxLanes(d)] = {}, bend[hn::MaxLanes(d)] = {},
                  shift[hn::MaxLanes(d)] = {};
      for (int64_t lane = 0; lane < size; ++lane) centre[lane] = p.mean[first + lane];
      columnSums<Term::y, T>(d, b, first, p.grad, p.grad, centre, sums);
      columnSums<Term::product, T>(d, b, first, p.x, p.grad, centre, products);
      for (int64_t lane = 0; lane < size; ++lane) {
        p.line(first + lane, sums[lane], products[lane], slope[lane], bend[lane], shift[lane]);
      }
      if (!p.gradX) continue;
      const auto m = hn::Load(d, centre), s = hn::Load(d, slope), e = hn::Load(d, bend), t = hn::Load(d, shift);
      for (int64_t n = 0; n < b.outer; ++n) {
        const int64_t at = n * b.channels + first;
        const auto away = hn::Sub(load(d, p.x + at, rest), m);
        store(hn::MulAdd(load(d, p.grad + at, rest), s, hn::MulAdd(away, e, t)), d, p.gradX + at, rest);
      }
    }
  }
};

constexpr char kBatchNormBackwardFrame[] =
    "outer, channels, inner, in grad[outer*channels*inner], in x[outer*channels*inner], in mean[channels], "
    "in rstd[channels], in? weight[channels], out gradX[outer*channels*inner], out gradWeight[channels], "
    "out gradBias[channels]";
template <class T>
void runBatchNormBackward(const Kernel&, Frame f) {
  const BatchNormGrads<T> p(f);
  eachChannel<T>(p.b, ColumnGrads<T>{p}, ChannelGrads<T>{p});
}

}  // namespace

extern const Kernel kChannels[];
const Kernel kChannels[] = {
    {"batchNorm", DType::f32, runBatchNorm<float>, kBatchNormFrame},
    {"batchNorm", DType::f64, runBatchNorm<double>, kBatchNormFrame},
    {"batchNormBackward", DType::f32, runBatchNormBackward<float>, kBatchNormBackwardFrame},
    {"batchNormBackward", DType::f64, runBatchNormBackward<double>, kBatchNormBackwardFrame},
};
constexpr size_t kChannelsCount = sizeof(kChannels) / sizeof(kChannels[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable channelKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kChannels), HWY_NAMESPACE::kChannelsCount};
}
}  // namespace tenfold
#endif
