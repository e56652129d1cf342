// Samples of images at points: gridSample, gridSampleBackward. Points lie in the lanes of a vector; where they read and
// with which weights is found once for all channels. No bit of a result depends on the number of threads.
//
// image [batch, channels, height, width], grid [batch, points, 2] with x and y from -1 to 1, out and grad [batch,
// channels, points]. Nothing is empty, and an image has at most 2^30 elements: lanes hold their places. padding: 0 for
// zeros, 1 for the border, 2 for reflection; with these two NaN counts as a place before the image, as in PyTorch, and
// with zeros it has no element.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/grid_sample.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "kernel.h"
#include "kernels/all.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
constexpr int64_t kLanes = static_cast<int64_t>(HWY_LANES(T));
constexpr int64_t kGrain = 1 << 9;  // vectors of samples that take about 10 microseconds

// ---- places ---------------------------------------------------------------------------------------------------------

enum Padding : int64_t { kZeros, kBorder, kReflection };

// From a grid's number to a place between 0 and size - 1, and how fast the place moves with it.
template <class T>
struct Axis {
  T scale, shift, last, low, span;
  int64_t padding;
  Axis(int64_t size, int64_t padding_, bool align)
      : scale(static_cast<T>(align ? size - 1 : size) / 2),
        shift(align ? T{0} : T{0.5}),
        last(static_cast<T>(size - 1)),
        low(-shift),
        span(static_cast<T>(align ? size - 1 : size)),
        padding(padding_) {}

  template <class D, class V>
  HWY_INLINE V place(D d, V number, V& slope) const {
    V x = hn::Sub(hn::Mul(hn::Add(number, hn::Set(d, 1)), hn::Set(d, scale)), hn::Set(d, shift));
    slope = hn::Set(d, scale);
    if (padding == kReflection) x = mirror(d, x, slope);
    if (padding == kZeros) return x;
    const V zero = hn::Zero(d), end = hn::Set(d, last);
    const auto before = hn::Not(hn::Gt(x, zero)), behind = hn::Ge(x, end);
    slope = hn::IfThenZeroElse(hn::Or(before, behind), slope);
    return hn::IfThenElse(before, zero, hn::IfThenElse(behind, end, x));
  }
  // Mirrored at low and low + span until it lies between them. Far out, rounding may leave it outside.
  template <class D, class V>
  HWY_INLINE V mirror(D d, V x, V& slope) const {
    if (span == 0) return hn::Mul(x, hn::Zero(d));
    const V from = hn::Sub(x, hn::Set(d, low)), period = hn::Set(d, 2 * span);
    const V distance = hn::Abs(from);
    const V rest = hn::Sub(distance, hn::Mul(hn::Trunc(hn::Div(distance, period)), period));
    const V other = hn::Sub(period, rest);
    const auto back = hn::Gt(rest, other);
    slope = hn::IfThenElse(back, hn::Neg(slope), slope);
    slope = hn::IfThenElse(hn::Lt(from, hn::Zero(d)), hn::Neg(slope), slope);
    return hn::Add(hn::IfThenElse(back, other, rest), hn::Set(d, low));
  }
};

// Whole numbers as integers; what is NaN or far out becomes a place that no image has.
template <class D, class V>
HWY_INLINE auto Whole(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V least = hn::Set(d, -2), most = hn::Set(d, 0x1p30f);
  return hn::ConvertTo(di, hn::IfThenElse(hn::Ge(x, least), hn::Min(x, most), least));
}

// An element that a point reads, in each lane; outside of the image it is 0, whatever the weight.
template <class D>
struct Tap {
  hn::Vec<hn::RebindToSigned<D>> index;
  hn::Mask<D> inside;
  hn::Vec<D> weight;

