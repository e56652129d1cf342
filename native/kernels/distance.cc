// Distances of all pairs of rows of two matrices, and their gradients, without the differences in memory: cdist,
// cdistBackward. Distances lie in the lanes of a vector, so that rows of two or three columns fill vectors as well as
// long ones. No bit of a result depends on the number of threads.
//
// Both frames end in the batch. An item's place in the batch
// is read in `sizes`; the steps say how many elements x1 and x2 lie further in the next one, 0 where they are
// broadcast. The matrices themselves are dense. Nothing is empty.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/distance.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/special-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

template <class T>
constexpr int64_t kLanes = static_cast<int64_t>(HWY_LANES(T));
constexpr int64_t kWork = 80000;  // elements that take about 10 microseconds at a norm's cost of 1

#define TENFOLD_POINTS "n, m, width, p: f64, in x1, in x2, "
#define TENFOLD_BATCH "batch, dims, sizes[dims], steps1[dims], steps2[dims]"
struct Batch {
  int64_t count, dims;
  const double *sizes, *steps1, *steps2;
  explicit Batch(Frame& f) : count(f.i64()), dims(f.i64()) {
    sizes = f.at;
    steps1 = sizes + dims;
    steps2 = steps1 + dims;
  }
  int64_t offset(const double* steps, int64_t item) const {
    int64_t at = 0;
    for (int64_t i = dims - 1; i >= 0; --i) {
      const int64_t size = static_cast<int64_t>(sizes[i]);
      at += item % size * static_cast<int64_t>(steps[i]);
      item /= size;
    }
    return at;
  }
};

// ---- norms ----------------------------------------------------------------------------------------------------------
// What a difference t adds to a sum, how two sums are joined, and the distance that a sum makes. For the gradient:
// `weigh` makes of a gradient and a distance what all columns share, `pull` adds a column's part of it. A distance of 0
// has no gradient. NaN in a difference is NaN in the distance.

template <class D, class V>
HWY_INLINE V SignOf(D d, V t) {  // 0 and NaN are their own
  const V one = hn::Set(d, 1);
  return hn::IfThenElse(hn::Gt(t, hn::Zero(d)), one, hn::IfThenElse(hn::Lt(t, hn::Zero(d)), hn::Neg(one), t));
}

struct Additive {
  static constexpr bool kWeighs = true;         // whether weights are made of distances too
  static constexpr bool kUsesDistance = false;  // whether pulls are
  template <class D, class V>
  HWY_INLINE V join(D, V a, V b) const {
    return hn::Add(a, b);
  }
  template <class D, class V>
  HWY_INLINE V finish(D, V sum) const {
    return sum;
  }
  template <class D, class V>
  HWY_INLINE void weigh(D, V&, V&) const {}
};

struct Count : Additive {  // p = 0: how many columns differ
  static constexpr int64_t cost(bool) { return 1; }
  template <class D, class V>
  HWY_INLINE V add(D d, V sum, V t) const {
    const V counted = hn::IfThenElse(hn::IsNaN(t), t, hn::Set(d, 1));
    return hn::Add(sum, hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), counted));
  }
};

struct Manhattan : Additive {  // p = 1
  static constexpr int64_t cost(bool) { return 1; }
  template <class D, class V>
  HWY_INLINE V add(D, V sum, V t) const {
    return hn::Add(sum, hn::Abs(t));
  }
  static constexpr bool kWeighs = false;
  template <class D, class V>
  HWY_INLINE V pull(D d, V sum, V t, V weight, V) const {
    return hn::MulAdd(weight, SignOf(d, t), sum);
  }
};

struct Euclidean : Additive {  // p = 2
  static constexpr int64_t cost(bool) { return 1; }
  template <class D, class V>
  HWY_INLINE V add(D, V sum, V t) const {
    return hn::MulAdd(t, t, sum);
  }
  template <class D, class V>
  HWY_INLINE V finish(D, V sum) const {
    return hn::Sqrt(sum);
  }
  template <class D, class V>
  HWY_INLINE void weigh(D d, V& weight, V& distance) const {
    weight = hn::IfThenZeroElse(hn::Eq(distance, hn::Zero(d)), hn::Div(weight, distance));
  }
  template <class D, class V>
  HWY_INLINE V pull(D, V sum, V t, V weight, V) const {
    return hn::MulAdd(weight, t, sum);
  }
};

