// Convolutions of one to three dims: the result, the gradient of the input (which is transposed convolution) and that
// of the weight. All three are matrix products with the patches of an image (kernels/patches-inl.h), which are packed
// straight into the product's panels, image by image.
//
// Sizes are depth, height and width. All is dense: x [batch, channels, size…], y [batch, filters, result…], weight
// [filters, channels / groups, kernel…]. activation is 0, or 1 for relu. channelSum: sums over outer and inner.
//
// Results depend on shapes and the instruction set, not on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>

#include "gemm/gemm.h"
#include "gemm/pack-inl.h"
#include "kernel.h"
#include "kernels/all.h"
#include "kernels/conv_plan.h"
#include "kernels/direct-inl.h"
#include "kernels/patches-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "workspace.h"

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
// Longest patch that is read where it lies rather than from a packed panel.
constexpr int64_t kDirectPatch = 640;
// Shortest patch for which turning the result pays.
constexpr int64_t kTurnPatch = 64;
// Places that one product should have, several images together if need be, where patches are at least kLongPatch long.
constexpr int64_t kPlaces = 384, kLongPatch = 256;
// The batch is cut for the weight's gradient into as many parts as fit in kPartialBytes, at most kMaxParts. They don't
// depend on the number of threads, and are added in order.
constexpr int64_t kPartialBytes = 8 << 20, kMinParts = 8, kMaxParts = 16;

template <class T>
T* buffer(Workspace which, int64_t elements) {
  return static_cast<T*>(workspace(which, static_cast<size_t>(elements + kWidth<T>) * sizeof(T)));
}

template <class T, class F>
struct EachItem {
  const F& f;
  int64_t from;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) f(from + i);
  }
};
// Items on several threads, and the last ones, too few for all threads, one after the other on all of them.
template <class T, class F>
void eachItem(int64_t items, int64_t work, const F& f) {
  const int64_t threads = numThreads();
  const int64_t shared = items >= 4 * threads || items * work < kGrainWork ? items : items / threads * threads;
  parallelFor(shared, most(1, kGrainWork / most(work, 1)), EachItem<T, F>{f, 0}, 1);
  EachItem<T, F>{f, shared}(0, items - shared);
}

template <class T>
struct CopyTask {
  T* to;
  const T* from;
  Triple in;
  const Margin& margin;
  void operator()(int64_t begin, int64_t end) const { copyRows(to, from, in, margin, begin, end); }
};
template <class T>
struct Images {
  const T* base;
  const T* end;  // nothing is read from here on
  int64_t step;  // elements from image to image
};
// `count` images, `step` apart: where they lie if they can be read there, else copies with their margin.
template <class T>
Images<T> withMargin(const T* from, int64_t step, int64_t count, int64_t channels, Triple in, const Margin& m) {
  if (m.isPlain(in)) return {from, from + (count - 1) * step + channels * in.count(), step};
  const int64_t size = channels * m.channel;
  T* const copies = buffer<T>(Workspace::image, count * size);
  for (int64_t i = 0; i < count; ++i) {
    const CopyTask<T> task{copies + i * size, from + i * step, in, m};
    parallelFor(channels * m.size.d * m.size.h, most(1, kGrainCopy / m.row), task, 1);
  }
  return {copies, copies + count * size + kWidth<T>, size};
}

template <class T>
void packPlacesFn(const void* x, int64_t, T* out, int64_t width, int64_t p0, int64_t p1, int64_t i0, int64_t i1) {
  packPlaces(*static_cast<const Patches<T>*>(x), out, width, p0, p1, i0, i1);
}

// ---- weights times patches ---------------------------------------------------------------------------------------

// Whether patches are read where they lie: rows of places must fill vectors well, and long patches, whose taps are far
// apart, are better read from a panel.
template <class T>
bool readsInPlace(int64_t width, int64_t m, int64_t k) {
  return m <= kDirectFilters || (k <= kDirectPatch && 10 * width >= 8 * pieces(width, kWidth<T>) * kWidth<T>);
}