  template <class T>
  HWY_INLINE hn::Vec<D> read(D d, const T* plane) const {
    return hn::IfThenElseZero(inside, hn::GatherIndex(d, plane, index));
  }
};
template <class D, class VI>
HWY_INLINE Tap<D> TapAt(D d, VI row, VI column, int64_t height, int64_t width, hn::Vec<D> weight) {
  const hn::RebindToSigned<D> di;
  using I = hn::TFromD<hn::RebindToSigned<D>>;
  const VI columns = hn::Set(di, static_cast<I>(width)), beforeFirst = hn::Set(di, -1);
  const auto inRows = hn::And(hn::Gt(row, beforeFirst), hn::Lt(row, hn::Set(di, static_cast<I>(height))));
  const auto inColumns = hn::And(hn::Gt(column, beforeFirst), hn::Lt(column, columns));
  const auto inside = hn::And(inRows, inColumns);
  const VI index = hn::Add(hn::Mul(row, columns), column);
  return {hn::IfThenElseZero(inside, index), hn::RebindMask(d, inside), weight};
}

template <class T>
struct Images {
  int64_t batch, channels, height, width, points;
  bool nearest;
  Axis<T> x, y;
  const T *image, *grid;

  explicit Images(Frame& f)
      : batch(f.i64()),
        channels(f.i64()),
        height(f.i64()),
        width(f.i64()),
        points(f.i64()),
        nearest(f.flag()),
        x(0, 0, false),
        y(x) {
    const int64_t padding = f.i64();
    const bool align = f.flag();
    x = Axis<T>(width, padding, align);
    y = Axis<T>(height, padding, align);
    image = f.ptr<const T>();
    grid = f.ptr<const T>();
  }
  int64_t plane() const { return height * width; }
  int64_t vectors() const { return (points + kLanes<T> - 1) / kLanes<T>; }
};

// ---- what a vector of points reads ----------------------------------------------------------------------------------

// The grid's numbers of points from `first` on; behind the last one, 0.
template <class T, class D>
HWY_INLINE void loadPoints(D d, const T* grid, int64_t live, hn::Vec<D>& x, hn::Vec<D>& y) {
  if (live == kLanes<T>) return hn::LoadInterleaved2(d, grid, x, y);
  T buffer[2 * kLanes<T>] = {};
  std::memcpy(buffer, grid, static_cast<size_t>(2 * live) * sizeof(T));
  hn::LoadInterleaved2(d, buffer, x, y);
}

template <class D>
struct Bilinear {
  using V = hn::Vec<D>;
  static constexpr int kTaps = 4;
  Tap<D> taps[kTaps];                          // north west, north east, south west, south east
  V slopeX, slopeY, west, east, north, south;  // how fast places move; weights of the columns and rows

  template <class T>
  HWY_INLINE Bilinear(D d, const Images<T>& g, V numberX, V numberY) {
    const V x = g.x.place(d, numberX, slopeX), y = g.y.place(d, numberY, slopeY);
    const V floorX = hn::Floor(x), floorY = hn::Floor(y), one = hn::Set(d, 1);
    east = hn::Sub(x, floorX);
    west = hn::Sub(one, east);
    south = hn::Sub(y, floorY);
    north = hn::Sub(one, south);
    const auto column = Whole(d, floorX), row = Whole(d, floorY), step = hn::Set(hn::RebindToSigned<D>(), 1);
    const auto next = hn::Add(column, step), below = hn::Add(row, step);
    taps[0] = TapAt(d, row, column, g.height, g.width, hn::Mul(north, west));
    taps[1] = TapAt(d, row, next, g.height, g.width, hn::Mul(north, east));
    taps[2] = TapAt(d, below, column, g.height, g.width, hn::Mul(south, west));
    taps[3] = TapAt(d, below, next, g.height, g.width, hn::Mul(south, east));
  }
  template <class T>
  HWY_INLINE V sample(D d, const T* plane) const {
    V sum = hn::Mul(taps[0].read(d, plane), taps[0].weight);
    for (int i = 1; i < kTaps; ++i) sum = hn::Add(sum, hn::Mul(taps[i].read(d, plane), taps[i].weight));
    return sum;
  }
  // Adds the sample's derivatives by the place, times what comes from behind.
  template <class T>
  HWY_INLINE void pull(D d, const T* plane, V grad, V& byX, V& byY) const {
    const V nw = taps[0].read(d, plane), ne = taps[1].read(d, plane), sw = taps[2].read(d, plane),
            se = taps[3].read(d, plane);
    const V alongX = hn::Add(hn::Mul(hn::Sub(ne, nw), north), hn::Mul(hn::Sub(se, sw), south));
    const V alongY = hn::Add(hn::Mul(hn::Sub(sw, nw), west), hn::Mul(hn::Sub(se, ne), east));
    byX = hn::Add(byX, hn::Mul(alongX, grad));
    byY = hn::Add(byY, hn::Mul(alongY, grad));
  }
};

