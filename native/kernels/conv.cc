// Convolutions of one to three dims: the result, the gradient of the input (which is transposed convolution) and that of
// the weight. All three are matrix products with the patches of an image (kernels/patches-inl.h), which are packed
// straight into the product's panels, image by image.
//
// Frame of "convolution", "convolutionInput", "convolutionWeight", after the id: batch, groups, channels, filters, then three
// numbers (depth, height, width) each of in, kernel, out, stride, padding, dilation, then
//   convolution:       input, weight, bias, output, activation     input  [batch, channels, in…]
//   convolutionInput:  gradOutput, weight, bias, gradInput, 0      output [batch, filters, out…]
//   convolutionWeight: gradOutput, input, 0, gradWeight, 0         weight [filters, channels / groups, kernel…]
// all dense; bias is an address or 0, [filters] (convolutionInput: [channels]); activation is 0, or 1 for relu.
// Frame of "channelSum": outer, channels, inner, in, out: sums of [outer, channels, inner] over outer and inner.
//
// Results depend on shapes and the instruction set, not on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "gemm/gemm.h"
#include "kernel.h"
#include "kernels/all.h"
#include "kernels/conv_plan.h"
#include "kernels/patches-inl.h"
#include "kernels/scratch.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Multiply-adds that are worth a thread, about 10 us.
constexpr int64_t kGrainWork = 1 << 19;
// Elements that a thread copies in about 10 us.
constexpr int64_t kGrainCopy = 1 << 16;
// Results that one patch is multiplied for, up to which packing costs more than it gains.
constexpr int64_t kDirectFilters = 3;
// Places that one product of the weight's gradient should sum over, several images together if need be: as many as the
// product takes at a time.
constexpr int64_t kPlaces = 384;
// The batch is cut for the weight's gradient into as many parts as fit in kPartialBytes, at most kMaxParts. They don't
// depend on the number of threads, and are added in order.
constexpr int64_t kPartialBytes = 8 << 20, kMinParts = 8, kMaxParts = 32;

template <class T> T* buffer(Scratch which, int64_t elements) {
  return static_cast<T*>(scratch(which, static_cast<size_t>(elements + kWidth<T>) * sizeof(T)));
}

template <class T, class F> struct EachItem {
  const F& f;
  int64_t from;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) f(from + i);
  }
};
// Items on several threads, and the last ones, too few for all threads, one after the other on all of them.
template <class T, class F> void eachItem(int64_t items, int64_t work, const F& f) {
  const int64_t threads = numThreads();
  const int64_t shared = items >= 4 * threads || items * work < kGrainWork ? items : items / threads * threads;
  parallelFor(shared, most(1, kGrainWork / most(work, 1)), EachItem<T, F>{f, 0}, 1);
  EachItem<T, F>{f, shared}(0, items - shared);
}

template <class T> struct CopyTask {
  T* to;
  const T* from;
  Triple in;
  const Margin& margin;
  void operator()(int64_t begin, int64_t end) const { copyRows(to, from, in, margin, begin, end); }
};
// An image with its margin, in `to`.
template <class T> void copyImage(T* to, const T* from, int64_t channels, Triple in, const Margin& m) {
  parallelFor(channels * m.size.d * m.size.h, most(1, kGrainCopy / m.row), CopyTask<T>{to, from, in, m}, 1);
}

template <class T> void packPlacesFn(const void* x, int64_t, T* out, int64_t width, int64_t p0, int64_t p1, int64_t i0, int64_t i1) {
  packPlaces(*static_cast<const Patches<T>*>(x), out, width, p0, p1, i0, i1);
}
template <class T> void packTapsFn(const void* x, int64_t, T* out, int64_t width, int64_t p0, int64_t p1, int64_t i0, int64_t i1) {
  packTaps(*static_cast<const Patches<T>*>(x), out, width, p0, p1, i0, i1);
}

// ---- weights times patches --------------------------------------------------------------------------------------------

// One vector of places, or a part of one.
struct Lane {
  int64_t place, at, count;
};