// Whether filters fill vectors so much better than rows of places do that it pays to turn the result.
template <class T>
bool goesByFilters(int64_t width, int64_t m, int64_t k) {
  const int64_t places = pieces(width, kWidth<T>) * kWidth<T>, filters = pieces(m, kWidth<T>) * kWidth<T>;
  return T(0.5) != T(0) && filters > kWidth<T> && k >= kTurnPatch && k <= kDirectPatch && 100 * m >= 94 * filters &&
         100 * width < 94 * places;
}
// Weights [m, k] as ByFilters reads them: [k, step], and the bias [step] behind them.
constexpr int64_t turnedSize(int64_t k, int64_t step) { return (k + 1) * step; }
template <class T>
void turnWeights(const T* weight, int64_t m, int64_t k, const T* bias, int64_t step, T* to) {
  packTurned(to, step, weight, k, k, m);
  for (int64_t i = 0; i < step; ++i) to[k * step + i] = bias && i < m ? bias[i] : T{0};
}

// out[m, image * places] = weight[m, k] @ patches[k, image * places] + bias[m]. `dense`: the patches are a [k, places]
// matrix in memory.
template <class T>
void timesPatches(const Patches<T>& x, bool dense, const T* weight, int64_t m, int64_t k, const T* bias, bool relu,
                  T* out, const T* turned) {
  const int64_t n = x.images * x.perImage();
  constexpr bool integer = T(0.5) == T(0);
  if constexpr (integer) {
    Direct<T>{x, weight, m, k, bias, relu, out}.runPlain();
  } else {
    if (turned) {
      const int64_t step = pieces(m, kWidth<T>) * kWidth<T>;
      T* const result = buffer<T>(Workspace::turned, n * step);
      ByFilters<T>{x, turned, step, k, turned + k * step, relu, result}.run();
      return packTurned(out, n, result, step, m, n);
    }
    if (!dense && readsInPlace<T>(x.places.w, m, k)) return Direct<T>{x, weight, m, k, bias, relu, out}.run();
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

// How many images one product takes, so that it has kPlaces columns: fewer would leave vectors part empty, and read all
// weights again for each of them. Long patches only, because the results must be copied to their images.
inline int64_t imagesTogether(int64_t batch, int64_t places, int64_t k) {
  return k < kLongPatch || places >= kPlaces / 2 ? 1 : most(1, least(batch, pieces(kPlaces, places)));
}

// The results of images together, [filters, image * places], go to their images.
template <class T>
void toImages(const T* from, int64_t images, int64_t filters, int64_t places, T* to, int64_t image) {
  for (int64_t f = 0; f < filters; ++f) {
    for (int64_t i = 0; i < images; ++i, from += places)
      std::memcpy(to + i * image + f * places, from, static_cast<size_t>(places) * sizeof(T));
  }
}

// ---- the result --------------------------------------------------------------------------------------------------

// Every stride-th element of an image, for kernels of one tap: [channels, places].
template <class T>
struct Subsample {
  const Convolution& g;
  const T* from;
  T* to;
  void operator()(int64_t begin, int64_t end) const {
    const Margin row({1, 1, g.out.w * g.stride.w}, {0, 0, g.pad.w}, g.stride.w);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t h = r % g.out.h * g.stride.h - g.pad.h, d = r / g.out.h % g.out.d * g.stride.d - g.pad.d,
                    c = r / g.out.h / g.out.d;
      T* const out = to + r * g.out.w;
      if (h >= 0 && h < g.in.h && d >= 0 && d < g.in.d) {
        copyPhase(out, from + ((c * g.in.d + d) * g.in.h + h) * g.in.w, g.in.w, row, 0, T{0});
      } else {
        for (int64_t w = 0; w < g.out.w; ++w) out[w] = 0;
      }
    }
  }
};

// The patches of `count` images from `from` on: one group's channels, copied with their margin where there is one.
// `dense`: whether they are a matrix in memory.
template <class T>
Patches<T> patchesOf(const Convolution& g, const ForwardPlan& plan, const T* from, int64_t count, bool& dense) {
  const Margin& margin = plan.margin;
  const int64_t channels = g.channelsPerGroup();
  const bool strided = g.stride.count() > 1;
  dense = count == 1 && g.taps() == 1 && (strided || margin.isPlain(g.in));
  if (dense && strided) {
    T* const copy = buffer<T>(Workspace::image, channels * g.out.count());
    parallelFor(channels * g.out.d * g.out.h, most(1, kGrainCopy / g.out.w), Subsample<T>{g, from, copy}, 1);
    return {copy, copy + channels * g.out.count(), plan.denseOffsets(), g.out, g.out.h * g.out.w, g.out.w, 0, 1};
  }
  const Images<T> x = withMargin(from, g.channels * g.in.count(), count, channels, g.in, margin);
  return {x.base, x.end, plan.offsets(), g.out, g.stride.d * margin.plane, g.stride.h * margin.row, x.step, count};
}

template <class T>
struct Forward {
  const Convolution& g;
  const ForwardPlan& plan;
  const T* input;
  const T* weight;
  const T* bias;
  T* output;
  bool relu;

  int64_t together;  // images of one item
  const T* turned;   // weights of each group for ByFilters, or nullptr
  int64_t turnedStep;

  void operator()(int64_t item) const {
    const int64_t image = item / g.groups * together, group = item % g.groups, count = least(together, g.batch - image);
    const int64_t channels = g.channelsPerGroup(), filters = g.filtersPerGroup(), places = g.out.count();
    const T* const from = input + (image * g.channels + group * channels) * g.in.count();
    T* const to = output + (image * g.filters + group * filters) * places;
    bool dense = false;
    const Patches<T> x = patchesOf(g, plan, from, count, dense);
    T* const result = count == 1 ? to : buffer<T>(Workspace::result, count * filters * places);
    timesPatches(x, dense, weight + group * filters * g.patch(), filters, g.patch(),
                 bias ? bias + group * filters : nullptr, relu, result, turned ? turned + group * turnedStep : nullptr);
    if (count > 1) toImages(result, count, filters, places, to, g.filters * places);
  }
};

constexpr char kForwardFrame[] = TENFOLD_CONVOLUTION_FRAME
    "in x[batch*channels*size], in weight, in? bias[filters], out y[batch*filters*result], activation";
template <class T>
void runForward(const Kernel&, Frame f) {
  const Convolution g(f);
  const ForwardPlan plan(g);
  const T* const input = f.ptr<const T>();
  const T* const weight = f.ptr<const T>();
  const T* const bias = f.ptr<const T>();
  T* const output = f.ptr<T>();
  const int64_t filters = g.filtersPerGroup(), step = pieces(filters, kWidth<T>) * kWidth<T>;
  const bool byFilters = goesByFilters<T>(g.out.w, filters, g.patch());
  const int64_t turnedStep = turnedSize(g.patch(), step);
  T* const turned = byFilters ? buffer<T>(Workspace::partial, g.groups * turnedStep) : nullptr;
  const bool relu = f.flag();
  if constexpr (T(0.5) != T(0)) {
    for (int64_t i = 0; turned && i < g.groups; ++i) {
      turnWeights(weight + i * filters * g.patch(), filters, g.patch(), bias ? bias + i * filters : nullptr, step,
                  turned + i * turnedStep);
    }
  }
  const bool alone = T(0.5) == T(0) || byFilters || readsInPlace<T>(g.out.w, filters, g.patch());
  const int64_t together = alone ? 1 : imagesTogether(g.batch, g.out.count(), g.patch());
  const Forward<T> item{g, plan, input, weight, bias, output, relu, together, turned, turnedStep};
  eachItem<T>(pieces(g.batch, together) * g.groups, together * g.filtersPerGroup() * g.patch() * g.out.count(), item);
}

// ---- the gradient of the input -----------------------------------------------------------------------------------

// The weights of each part, [group, channel, filter * taps + tap].
template <class T>
struct TurnWeights {
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

template <class T>
struct InputGradient {
  const Convolution& g;
  const InputPlan& plan;
  const T* gradOutput;
  const T* weight;  // of the parts
  const T* bias;
  T* gradInput;
  int64_t together;  // images of one item
  const T* turned;   // for each part, and each group in it, weights for ByFilters; parts that go otherwise have a gap

  void operator()(int64_t item) const {
    const int64_t image = item / g.groups * together, group = item % g.groups, count = least(together, g.batch - image);
    const int64_t channels = g.channelsPerGroup(), filters = g.filtersPerGroup(), size = g.out.count();
    const Margin& margin = plan.margin;
    const T* const gradients = gradOutput + (image * g.filters + group * filters) * size;
    const Images<T> from = withMargin(gradients, g.filters * size, count, filters, g.out, margin);
    T* const to = gradInput + (image * g.channels + group * channels) * g.in.count();
    const T* const own = bias ? bias + group * channels : nullptr;
    for (int64_t i = 0; i < plan.phaseCount(); ++i) {
      const Phase& phase = plan.phase(i);
      const int64_t k = filters * phase.taps, n = phase.count.count();
      const bool whole = plan.phaseCount() == 1 && g.stride.count() == 1;
      T* const result = whole && count == 1 ? to : buffer<T>(Workspace::result, count * channels * n);
      if (phase.taps == 0) {
        spread(phase, nullptr, count, channels, own, to);
        continue;
      }
      const Patches<T> x{from.base,    from.end,   plan.offsets(phase), phase.count,
                         margin.plane, margin.row, from.step,           count};
      const bool dense = count == 1 && margin.isPlain(g.out) && phase.taps == 1 && n == size;
      const int64_t step = pieces(channels, kWidth<T>) * kWidth<T>;
      const T* const byFilters =
          goesByFilters<T>(phase.count.w, channels, k)
              ? turned + phase.listAt * g.groups * step + (i * g.groups + group) * step + group * k * step
              : nullptr;
      timesPatches(x, dense, weight + phase.weightAt + group * channels * k, channels, k, own, false, result,
                   byFilters);
      if (!whole)
        spread(phase, result, count, channels, own, to);
      else if (count > 1)
        toImages(result, count, channels, n, to, g.channels * g.in.count());
    }
  }

  // A part's results, [channels, image, count], or nothing but the bias, go to every stride-th place.
  void spread(const Phase& phase, const T* from, int64_t images, int64_t channels, const T* own, T* to) const {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t i = 0; i < images; ++i) {
        T* const channel = to + (i * g.channels + c) * g.in.count();
        for (int64_t d = 0; d < phase.count.d; ++d) {
          for (int64_t h = 0; h < phase.count.h; ++h) {
            T* const row = channel +
                           ((phase.first.d + d * g.stride.d) * g.in.h + phase.first.h + h * g.stride.h) * g.in.w +
                           phase.first.w;
            if (from) {
              for (int64_t w = 0; w < phase.count.w; ++w) row[w * g.stride.w] = from[w];
              from += phase.count.w;
            } else {
              for (int64_t w = 0; w < phase.count.w; ++w) row[w * g.stride.w] = own ? own[c] : T{0};
            }
          }
        }
      }
    }
  }
};