struct Chebyshev : Additive {  // p = Infinity
  static constexpr int64_t cost(bool) { return 1; }
  static constexpr bool kUsesDistance = true;
  // Of numbers without sign the order is that of their bits, and NaN stands above infinity.
  template <class D, class V>
  HWY_INLINE V join(D d, V a, V b) const {
    const hn::RebindToSigned<D> bits;
    return hn::BitCast(d, hn::Max(hn::BitCast(bits, a), hn::BitCast(bits, b)));
  }
  template <class D, class V>
  HWY_INLINE V add(D d, V sum, V t) const {
    return join(d, sum, hn::Abs(t));
  }
  template <class D, class V>
  HWY_INLINE V pull(D d, V sum, V t, V weight, V distance) const {
    return hn::MulAdd(hn::IfThenElseZero(hn::Eq(hn::Abs(t), distance), weight), SignOf(d, t), sum);
  }
};

struct Powers : Additive {  // any other p
  double p;
  explicit Powers(double power) : p(power) {}
  static constexpr int64_t cost(bool isFloat) { return isFloat ? 20 : 200; }
  static constexpr bool kUsesDistance = true;
  template <class D, class V>
  HWY_INLINE V add(D d, V sum, V t) const {
    return hn::Add(sum, Pow(d, hn::Abs(t), C(d, p)));
  }
  template <class D, class V>
  HWY_INLINE V finish(D d, V sum) const {
    return Pow(d, sum, C(d, 1 / p));
  }
  template <class D, class V>
  HWY_INLINE void weigh(D d, V& weight, V& distance) const {
    const auto none = hn::Eq(distance, hn::Zero(d));
    weight = hn::IfThenZeroElse(none, weight);
    distance = hn::IfThenElse(none, hn::Set(d, 1), distance);
  }
  template <class D, class V>
  HWY_INLINE V pull(D d, V sum, V t, V weight, V distance) const {
    const V share = hn::CopySign(Pow(d, hn::Div(hn::Abs(t), distance), C(d, p - 1)), t);
    return hn::MulAdd(weight, hn::IfThenZeroElse(hn::Eq(t, hn::Zero(d)), share), sum);
  }
};

// ---- cdist: x1 [.., n, width], x2 [.., m, width], out [batch, n, m] -------------------------------------------------

constexpr int64_t kDepth = 256;  // columns at a time: sums of so many are added up
constexpr int64_t kRows = 128;   // rows that share a packed panel
template <class T>
constexpr int64_t kPanel = 2 * kLanes<T>;  // rows of x2 in a panel

template <class T>
struct Points {
  int64_t n, m, width;
  double p;
  const T *x1, *x2;
  explicit Points(Frame& f)
      : n(f.i64()), m(f.i64()), width(f.i64()), p(f.f64()), x1(f.ptr<const T>()), x2(f.ptr<const T>()) {}
};

// `rows` rows of a matrix, `depth` of their columns, turned: to[column * step + row]; zeros up to `filled` rows.
template <class T>
HWY_INLINE void turn(const T* from, int64_t stride, int64_t rows, int64_t depth, T* to, int64_t step, int64_t filled) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < depth; ++k) to[k * step + row] = from[row * stride + k];
  }
  for (int64_t row = rows; row < filled; ++row) {
    for (int64_t k = 0; k < depth; ++k) to[k * step + row] = 0;
  }
}

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

// A part of the columns: where they begin and end, and whether others came before or come behind.
struct Part {
  int64_t begin, depth;
  bool first, last;
};

// Distances of a few rows from those in a panel, of which `columns` count.
template <int kFew, int kVectors, class T, class Norm>
HWY_INLINE void distances(const Norm& norm, const Part& part, const T* x, int64_t width, const T* panel, T* out,
                          int64_t m, int64_t columns) {
  const hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> sum[kFew][kVectors];
  for (int r = 0; r < kFew; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  for (int64_t k = 0; k < part.depth; ++k) {
    hn::Vec<decltype(d)> y[kVectors];
    for (int v = 0; v < kVectors; ++v) y[v] = hn::Load(d, panel + k * kPanel<T> + v * kLanes<T>);
    for (int r = 0; r < kFew; ++r) {
      const auto xk = hn::Set(d, x[r * width + k]);
      for (int v = 0; v < kVectors; ++v) sum[r][v] = norm.add(d, sum[r][v], hn::Sub(xk, y[v]));
    }
  }
  for (int r = 0; r < kFew; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      T* to = out + r * m + v * kLanes<T>;
      const int64_t rest = columns - v * kLanes<T>;
      auto total = sum[r][v];
      if (!part.first) total = norm.join(d, load(d, to, rest), total);
      if (part.last) total = norm.finish(d, total);
      store(total, d, to, rest);
    }
  }
}