// A row of weights times the patches, four vectors of places at a time, without a product's panels.
template <class T> struct Direct {
  const Patches<T>& x;
  const T* weight;
  int64_t k;
  T bias;
  bool relu;
  T* out;

  void four(const Lane* lanes) const {
    const hn::ScalableTag<T> d;
    const T* const at[4] = {x.base + lanes[0].place, x.base + lanes[1].place, x.base + lanes[2].place, x.base + lanes[3].place};
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t p = 0; p < k; ++p) {
      const auto w = hn::Set(d, weight[p]);
      const int64_t offset = x.offsets[p];
      s0 = hn::MulAdd(w, hn::LoadU(d, at[0] + offset), s0);
      s1 = hn::MulAdd(w, hn::LoadU(d, at[1] + offset), s1);
      s2 = hn::MulAdd(w, hn::LoadU(d, at[2] + offset), s2);
      s3 = hn::MulAdd(w, hn::LoadU(d, at[3] + offset), s3);
    }
    store(s0, lanes[0]);
    store(s1, lanes[1]);
    store(s2, lanes[2]);
    store(s3, lanes[3]);
  }

  template <class V> void store(V s, const Lane& lane) const {
    const hn::ScalableTag<T> d;
    s = hn::Add(s, hn::Set(d, bias));
    if (relu) s = hn::IfThenZeroElse(hn::Lt(s, hn::Zero(d)), s);
    if (lane.count == kWidth<T>) return hn::StoreU(s, d, out + lane.at);
    HWY_ALIGN T copy[kWidth<T>];
    hn::Store(s, d, copy);
    for (int64_t i = 0; i < lane.count; ++i) out[lane.at + i] = copy[i];
  }

  // What a vector would read beyond the image, and integers, whose products Highway has not for every target.
  void plain(const Lane& lane) const {
    for (int64_t i = 0; i < lane.count; ++i) {
      T sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += weight[p] * x.base[x.offsets[p] + lane.place + i];
      sum += bias;
      out[lane.at + i] = relu && sum < 0 ? T{0} : sum;
    }
  }

  void run() const {
    int64_t furthest = 0;
    for (int64_t p = 0; p < k; ++p) furthest = most(furthest, x.offsets[p]);
    const T* const from = x.base + furthest;
    Lane lanes[4];
    int waiting = 0;
    const int64_t rows = x.places.d * x.places.h;
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t place = r / x.places.h * x.plane + r % x.places.h * x.row;
      for (int64_t w = 0; w < x.places.w; w += kWidth<T>) {
        const Lane lane{place + w, r * x.places.w + w, least(kWidth<T>, x.places.w - w)};
        if (from + lane.place + kWidth<T> > x.end) {
          plain(lane);
          continue;
        }
        lanes[waiting++] = lane;
        if (waiting == 4) four(lanes), waiting = 0;
      }
    }
    if (waiting == 0) return;
    for (int i = waiting; i < 4; ++i) lanes[i] = lanes[0];
    four(lanes);
  }

  void runPlain() const {
    const int64_t rows = x.places.d * x.places.h;
    for (int64_t r = 0; r < rows; ++r) {
      plain({r / x.places.h * x.plane + r % x.places.h * x.row, r * x.places.w, x.places.w});
    }
  }
};

// out[m, places] = weight[m, k] @ patches[k, places] + bias[m]. `dense`: the patches are a [k, places] matrix in memory.
template <class T>
void timesPatches(const Patches<T>& x, bool dense, const T* weight, int64_t m, int64_t k, const T* bias, bool relu, T* out) {
  const int64_t n = x.perImage();
  constexpr bool integer = T(0.5) == T(0);
  if (integer || (m <= kDirectFilters && !dense)) {
    for (int64_t i = 0; i < m; ++i) {
      const Direct<T> direct{x, weight + i * k, k, bias ? bias[i] : T{0}, relu, out + i * n};
      if constexpr (integer) {
        direct.runPlain();
      } else {
        direct.run();
      }
    }
    return;
  }
  if constexpr (!integer) {
    Gemm<T> g;
    g.m = m, g.n = n, g.k = k;
    g.a = weight, g.lda = k;
    g.c = out, g.ldc = n;
    g.bias = bias, g.biasKind = bias ? Bias::row : Bias::none;
    g.activation = relu ? Activation::relu : Activation::none;
    if (dense) {
      g.b = x.base, g.ldb = n;
    } else {
      g.packB = {packPlacesFn<T>, &x};
    }
    gemm(g, HWY_TARGET);
  }
}