constexpr char kInputFrame[] = TENFOLD_CONVOLUTION_FRAME
    "in gradY[batch*filters*result], in weight, in? bias[channels], out gradX[batch*channels*size], activation";
template <class T>
void runInput(const Kernel&, Frame f) {
  const Convolution g(f);
  const InputPlan plan(g);
  const T* const gradOutput = f.ptr<const T>();
  const T* const weight = f.ptr<const T>();
  const T* const bias = f.ptr<const T>();
  T* const gradInput = f.ptr<T>();
  T* const turned = buffer<T>(Workspace::partial, g.channels * g.filtersPerGroup() * g.taps());
  parallelFor(g.channels, most(1, kGrainCopy / 4 / (g.filtersPerGroup() * g.taps())),
              TurnWeights<T>{g, plan, weight, turned}, 1);
  bool alone = T(0.5) == T(0);
  const int64_t channels = g.channelsPerGroup(), step = pieces(channels, kWidth<T>) * kWidth<T>;
  T* byFilters = nullptr;
  for (int64_t i = 0; i < plan.phaseCount(); ++i) {
    const Phase& p = plan.phase(i);
    const int64_t length = g.filtersPerGroup() * p.taps;
    alone = alone || readsInPlace<T>(p.count.w, channels, length);
    if (!goesByFilters<T>(p.count.w, channels, length)) continue;
    alone = true;
    if constexpr (T(0.5) != T(0)) {
      if (!byFilters)
        byFilters =
            buffer<T>(Workspace::turnedWeight, (g.filtersPerGroup() * g.taps() + plan.phaseCount()) * g.groups * step);
      for (int64_t group = 0; group < g.groups; ++group) {
        T* const to = byFilters + p.listAt * g.groups * step + (i * g.groups + group) * step + group * length * step;
        turnWeights(turned + p.weightAt + group * channels * length, channels, length,
                    bias ? bias + group * channels : nullptr, step, to);
      }
    }
  }
  const int64_t k = g.filtersPerGroup() * g.taps() / plan.phaseCount();
  const int64_t together = alone ? 1 : imagesTogether(g.batch, g.in.count() / plan.phaseCount(), k);
  const InputGradient<T> item{g, plan, gradOutput, turned, bias, gradInput, together, byFilters};
  eachItem<T>(pieces(g.batch, together) * g.groups, together * g.filtersPerGroup() * g.patch() * g.out.count(), item);
}