// Pieces are pairs of up to kRows rows of x1 and a panel of x2.
template <class T, class Norm>
struct Distances {
  const Points<T>& p;
  const Batch& batch;
  const Norm& norm;
  T* out;
  int64_t blocks, panels;

  void operator()(int64_t begin, int64_t end) const {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t item = piece / (blocks * panels), row = piece / panels % blocks * kRows;
      const int64_t column = piece % panels * kPanel<T>;
      const T* x = p.x1 + batch.offset(batch.steps1, item) + row * p.width;
      const T* y = p.x2 + batch.offset(batch.steps2, item) + column * p.width;
      const int64_t rows = p.n - row < kRows ? p.n - row : kRows;
      const int64_t columns = p.m - column < kPanel<T> ? p.m - column : kPanel<T>;
      T* to = out + (item * p.n + row) * p.m + column;
      if (columns > kLanes<T>)
        onePanel<2>(x, y, rows, columns, to);
      else
        onePanel<1>(x, y, rows, columns, to);
    }
  }

  template <int kVectors>
  void onePanel(const T* x, const T* y, int64_t rows, int64_t columns, T* to) const {
    alignas(64) T panel[kDepth * kPanel<T>];
    for (int64_t k = 0; k < p.width; k += kDepth) {
      const int64_t depth = p.width - k < kDepth ? p.width - k : kDepth;
      const Part part{k, depth, k == 0, k + depth == p.width};
      turn(y + k, p.width, columns, depth, panel, kPanel<T>, kVectors * kLanes<T>);
      constexpr int kFew = 8 / kVectors;  // eight sums in flight
      int64_t r = 0;
      for (; r + kFew <= rows; r += kFew)
        distances<kFew, kVectors>(norm, part, x + r * p.width + k, p.width, panel, to + r * p.m, p.m, columns);
      for (; r < rows; ++r)
        distances<1, kVectors>(norm, part, x + r * p.width + k, p.width, panel, to + r * p.m, p.m, columns);
    }
  }
};

template <class T, class Norm>
void measure(const Points<T>& p, const Batch& batch, T* out, const Norm& norm) {
  const int64_t blocks = (p.n + kRows - 1) / kRows, panels = (p.m + kPanel<T> - 1) / kPanel<T>;
  const int64_t work = (p.n < kRows ? p.n : kRows) * kPanel<T> * (p.width + 2) * norm.cost(sizeof(T) == 4);
  parallelFor(batch.count * blocks * panels, kWork / work + 1, Distances<T, Norm>{p, batch, norm, out, blocks, panels},
              1);
}

constexpr char kCdistFrame[] = TENFOLD_POINTS "out y[batch*n*m], " TENFOLD_BATCH;
template <class T>
void runCdist(const Kernel&, Frame f) {
  const Points<T> p(f);
  T* out = f.ptr<T>();
  const Batch batch(f);
  if (p.p == 0)
    measure(p, batch, out, Count{});
  else if (p.p == 1)
    measure(p, batch, out, Manhattan{});
  else if (p.p == 2)
    measure(p, batch, out, Euclidean{});
  else if (p.p == kInf)
    measure(p, batch, out, Chebyshev{});
  else
    measure(p, batch, out, Powers{p.p});
}

// ---- cdistBackward: gradX1 [batch, n, width], p not 0
// ----------------------------------------------------------------- distances and grad are [batch, n, m] or, by their
// strides, [batch, m, n] turned: x2's gradient is that of x1 with both exchanged. Weights of a few rows and many
// columns are made first, turned where they have to be; then a row adds up the pulls of all its pairs, its columns in
// the lanes, or the pairs where it has fewer columns than a vector has lanes.

constexpr int64_t kPullRows = 16;      // whose turned weights come from one line of memory
constexpr int64_t kPullColumns = 256;  // of x2's rows

template <class T>
struct Pairs {  // a [n, m] matrix for each item, by its strides
  const T* at;
  int64_t row, column;
  explicit Pairs(Frame& f) : at(f.ptr<const T>()), row(f.i64()), column(f.i64()) {}

  void read(const T* from, int64_t rows, int64_t columns, T* to) const {
    if (column == 1) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < columns; ++c) to[r * kPullColumns + c] = from[r * row + c];
      }
    } else {  // turned: neighbours are in one column
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t r = 0; r < rows; ++r) to[r * kPullColumns + c] = from[r * row + c * column];
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = columns; c % kLanes<T> != 0; ++c) to[r * kPullColumns + c] = 0;
    }
  }
};