// ---- the result -------------------------------------------------------------------------------------------------------

template <class T> struct Forward {
  const Convolution& g;
  const Margin& margin;
  const int64_t* offsets;
  const T* input;
  const T* weight;
  const T* bias;
  T* output;
  bool relu;

  void operator()(int64_t item) const {
    const int64_t image = item / g.groups, group = item % g.groups;
    const int64_t channels = g.channelsPerGroup(), filters = g.filtersPerGroup(), size = g.in.count();
    const T* from = input + (image * g.channels + group * channels) * size;
    const bool plain = margin.isPlain(g.in);
    const T* end = from + channels * size;
    if (!plain) {
      T* const copy = buffer<T>(Scratch::image, channels * margin.channel);
      copyImage(copy, from, channels, g.in, margin);
      from = copy;
      end = copy + channels * margin.channel + kWidth<T>;
    }
    const Patches<T> x{from, end, offsets, g.out, g.stride.d * margin.plane, g.stride.h * margin.row, 0};
    const bool dense = plain && g.taps() == 1 && g.stride.count() == 1;
    timesPatches(x, dense, weight + group * filters * g.patch(), filters, g.patch(), bias ? bias + group * filters : nullptr, relu,
                 output + (image * g.filters + group * filters) * g.out.count());
  }
};

template <class T> void runForward(const Kernel&, Frame f) {
  const Convolution g(f);
  const ForwardPlan plan(g);
  const T* const input = f.ptr<const T>();
  const T* const weight = f.ptr<const T>();
  const T* const bias = f.ptr<const T>();
  T* const output = f.ptr<T>();
  const Forward<T> item{g, plan.margin, plan.offsets(), input, weight, bias, output, f.flag()};
  eachItem<T>(g.batch * g.groups, g.filtersPerGroup() * g.patch() * g.out.count(), item);
}

// ---- the gradient of the input ------------------------------------------------------------------------------------------

// The weights of each part, [group, channel, filter * taps + tap].
template <class T> struct TurnWeights {
  const Convolution& g;
  const InputPlan& plan;
  const T* weight;
  T* out;

  void operator()(int64_t begin, int64_t end) const {
    const int64_t channels = g.channelsPerGroup(), filters = g.filtersPerGroup(), taps = g.taps();
    for (int64_t i = 0; i < plan.phaseCount(); ++i) {
      const Phase& phase = plan.phase(i);
      const int64_t* const places = plan.kernelPlaces(phase);
      for (int64_t c = begin; c < end; ++c) {  // a channel of all groups
        T* to = out + phase.weightAt + c * filters * phase.taps;
        const T* from = weight + (c / channels * filters * channels + c % channels) * taps;
        for (int64_t f = 0; f < filters; ++f, from += channels * taps, to += phase.taps) {
          for (int64_t t = 0; t < phase.taps; ++t) to[t] = from[places[t]];
        }
      }
    }
  }
};

template <class T> struct InputGradient {
  const Convolution& g;
  const InputPlan& plan;
  const T* gradOutput;
  const T* weight;  // of the parts
  const T* bias;
  T* gradInput;

  void operator()(int64_t item) const {
    const int64_t image = item / g.groups, group = item % g.groups;
    const int64_t channels = g.channelsPerGroup(), filters = g.filtersPerGroup(), size = g.out.count();
    const Margin& margin = plan.margin;
    const T* from = gradOutput + (image * g.filters + group * filters) * size;
    const T* end = from + filters * size;
    const bool plain = margin.isPlain(g.out);
    if (!plain) {
      T* const copy = buffer<T>(Scratch::image, filters * margin.channel);
      copyImage(copy, from, filters, g.out, margin);
      from = copy;
      end = copy + filters * margin.channel + kWidth<T>;
    }
    T* const to = gradInput + (image * g.channels + group * channels) * g.in.count();
    const T* const own = bias ? bias + group * channels : nullptr;
    for (int64_t i = 0; i < plan.phaseCount(); ++i) {
      const Phase& phase = plan.phase(i);
      const int64_t k = filters * phase.taps, n = phase.count.count();
      const Patches<T> x{from, end, plan.offsets(phase), phase.count, margin.plane, margin.row, 0};
      const bool whole = plan.phaseCount() == 1 && g.stride.count() == 1;
      T* const result = whole ? to : buffer<T>(Scratch::result, channels * n);
      const bool dense = plain && phase.taps == 1 && phase.count.count() == size;
      timesPatches(x, dense, weight + phase.weightAt + group * channels * k, channels, k, own, false, result);
      if (!whole) spread(phase, result, channels, to);
    }
  }

  // A part's results, [channels, count], go to every stride-th place.
  void spread(const Phase& phase, const T* from, int64_t channels, T* to) const {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t d = 0; d < phase.count.d; ++d) {
        for (int64_t h = 0; h < phase.count.h; ++h, from += phase.count.w) {
          T* const row = to + ((c * g.in.d + phase.first.d + d * g.stride.d) * g.in.h + phase.first.h + h * g.stride.h) * g.in.w + phase.first.w;
          for (int64_t w = 0; w < phase.count.w; ++w) row[w * g.stride.w] = from[w];
        }
      }
    }
  }
};