template <class D>
struct Nearest {
  using V = hn::Vec<D>;
  static constexpr int kTaps = 1;
  Tap<D> taps[kTaps];

  template <class T>
  HWY_INLINE Nearest(D d, const Images<T>& g, V numberX, V numberY) {
    V slope;
    const V x = hn::Round(g.x.place(d, numberX, slope)), y = hn::Round(g.y.place(d, numberY, slope));
    taps[0] = TapAt(d, Whole(d, y), Whole(d, x), g.height, g.width, hn::Set(d, 1));
  }
  template <class T>
  HWY_INLINE V sample(D d, const T* plane) const {
    return taps[0].read(d, plane);
  }
};

// ---- gridSample -----------------------------------------------------------------------------------------------------

template <class T, template <class> class Mode>
struct Sample {
  const Images<T>& g;
  T* out;

  // Vectors of points, counted over the batch.
  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    using D = hn::ScalableTag<T>;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / g.vectors(), first = i % g.vectors() * kLanes<T>;
      const int64_t live = std::min(kLanes<T>, g.points - first);
      hn::Vec<D> x, y;
      loadPoints(d, g.grid + 2 * (n * g.points + first), live, x, y);
      const Mode<D> at(d, g, x, y);
      for (int64_t c = n * g.channels; c < (n + 1) * g.channels; ++c) {
        const auto values = at.sample(d, g.image + c * g.plane());
        T* const to = out + c * g.points + first;
        if (live == kLanes<T>) {
          hn::StoreU(values, d, to);
        } else {
          HWY_ALIGN T buffer[kLanes<T>];
          hn::Store(values, d, buffer);
          std::memcpy(to, buffer, static_cast<size_t>(live) * sizeof(T));
        }
      }
    }
  }
};

#define TENFOLD_GRID_SAMPLE                                                                                     \
  "batch, channels, height, width, points, nearest, padding, align, in image[batch*channels*height*width], in " \
  "grid[batch*points*2], "
constexpr char kFrame[] = TENFOLD_GRID_SAMPLE "out to[batch*channels*points]";
template <class T>
void runGridSample(const Kernel&, Frame f) {
  const Images<T> g(f);
  T* const out = f.ptr<T>();
  const int64_t grain = kGrain / g.channels + 1;
  if (g.nearest)
    parallelFor(g.batch * g.vectors(), grain, Sample<T, Nearest>{g, out}, 1);
  else
    parallelFor(g.batch * g.vectors(), grain, Sample<T, Bilinear>{g, out}, 1);
}

// ---- gridSampleBackward ---------------------------------------------------------------------------------------------

// Of the image: a thread has whole planes, to which points are added in their order.
template <class T, template <class> class Mode>
struct ImageGradient {
  const Images<T>& g;
  const T* grad;
  T* to;

  void operator()(int64_t begin, int64_t end) const {
    std::memset(to + begin * g.plane(), 0, static_cast<size_t>((end - begin) * g.plane()) * sizeof(T));
    while (begin < end) {
      const int64_t n = begin / g.channels, next = std::min(end, (n + 1) * g.channels);
      for (int64_t first = 0; first < g.points; first += kLanes<T>) addPoints(n, first, begin, next);
      begin = next;
    }
  }
  HWY_INLINE void addPoints(int64_t n, int64_t first, int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    using D = hn::ScalableTag<T>;
    const hn::RebindToSigned<D> di;
    constexpr int kTaps = Mode<D>::kTaps;
    HWY_ALIGN hn::TFromD<hn::RebindToSigned<D>> index[kTaps][kLanes<T>];
    HWY_ALIGN T share[kTaps][kLanes<T>];
    HWY_ALIGN T pulls[kLanes<T>] = {};
    const int64_t live = std::min(kLanes<T>, g.points - first);
    hn::Vec<D> x, y;
    loadPoints(d, g.grid + 2 * (n * g.points + first), live, x, y);
    const Mode<D> at(d, g, x, y);
    for (int k = 0; k < kTaps; ++k) hn::Store(at.taps[k].index, di, index[k]);
    for (int64_t c = begin; c < end; ++c) {
      std::memcpy(pulls, grad + c * g.points + first, static_cast<size_t>(live) * sizeof(T));
      const auto pull = hn::Load(d, pulls);
      // Outside of the image: 0, added to the first element.
      for (int k = 0; k < kTaps; ++k)
        hn::Store(hn::IfThenElseZero(at.taps[k].inside, hn::Mul(pull, at.taps[k].weight)), d, share[k]);
      T* const plane = to + c * g.plane();
      for (int64_t lane = 0; lane < live; ++lane) {
        for (int k = 0; k < kTaps; ++k) plane[index[k][lane]] += share[k][lane];
      }
    }
  }
};