// What pulls of a few rows are made of.
template <class T>
struct Pulls {
  alignas(64) T weight[kPullRows * kPullColumns];
  alignas(64) T distance[kPullRows * kPullColumns];
  alignas(64) T turned[kLanes<T> * kPullColumns];  // x2, where it has few columns
};

// Adds to `to` the pulls on a few rows, kVectors vectors of columns from `x` and `y` on; of the lanes those from `skip`
// on.
template <int kFew, int kVectors, class T, class Norm>
HWY_INLINE void pullColumns(const Norm& norm, const Pulls<T>& pulls, int64_t row, const T* x, const T* y, int64_t width,
                            int64_t columns, T* to, int64_t skip, bool first) {
  const hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> sum[kFew][kVectors];
  for (int r = 0; r < kFew; ++r) {
    for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const T *weight = pulls.weight + row * kPullColumns, *distance = pulls.distance + row * kPullColumns;
  for (int64_t c = 0; c < columns; ++c, y += width) {
    for (int r = 0; r < kFew; ++r) {
      const auto w = hn::Set(d, weight[r * kPullColumns + c]);
      const auto of = Norm::kUsesDistance ? hn::Set(d, distance[r * kPullColumns + c]) : w;
      for (int v = 0; v < kVectors; ++v) {
        const auto t = hn::Sub(hn::LoadU(d, x + r * width + v * kLanes<T>), hn::LoadU(d, y + v * kLanes<T>));
        sum[r][v] = norm.pull(d, sum[r][v], t, w, of);
      }
    }
  }
  for (int r = 0; r < kFew; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      T* at = to + r * width + v * kLanes<T>;
      if (skip > 0) {
        alignas(64) T lanes[kLanes<T>];
        hn::Store(sum[r][v], d, lanes);
        for (int64_t i = skip; i < kLanes<T>; ++i) at[i] = first ? lanes[i] : at[i] + lanes[i];
      } else {
        hn::StoreU(first ? sum[r][v] : hn::Add(hn::LoadU(d, at), sum[r][v]), d, at);
      }
    }
  }
}

template <class T, class Norm>
struct Gradients {
  const Points<T>& p;
  const Batch& batch;
  const Norm& norm;
  const Pairs<T>&distance, &grad;
  T* gradX1;

  void operator()(int64_t begin, int64_t end) const {
    Pulls<T> pulls;
    for (int64_t at = begin; at < end;) {
      const int64_t item = at / p.n, row = at % p.n;
      int64_t rows = p.n - row < end - at ? p.n - row : end - at;
      if (rows > kPullRows) rows = kPullRows;
      const T* x = p.x1 + batch.offset(batch.steps1, item) + row * p.width;
      const T* y = p.x2 + batch.offset(batch.steps2, item);
      for (int64_t c = 0; c < p.m; c += kPullColumns) {
        const int64_t columns = p.m - c < kPullColumns ? p.m - c : kPullColumns;
        weigh(pulls, item * p.n * p.m, row, rows, c, columns);
        if (p.width < kLanes<T>)
          alongPairs(pulls, x, y + c * p.width, rows, columns, gradX1 + at * p.width, c == 0);
        else
          alongColumns(pulls, x, y + c * p.width, rows, columns, gradX1 + at * p.width, c == 0);
      }
      at += rows;
    }
  }