template <class T> void runInput(const Kernel&, Frame f) {
  const Convolution g(f);
  const InputPlan plan(g);
  const T* const gradOutput = f.ptr<const T>();
  const T* const weight = f.ptr<const T>();
  const T* const bias = f.ptr<const T>();
  T* const gradInput = f.ptr<T>();
  T* const turned = buffer<T>(Scratch::partial, g.channels * g.filtersPerGroup() * g.taps());
  parallelFor(g.channels, most(1, kGrainCopy / 4 / (g.filtersPerGroup() * g.taps())), TurnWeights<T>{g, plan, weight, turned}, 1);
  const InputGradient<T> item{g, plan, gradOutput, turned, bias, gradInput};
  eachItem<T>(g.batch * g.groups, g.filtersPerGroup() * g.patch() * g.out.count(), item);
}

// ---- the gradient of the weight -----------------------------------------------------------------------------------------

// The output's gradients of several images as one matrix [filters, image * places].
template <class T> struct Gradients {
  const T* at;
  int64_t places, image;  // elements from image to image
};
template <class T> void packGradientsFn(const void* context, int64_t, T* out, int64_t width, int64_t p0, int64_t p1, int64_t i0, int64_t i1) {
  const Gradients<T>& x = *static_cast<const Gradients<T>*>(context);
  for (int64_t i = i0; i < i0 + width; ++i) {
    T* to = out + (i - i0);
    int64_t b = p0 / x.places, place = p0 % x.places;
    for (int64_t p = p0; p < p1;) {
      const int64_t count = least(x.places - place, p1 - p);
      const T* const from = x.at + b * x.image + i * x.places + place;
      for (int64_t j = 0; j < count; ++j, to += width) *to = i < i1 ? from[j] : T{0};
      p += count;
      place = 0;
      ++b;
    }
  }
}

template <class T> struct WeightGradient {
  const Convolution& g;
  const ForwardPlan& plan;
  const T* gradOutput;
  const T* input;
  T* gradWeight;  // of the first part of the batch; of the others in `partial`
  T* partial;
  int64_t parts;

  // Images of the batch that are summed in one product.
  int64_t together() const { return most(1, kPlaces / g.out.count()); }

  void operator()(int64_t item) const {
    const int64_t part = item / g.groups, group = item % g.groups;
    const int64_t begin = g.batch * part / parts, end = g.batch * (part + 1) / parts;
    const int64_t size = g.filtersPerGroup() * g.patch();
    T* const to = (part == 0 ? gradWeight : partial + (part - 1) * g.groups * size) + group * size;
    for (int64_t image = begin; image < end; image += together()) {
      images(image, least(together(), end - image), group, to, image > begin);
    }
  }

  void images(int64_t image, int64_t count, int64_t group, T* to, bool add) const {
    const int64_t channels = g.channelsPerGroup(), filters = g.filtersPerGroup(), places = g.out.count();
    const Margin& margin = plan.margin;
    const T* from = input + (image * g.channels + group * channels) * g.in.count();
    int64_t step = g.channels * g.in.count();
    const T* end = from + (count - 1) * step + channels * g.in.count();
    const bool plain = margin.isPlain(g.in);
    if (!plain) {
      T* const copy = buffer<T>(Scratch::image, count * channels * margin.channel);
      for (int64_t i = 0; i < count; ++i) copyImage(copy + i * channels * margin.channel, from + i * step, channels, g.in, margin);
      from = copy;
      step = channels * margin.channel;
      end = copy + count * step + kWidth<T>;
    }
    const T* const gradient = gradOutput + (image * g.filters + group * filters) * places;
    const Patches<T> x{from, end, plan.offsets(), g.out, g.stride.d * margin.plane, g.stride.h * margin.row, step};
    const Gradients<T> gradients{gradient, places, g.filters * places};
    Gemm<T> p;
    p.m = filters, p.n = g.patch(), p.k = count * places;
    p.c = to, p.ldc = p.n, p.accumulate = add;
    if (count == 1) {
      p.a = gradient, p.lda = places;
    } else {
      p.packA = {packGradientsFn<T>, &gradients};
    }
    if (count == 1 && plain && g.taps() == 1 && g.stride.count() == 1) {
      p.b = from, p.ldb = places, p.transB = true;
    } else {
      p.packB = {packTapsFn<T>, &x};
    }
    gemm(p, HWY_TARGET);
  }
};