// ---- the gradient of the weight ----------------------------------------------------------------------------------

// The output's gradients of images, [filters, places] each, turned to [image, place, filter], filters filled up with
// zeros to whole vectors.
template <class T>
struct TurnGradients {
  const T* from;
  int64_t filters, places, image;  // elements from image to image
  int64_t step;
  T* to;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i)
      packTurned(to + i * places * step, step, from + i * image, places, places, filters);
  }
};

// Tiles of the weight's gradient, as [tap, filter].
template <class T>
struct TapsTask {
  const Patches<T>& x;
  const T* gradient;
  int64_t step, taps, vectors;
  T* to;
  bool add;

  int64_t columns() const { return pieces(vectors, kTileVectors); }
  int64_t rows() const { return pieces(taps, tileRows(static_cast<int>(pieces(vectors, columns())))); }
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t r = i % rows(), v = i / rows();  // a vector of filters' gradients is read for all taps
      const int64_t r0 = pieceAt(taps, rows(), r), r1 = pieceAt(taps, rows(), r + 1);
      const int64_t v0 = pieceAt(vectors, columns(), v), v1 = pieceAt(vectors, columns(), v + 1);
      kTapsTiles<T>[static_cast<size_t>((r1 - r0 - 1) * kTileVectors + v1 - v0 - 1)](
          x, x.images, x.offsets + r0, gradient + v0 * kWidth<T>, step, to + r0 * step + v0 * kWidth<T>, add);
    }
  }
};