  HWY_INLINE void weigh(Pulls<T>& pulls, int64_t item, int64_t row, int64_t rows, int64_t column,
                        int64_t columns) const {
    const hn::ScalableTag<T> d;
    grad.read(grad.at + item + row * grad.row + column * grad.column, rows, columns, pulls.weight);
    if constexpr (!Norm::kWeighs) return;
    distance.read(distance.at + item + row * distance.row + column * distance.column, rows, columns, pulls.distance);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = r * kPullColumns; c < r * kPullColumns + columns; c += kLanes<T>) {
        auto w = hn::Load(d, pulls.weight + c), of = hn::Load(d, pulls.distance + c);
        norm.weigh(d, w, of);
        hn::Store(w, d, pulls.weight + c);
        hn::Store(of, d, pulls.distance + c);
      }
    }
  }

  template <class D, class V>
  HWY_INLINE V onePull(D d, V sum, V x, const T* y, const T* weight, const T* radius) const {
    const V w = hn::Load(d, weight);
    return norm.pull(d, sum, hn::Sub(x, hn::Load(d, y)), w, Norm::kUsesDistance ? hn::Load(d, radius) : w);
  }

  HWY_INLINE void alongPairs(Pulls<T>& pulls, const T* x, const T* y, int64_t rows, int64_t columns, T* to,
                             bool first) const {
    const hn::ScalableTag<T> d;
    const int64_t filled = (columns + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
    turn(y, p.width, columns, p.width, pulls.turned, kPullColumns, filled);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t k = 0; k < p.width; ++k) {
        const auto xk = hn::Set(d, x[r * p.width + k]);
        const T *yk = pulls.turned + k * kPullColumns, *weight = pulls.weight + r * kPullColumns;
        const T* radius = pulls.distance + r * kPullColumns;
        auto even = hn::Zero(d), odd = even;
        int64_t c = 0;
        for (; c + 2 * kLanes<T> <= filled; c += 2 * kLanes<T>) {
          even = onePull(d, even, xk, yk + c, weight + c, radius + c);
          odd = onePull(d, odd, xk, yk + c + kLanes<T>, weight + c + kLanes<T>, radius + c + kLanes<T>);
        }
        if (c < filled) even = onePull(d, even, xk, yk + c, weight + c, radius + c);
        const T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
        T* at = to + r * p.width + k;
        *at = first ? sum : *at + sum;
      }
    }
  }

  HWY_INLINE void alongColumns(const Pulls<T>& pulls, const T* x, const T* y, int64_t rows, int64_t columns, T* to,
                               bool first) const {
    int64_t k = 0;
    for (; k + 4 * kLanes<T> <= p.width; k += 4 * kLanes<T>) {
      for (int64_t r = 0; r < rows; ++r)
        pullColumns<1, 4>(norm, pulls, r, x + r * p.width + k, y + k, p.width, columns, to + r * p.width + k, 0, first);
    }
    for (; k < p.width; k += kLanes<T>) {
      // The last vector ends with the row, and leaves out what came before.
      const int64_t from = k + kLanes<T> <= p.width ? k : p.width - kLanes<T>;
      int64_t r = 0;
      for (; r + 4 <= rows; r += 4)
        pullColumns<4, 1>(norm, pulls, r, x + r * p.width + from, y + from, p.width, columns, to + r * p.width + from,
                          k - from, first);
      for (; r < rows; ++r)
        pullColumns<1, 1>(norm, pulls, r, x + r * p.width + from, y + from, p.width, columns, to + r * p.width + from,
                          k - from, first);
    }
  }
};

template <class T, class Norm>
void pull(const Points<T>& p, const Batch& batch, const Pairs<T>& distance, const Pairs<T>& grad, T* gradX1,
          const Norm& norm) {
  const int64_t work = p.m * (p.width + 2) * norm.cost(sizeof(T) == 4);
  parallelFor(batch.count * p.n, kWork / work + 1, Gradients<T, Norm>{p, batch, norm, distance, grad, gradX1}, 1);
}

constexpr char kCdistBackwardFrame[] = TENFOLD_POINTS
    "in distances: strided, distanceRow, distanceColumn, in grad: strided, gradRow, gradColumn, out "
    "gradX1[batch*n*width], " TENFOLD_BATCH;
template <class T>
void runCdistBackward(const Kernel&, Frame f) {
  const Points<T> p(f);
  const Pairs<T> distance(f), grad(f);
  T* gradX1 = f.ptr<T>();
  const Batch batch(f);
  if (p.p == 1)
    pull(p, batch, distance, grad, gradX1, Manhattan{});
  else if (p.p == 2)
    pull(p, batch, distance, grad, gradX1, Euclidean{});
  else if (p.p == kInf)
    pull(p, batch, distance, grad, gradX1, Chebyshev{});
  else
    pull(p, batch, distance, grad, gradX1, Powers{p.p});
}

}  // namespace

extern const Kernel kDistance[];
const Kernel kDistance[] = {
    {"cdist", DType::f32, runCdist<float>, kCdistFrame},
    {"cdist", DType::f64, runCdist<double>, kCdistFrame},
    {"cdistBackward", DType::f32, runCdistBackward<float>, kCdistBackwardFrame},
    {"cdistBackward", DType::f64, runCdistBackward<double>, kCdistBackwardFrame},
};
constexpr size_t kDistanceCount = sizeof(kDistance) / sizeof(kDistance[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable distanceKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kDistance), HWY_NAMESPACE::kDistanceCount};
}
}  // namespace tenfold
#endif