// Where a group has one channel and few filters: each weight's gradient as a dot product, a vector of places at a time.
template <class T> struct DepthwiseGradient {
  const Convolution& g;
  const ForwardPlan& plan;
  const T* gradOutput;
  const T* input;
  T* gradWeight;

  void operator()(int64_t group) const {
    const int64_t filters = g.filtersPerGroup(), places = g.out.count();
    const Margin& margin = plan.margin;
    T* const copy = buffer<T>(Scratch::image, margin.channel);
    for (int64_t i = 0; i < filters * g.taps(); ++i) gradWeight[group * filters * g.taps() + i] = 0;
    for (int64_t image = 0; image < g.batch; ++image) {
      copyRows(copy, input + (image * g.channels + group) * g.in.count(), g.in, margin, 0, margin.size.d * margin.size.h);
      for (int64_t f = group * filters; f < (group + 1) * filters; ++f) {
        const T* const gradient = gradOutput + (image * g.filters + f) * places;
        T* const to = gradWeight + f * g.taps();
        for (int64_t t = 0; t < g.taps(); t += 4) four(copy, gradient, plan.offsets() + t, static_cast<int>(least(4, g.taps() - t)), to + t);
      }
    }
  }

  void four(const T* image, const T* gradient, const int64_t* offsets, int taps, T* to) const {
    const hn::ScalableTag<T> d;
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    const T* at[4];
    for (int i = 0; i < 4; ++i) at[i] = image + offsets[i < taps ? i : 0];
    const int64_t plane = g.stride.d * plan.margin.plane, row = g.stride.h * plan.margin.row;
    T rest[4] = {};
    for (int64_t r = 0; r < g.out.d * g.out.h; ++r, gradient += g.out.w) {
      const int64_t place = r / g.out.h * plane + r % g.out.h * row;
      int64_t w = 0;
      for (; w + kWidth<T> <= g.out.w; w += kWidth<T>) {
        const auto y = hn::LoadU(d, gradient + w);
        s0 = hn::MulAdd(y, hn::LoadU(d, at[0] + place + w), s0);
        s1 = hn::MulAdd(y, hn::LoadU(d, at[1] + place + w), s1);
        s2 = hn::MulAdd(y, hn::LoadU(d, at[2] + place + w), s2);
        s3 = hn::MulAdd(y, hn::LoadU(d, at[3] + place + w), s3);
      }
      for (; w < g.out.w; ++w) {
        for (int i = 0; i < 4; ++i) rest[i] += gradient[w] * at[i][place + w];
      }
    }
    rest[0] += hn::GetLane(hn::SumOfLanes(d, s0));
    rest[1] += hn::GetLane(hn::SumOfLanes(d, s1));
    rest[2] += hn::GetLane(hn::SumOfLanes(d, s2));
    rest[3] += hn::GetLane(hn::SumOfLanes(d, s3));
    for (int i = 0; i < taps; ++i) to[i] += rest[i];
  }
};