template <class T>
struct WeightGradient {
  const Convolution& g;
  const ForwardPlan& plan;
  const T* gradOutput;
  const T* input;
  T* partial;  // [part, group, tap, filter]
  int64_t parts;
  int64_t step;  // filters of a group, filled up to whole vectors

  // Images of the batch that are summed before the sums go back to memory.
  int64_t together() const { return most(1, kPlaces / g.out.count()); }

  void operator()(int64_t item) const {
    const int64_t part = item / g.groups, group = item % g.groups;
    const int64_t begin = g.batch * part / parts, end = g.batch * (part + 1) / parts;
    T* const to = partial + item * g.patch() * step;
    for (int64_t image = begin; image < end; image += together()) {
      images(image, least(together(), end - image), group, to, image > begin);
    }
  }

  void images(int64_t image, int64_t count, int64_t group, T* to, bool add) const {
    const int64_t channels = g.channelsPerGroup(), filters = g.filtersPerGroup(), places = g.out.count();
    bool dense = false;
    const Patches<T> x =
        patchesOf(g, plan, input + (image * g.channels + group * channels) * g.in.count(), count, dense);
    T* const turned = buffer<T>(Workspace::result, count * places * step);
    const TurnGradients<T> turn{
        gradOutput + (image * g.filters + group * filters) * places, filters, places, g.filters * places, step, turned};
    parallelFor(count, most(1, kGrainCopy / (places * filters)), turn, 1);
    const TapsTask<T> task{x, turned, step, g.patch(), step / kWidth<T>, to, add};
    const int64_t tiles = task.rows() * task.columns();
    parallelFor(tiles, most(1, kGrainWork * tiles / (count * places * filters * g.patch() + 1)), task, 1);
  }
};