// Of the grid, by bilinear samples: a point's channels are added in their order.
template <class T>
struct GridGradient {
  const Images<T>& g;
  const T* grad;
  T* to;

  void operator()(int64_t begin, int64_t end) const {
    const hn::ScalableTag<T> d;
    using D = hn::ScalableTag<T>;
    HWY_ALIGN T pulls[kLanes<T>] = {};
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / g.vectors(), first = i % g.vectors() * kLanes<T>;
      const int64_t live = std::min(kLanes<T>, g.points - first), point = 2 * (n * g.points + first);
      hn::Vec<D> x, y, byX = hn::Zero(d), byY = hn::Zero(d);
      loadPoints(d, g.grid + point, live, x, y);
      const Bilinear<D> at(d, g, x, y);
      for (int64_t c = n * g.channels; c < (n + 1) * g.channels; ++c) {
        std::memcpy(pulls, grad + c * g.points + first, static_cast<size_t>(live) * sizeof(T));
        at.pull(d, g.image + c * g.plane(), hn::Load(d, pulls), byX, byY);
      }
      T pair[2 * kLanes<T>];
      hn::StoreInterleaved2(hn::Mul(byX, at.slopeX), hn::Mul(byY, at.slopeY), d, pair);
      std::memcpy(to + point, pair, static_cast<size_t>(2 * live) * sizeof(T));
    }
  }
};

constexpr char kBackwardFrame[] = TENFOLD_GRID_SAMPLE
    "in grad[batch*channels*points], out? gradImage[batch*channels*height*width], out? gradGrid[batch*points*2]";
template <class T>
void runGridSampleBackward(const Kernel&, Frame f) {
  const Images<T> g(f);
  const T* const grad = f.ptr<const T>();
  T* const gradImage = f.ptr<T>();
  T* const gradGrid = f.ptr<T>();
  if (gradImage != nullptr) {
    const int64_t planes = g.batch * g.channels, grain = kGrain / 4 / g.vectors() + 1;
    if (g.nearest)
      parallelFor(planes, grain, ImageGradient<T, Nearest>{g, grad, gradImage}, 1);
    else
      parallelFor(planes, grain, ImageGradient<T, Bilinear>{g, grad, gradImage}, 1);
  }
  if (gradGrid == nullptr) return;
  if (g.nearest)  // which doesn't change with it, but in jumps
    std::memset(gradGrid, 0, static_cast<size_t>(2 * g.batch * g.points) * sizeof(T));
  else
    parallelFor(g.batch * g.vectors(), kGrain / g.channels + 1, GridGradient<T>{g, grad, gradGrid}, 1);
}

}  // namespace

extern const Kernel kGridSample[];
const Kernel kGridSample[] = {
    {"gridSample", DType::f32, runGridSample<float>, kFrame},
    {"gridSample", DType::f64, runGridSample<double>, kFrame},
    {"gridSampleBackward", DType::f32, runGridSampleBackward<float>, kBackwardFrame},
    {"gridSampleBackward", DType::f64, runGridSampleBackward<double>, kBackwardFrame},
};
constexpr size_t kGridSampleCount = sizeof(kGridSample) / sizeof(kGridSample[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable gridSampleKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kGridSample), HWY_NAMESPACE::kGridSampleCount};
}
}  // namespace tenfold
#endif