template <class T> struct AddParts {
  T* to;
  const T* partial;
  int64_t size, parts;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t part = 0; part < parts - 1; ++part) {
      const T* const from = partial + part * size;
      for (int64_t i = begin; i < end; ++i) to[i] += from[i];
    }
  }
};

template <class T> void runWeight(const Kernel&, Frame f) {
  const Convolution g(f);
  const ForwardPlan plan(g);
  const T* const gradOutput = f.ptr<const T>();
  const T* const input = f.ptr<const T>();
  f.ptr<const T>();
  T* const gradWeight = f.ptr<T>();
  const int64_t size = g.filters * g.patch(), work = g.filtersPerGroup() * g.patch() * g.out.count();
  if (g.batch == 0) {
    for (int64_t i = 0; i < size; ++i) gradWeight[i] = 0;
    return;
  }
  if (g.channelsPerGroup() == 1 && g.filtersPerGroup() <= kDirectFilters && g.groups >= 4) {
    return eachItem<T>(g.groups, g.batch * work, DepthwiseGradient<T>{g, plan, gradOutput, input, gradWeight});
  }
  const int64_t fit = least(kMaxParts, kPartialBytes / static_cast<int64_t>(sizeof(T)) / size);
  const int64_t parts = fit < kMinParts ? 1 : least(g.batch, fit);
  T* const partial = parts > 1 ? buffer<T>(Scratch::partial, (parts - 1) * size) : nullptr;
  const WeightGradient<T> item{g, plan, gradOutput, input, gradWeight, partial, parts};
  eachItem<T>(parts * g.groups, work * g.batch / parts, item);
  if (parts > 1) parallelFor(size, most(64, kGrainCopy / parts), AddParts<T>{gradWeight, partial, size, parts}, 64);
}

// ---- the gradient of the bias -------------------------------------------------------------------------------------------

template <class T> struct ChannelSum {
  int64_t outer, channels, inner;
  const T* in;
  T* out;

  void operator()(int64_t begin, int64_t end) const {
    for (int64_t c = begin; c < end; ++c) {
      double sum = 0;  // of sums of one image's rows each, so that long sums keep their digits
      for (int64_t o = 0; o < outer; ++o) sum += static_cast<double>(row(in + (o * channels + c) * inner));
      out[c] = static_cast<T>(sum);
    }
  }

  T row(const T* at) const {
    const hn::ScalableTag<T> d;
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * kWidth<T> <= inner; i += 4 * kWidth<T>) {
      s0 = hn::Add(s0, hn::LoadU(d, at + i));
      s1 = hn::Add(s1, hn::LoadU(d, at + i + kWidth<T>));
      s2 = hn::Add(s2, hn::LoadU(d, at + i + 2 * kWidth<T>));
      s3 = hn::Add(s3, hn::LoadU(d, at + i + 3 * kWidth<T>));
    }
    for (; i + kWidth<T> <= inner; i += kWidth<T>) s0 = hn::Add(s0, hn::LoadU(d, at + i));
    T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
    for (; i < inner; ++i) sum += at[i];
    return sum;
  }
};

template <class T> void runChannelSum(const Kernel&, Frame f) {
  const int64_t outer = f.i64(), channels = f.i64(), inner = f.i64();
  const T* const in = f.ptr<const T>();
  const ChannelSum<T> task{outer, channels, inner, in, f.ptr<T>()};
  parallelFor(channels, most(1, kGrainCopy / most(1, outer * inner)), task, 1);
}

extern const Kernel kConv[];
const Kernel kConv[] = {
    {"convolution", DType::f32, runForward<float>},
    {"convolution", DType::f64, runForward<double>},
    {"convolution", DType::i64, runForward<int64_t>},
    {"convolutionInput", DType::f32, runInput<float>},
    {"convolutionInput", DType::f64, runInput<double>},
    {"convolutionInput", DType::i64, runInput<int64_t>},
    {"convolutionWeight", DType::f32, runWeight<float>},
    {"convolutionWeight", DType::f64, runWeight<double>},
    {"channelSum", DType::f32, runChannelSum<float>},
    {"channelSum", DType::f64, runChannelSum<double>},
};
constexpr size_t kConvCount = sizeof(kConv) / sizeof(kConv[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable convKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kConv), HWY_NAMESPACE::kConvCount}; }
}  // namespace tenfold
#endif