// Where a group has one channel and few filters: each weight's gradient as a dot product, a vector of places at a time.
template <class T>
struct DepthwiseGradient {
  const Convolution& g;
  const ForwardPlan& plan;
  const T* gradOutput;
  const T* input;
  T* gradWeight;

  void operator()(int64_t group) const {
    const int64_t filters = g.filtersPerGroup(), places = g.out.count();
    const Margin& margin = plan.margin;
    T* const copy = buffer<T>(Workspace::image, margin.channel);
    for (int64_t i = 0; i < filters * g.taps(); ++i) gradWeight[group * filters * g.taps() + i] = 0;
    for (int64_t image = 0; image < g.batch; ++image) {
      copyRows(copy, input + (image * g.channels + group) * g.in.count(), g.in, margin, 0,
               margin.size.d * margin.size.h);
      for (int64_t f = group * filters; f < (group + 1) * filters; ++f) {
        const T* const gradient = gradOutput + (image * g.filters + f) * places;
        T* const to = gradWeight + f * g.taps();
        for (int64_t t = 0; t < g.taps(); t += kDepthTaps) {
          const int64_t taps = least(kDepthTaps, g.taps() - t);
          kDots[taps - 1](g, plan.margin, copy, gradient, plan.offsets() + t, to + t);
        }
      }
    }
  }

  // to[t] += sum over places of gradient * image at tap t.
  using DotsFn = void (*)(const Convolution&, const Margin&, const T*, const T*, const int64_t*, T*);
  template <int Taps>
  static void dots(const Convolution& g, const Margin& m, const T* image, const T* gradient, const int64_t* offsets,
                   T* to) {
    constexpr hn::ScalableTag<T> d;
    using V = hn::Vec<decltype(d)>;
    V sum[Taps];
    for (int t = 0; t < Taps; ++t) sum[t] = hn::Zero(d);
    const int64_t whole = g.out.w / kWidth<T> * kWidth<T>, rest = g.out.w - whole;
    const auto some = hn::FirstN(d, static_cast<size_t>(rest));
    HWY_ALIGN T tail[kWidth<T>] = {};
    for (int64_t od = 0; od < g.out.d; ++od) {
      for (int64_t oh = 0; oh < g.out.h; ++oh, gradient += g.out.w) {
        const T* const at = image + od * g.stride.d * m.plane + oh * g.stride.h * m.row;
        for (int64_t w = 0; w < whole; w += kWidth<T>) {
          const V y = hn::LoadU(d, gradient + w);
          for (int t = 0; t < Taps; ++t) sum[t] = hn::MulAdd(y, hn::LoadU(d, at + offsets[t] + w), sum[t]);
        }
        if (rest == 0) continue;
        for (int64_t i = 0; i < rest; ++i) tail[i] = gradient[whole + i];
        const V y = hn::Load(d, tail);
        for (int t = 0; t < Taps; ++t) {
          sum[t] = hn::MulAdd(y, hn::IfThenElseZero(some, hn::LoadU(d, at + offsets[t] + whole)), sum[t]);
        }
      }
    }
    for (int t = 0; t < Taps; ++t) to[t] += hn::GetLane(hn::SumOfLanes(d, sum[t]));
  }
  static constexpr int64_t kDepthTaps = 9;
  static constexpr DotsFn kDots[kDepthTaps] = {dots<1>, dots<2>, dots<3>, dots<4>, dots<5>,
                                               dots<6>, dots<7>, dots<8>, dots<9>};
};

// The parts added in order, and turned to [filter, tap], a square of both at a time.
template <class T>
struct AddParts {
  const Convolution& g;
  const T* partial;
  int64_t parts, step;
  T* to;

  int64_t squares() const { return pieces(g.patch(), kWidth<T>); }  // of one group, along the taps
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / squares(), tap = i % squares() * kWidth<T>;
      for (int64_t f = 0; f < g.filtersPerGroup(); f += kWidth<T>) square(group, tap, f);
    }
  }
  void square(int64_t group, int64_t tap, int64_t filter) const {
    const hn::ScalableTag<T> d;
    constexpr int64_t lanes = kWidth<T>;
    const int64_t taps = g.patch(), rows = least(lanes, taps - tap),
                  columns = least(lanes, g.filtersPerGroup() - filter);
    HWY_ALIGN T sums[lanes * lanes];
    for (int64_t t = 0; t < rows; ++t) {
      const T* const from = partial + (group * taps + tap + t) * step + filter;
      auto sum = hn::LoadU(d, from);
      for (int64_t p = 1; p < parts; ++p) sum = hn::Add(sum, hn::LoadU(d, from + p * g.groups * taps * step));
      hn::Store(sum, d, sums + t * lanes);
    }
    for (int64_t f = 0; f < columns; ++f) {
      T* const out = to + (group * g.filtersPerGroup() + filter + f) * taps + tap;
      for (int64_t t = 0; t < rows; ++t) out[t] = sums[t * lanes + f];
    }
  }
};

constexpr char kWeightFrame[] = TENFOLD_CONVOLUTION_FRAME
    "in gradY[batch*filters*result], in x[batch*channels*size], in? bias, out gradWeight, activation";
template <class T>
void runWeight(const Kernel&, Frame f) {
  const Convolution g(f);
  const ForwardPlan plan(g);
  const T* const gradOutput = f.ptr<const T>();
  const T* const input = f.ptr<const T>();
  f.ptr<const T>();
  T* const gradWeight = f.ptr<T>();
  const int64_t work = g.filtersPerGroup() * g.patch() * g.out.count();
  if (g.batch == 0) {
    for (int64_t i = 0; i < g.filters * g.patch(); ++i) gradWeight[i] = 0;
    return;
  }
  if (g.channelsPerGroup() == 1 && g.filtersPerGroup() <= kDirectFilters && g.groups >= 4) {
    return eachItem<T>(g.groups, g.batch * work, DepthwiseGradient<T>{g, plan, gradOutput, input, gradWeight});
  }
  const int64_t step = pieces(g.filtersPerGroup(), kWidth<T>) * kWidth<T>, size = g.groups * g.patch() * step;
  const int64_t fit = least(kMaxParts, kPartialBytes / static_cast<int64_t>(sizeof(T)) / size);
  const int64_t parts = fit < kMinParts ? 1 : least(g.batch, fit);
  T* const partial = buffer<T>(Workspace::partial, parts * size);
  const WeightGradient<T> item{g, plan, gradOutput, input, partial, parts, step};
  eachItem<T>(parts * g.groups, work * g.batch / parts, item);
  const AddParts<T> sum{g, partial, parts, step, gradWeight};
  parallelFor(g.groups * sum.squares(), most(1, kGrainCopy / (parts * kWidth<T> * step)), sum, 1);
}

// ---- the gradient of the bias ------------------------------------------------------------------------------------

template <class T>
struct ChannelSum {
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

constexpr char kChannelSumFrame[] = "outer, channels, inner, in x[outer*channels*inner], out y[channels]";
template <class T>
void runChannelSum(const Kernel&, Frame f) {
  const int64_t outer = f.i64(), channels = f.i64(), inner = f.i64();
  const T* const in = f.ptr<const T>();
  const ChannelSum<T> task{outer, channels, inner, in, f.ptr<T>()};
  parallelFor(channels, most(1, kGrainCopy / most(1, outer * inner)), task, 1);
}

extern const Kernel kConv[];
const Kernel kConv[] = {
    {"convolution", DType::f32, runForward<float>, kForwardFrame},
    {"convolution", DType::f64, runForward<double>, kForwardFrame},
    {"convolution", DType::i64, runForward<int64_t>, kForwardFrame},
    {"convolutionInput", DType::f32, runInput<float>, kInputFrame},
    {"convolutionInput", DType::f64, runInput<double>, kInputFrame},
    {"convolutionInput", DType::i64, runInput<int64_t>, kInputFrame},
    {"convolutionWeight", DType::f32, runWeight<float>, kWeightFrame},
    {"convolutionWeight", DType::f64, runWeight<double>, kWeightFrame},
    {"channelSum", DType::f32, runChannelSum<float>, kChannelSumFrame},
    {"channelSum", DType::f64, runChannelSum<double>, kChannelSumFrame},
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
