// Sums in the order in which PyTorch's CPU kernels add (ATen/native/cpu/SumKernel.cpp with AVX2's vectors), because
// what a program prints depends on it: rows are added up in groups of 16 or more, the groups in groups, four levels
// deep.
//
// The order is one of lanes, so it doesn't depend on the width of the vectors that carry them, nor on threads: a unit
// (a group of groups) starts from zero wherever it is computed.
#if defined(TENFOLD_CASCADE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_CASCADE_INL_H_
#undef TENFOLD_CASCADE_INL_H_
#else
#define TENFOLD_CASCADE_INL_H_
#endif

#include <cstring>
#include <hwy/highway.h>
#include <memory>

#include "kernels/matrix-inl.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// What is added: x itself, or something of it. Functors, so that a kernel is one line.
struct Itself {
  template <class D, class V>
  HWY_INLINE V operator()(D, V x) const {
    return x;
  }
};

// PyTorch's unit of a contiguous sum: four vectors of AVX2.
template <class T>
constexpr int64_t kCascadeVector = 32 / sizeof(T);
template <class T>
constexpr int64_t kCascadeRow = 4 * kCascadeVector<T>;
constexpr int64_t kCascadeMaxWidth = 512;

struct CascadeShape {
  int power = 4;  // log2 of the rows in a group
  explicit CascadeShape(int64_t rows) {
    int log2 = 1;
    while ((int64_t{1} << log2) < rows) ++log2;
    if (log2 / 4 > power) power = log2 / 4;
  }
  int64_t group() const { return int64_t{1} << power; }
  int64_t unit() const { return int64_t{1} << (2 * power); }
};

// acc[c] += p[0][c] + p[1][c] + … (the rows are added up first, from 0).
template <class D, class T, class F>
HWY_INLINE void addColumns(D d, const F& of, const T* p, int64_t stride, int64_t rows, T* acc) {
  auto sum = hn::Zero(d);
  for (int64_t r = 0; r < rows; ++r) sum = hn::Add(sum, of(d, hn::LoadU(d, p + r * stride)));
  hn::StoreU(hn::Add(hn::LoadU(d, acc), sum), d, acc);
}

template <class T, class F>
void addGroup(const F& of, const T* p, int64_t stride, int64_t rows, int64_t width, T* acc) {
  const hn::ScalableTag<T> d;
  const int64_t n = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + 4 * n <= width; c += 4 * n) {
    const T* at = p + c;
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (int64_t r = 0; r < rows; ++r, at += stride) {
      s0 = hn::Add(s0, of(d, hn::LoadU(d, at)));
      s1 = hn::Add(s1, of(d, hn::LoadU(d, at + n)));
      s2 = hn::Add(s2, of(d, hn::LoadU(d, at + 2 * n)));
      s3 = hn::Add(s3, of(d, hn::LoadU(d, at + 3 * n)));
    }
    hn::StoreU(hn::Add(hn::LoadU(d, acc + c), s0), d, acc + c);
    hn::StoreU(hn::Add(hn::LoadU(d, acc + c + n), s1), d, acc + c + n);
    hn::StoreU(hn::Add(hn::LoadU(d, acc + c + 2 * n), s2), d, acc + c + 2 * n);
    hn::StoreU(hn::Add(hn::LoadU(d, acc + c + 3 * n), s3), d, acc + c + 3 * n);
  }
  for (; c + n <= width; c += n) addColumns(d, of, p + c, stride, rows, acc + c);
  const hn::CappedTag<T, 16 / sizeof(T)> quarter;
  const int64_t q = static_cast<int64_t>(hn::Lanes(quarter));
  for (; c + q <= width; c += q) addColumns(quarter, of, p + c, stride, rows, acc + c);
  const hn::CappedTag<T, 1> one;
  for (; c < width; ++c) addColumns(one, of, p + c, stride, rows, acc + c);
}

// kTogether groups of rows that are kCascadeRow wide and dense, each added up by itself and then to `total`.
template <int kTogether, class D, class T, class F>
HWY_INLINE void addGroupsTogether(D d, const F& of, const T* at, int64_t rows, hn::Vec<D>* total) {
  constexpr size_t kLanes = HWY_LANES(T);
  constexpr int kVectors = static_cast<int>(kCascadeRow<T> / kLanes);
  const int64_t step = rows * kCascadeRow<T>;
  hn::Vec<D> sum[kTogether][kVectors];
  for (int g = 0; g < kTogether; ++g) {
    for (int v = 0; v < kVectors; ++v) sum[g][v] = hn::Zero(d);
  }
  for (int64_t r = 0; r < rows; ++r, at += kCascadeRow<T>) {
    for (int g = 0; g < kTogether; ++g) {
      for (int v = 0; v < kVectors; ++v) {
        sum[g][v] = hn::Add(sum[g][v], of(d, hn::LoadU(d, at + g * step + v * kLanes)));
      }
    }
  }
  for (int g = 0; g < kTogether; ++g) {
    for (int v = 0; v < kVectors; ++v) total[v] = hn::Add(total[v], sum[g][v]);
  }
}

// `count` groups of rows that are kCascadeRow wide and dense. Several groups at a time, since one is a chain of
// dependent additions (4 MB in cache: 35 GB/s with one, 90 with eight vectors in flight).
template <class D, class T, class F>
HWY_INLINE void addDenseGroups(D d, const F& of, const T* p, int64_t rows, int64_t count, hn::Vec<D>* total) {
  constexpr int kVectors = static_cast<int>(kCascadeRow<T> / HWY_LANES(T));
  constexpr int kTogether = kVectors >= 8 ? 1 : 8 / kVectors;
  const int64_t step = rows * kCascadeRow<T>;
  for (; count >= kTogether; count -= kTogether, p += kTogether * step) {
    addGroupsTogether<kTogether>(d, of, p, rows, total);
  }
  if constexpr (kTogether > 2) {  // rows of a thousand elements are two groups
    for (; count >= 2; count -= 2, p += 2 * step) addGroupsTogether<2>(d, of, p, rows, total);
  }
  for (; count > 0; --count, p += step) addGroupsTogether<1>(d, of, p, rows, total);
}

template <class T, class F>
void addDenseGroups(const F& of, const T* p, int64_t rows, int64_t count, T* acc) {
  constexpr size_t kLanes = HWY_LANES(T);
  constexpr int kVectors = static_cast<int>(kCascadeRow<T> / kLanes);
  const hn::ScalableTag<T> d;
  hn::Vec<decltype(d)> total[kVectors];
  for (int v = 0; v < kVectors; ++v) total[v] = hn::LoadU(d, acc + v * kLanes);
  addDenseGroups(d, of, p, rows, count, total);
  for (int v = 0; v < kVectors; ++v) hn::StoreU(total[v], d, acc + v * kLanes);
}

// What cascade() does, for dense rows of kCascadeRow that make no whole unit: all in registers, since a row of a
// thousand elements takes less time than its way through the levels in memory.
template <class T, class F>
void cascadeShort(const F& of, const T* p, int64_t rows, T* out) {
  constexpr size_t kLanes = HWY_LANES(T);
  constexpr int kVectors = static_cast<int>(kCascadeRow<T> / kLanes);
  const hn::ScalableTag<T> d;
  const int64_t group = CascadeShape(rows).group(), groups = rows / group, whole = groups * group;
  hn::Vec<decltype(d)> level[kVectors], rest[kVectors];
  for (int v = 0; v < kVectors; ++v) level[v] = rest[v] = hn::Zero(d);
  addDenseGroups(d, of, p, group, groups, level);
  addGroupsTogether<1>(d, of, p + whole * kCascadeRow<T>, rows - whole, rest);
  for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::Add(rest[v], level[v]), d, out + v * kLanes);
}

inline float plus(float a, float b) { return a + b; }
inline double plus(double a, double b) { return a + b; }
inline int64_t plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

template <class T>
void addTo(T* acc, const T* x, int64_t width) {
  for (int64_t c = 0; c < width; ++c) acc[c] = plus(acc[c], x[c]);
}

// acc += `rows` rows of the matrix, from row `row` on, as one group.
template <class T, class F>
void addRows(const F& of, const Matrix<T>& m, int64_t row, int64_t rows, int64_t width, T* acc) {
  if (!m.cast) return addGroup(of, m.dense() + row * m.stride, m.stride, rows, width, acc);
  alignas(64) T scratch[kMatrixScratch];
  const int64_t most = rows * width > kMatrixScratch ? kMatrixScratch / rows : width;
  for (int64_t c = 0; c < width; c += most) {
    const int64_t w = width - c < most ? width - c : most;
    const View<T> v = m.from(c).view(row, rows, w, scratch);
    addGroup(of, v.at, v.stride, rows, w, acc + c);
  }
}

// acc += `count` groups of the matrix, from row `row` on.
template <class T, class F>
void addGroups(const F& of, const Matrix<T>& m, const CascadeShape& shape, int64_t row, int64_t count, int64_t width,
               T* acc) {
  if (!m.cast && width == kCascadeRow<T> && m.stride == width) {
    return addDenseGroups(of, m.dense() + row * width, shape.group(), count, acc);
  }
  for (int64_t g = 0; g < count; ++g, row += shape.group()) addRows(of, m, row, shape.group(), width, acc);
}

template <class T, class F>
struct UnitSums {
  const F& of;
  const Matrix<T>& m;
  const CascadeShape& shape;
  int64_t width;
  T* sums;  // [units, width]
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t u = begin; u < end; ++u) {
      T* acc = sums + u * width;
      for (int64_t c = 0; c < width; ++c) acc[c] = 0;
      addGroups(of, m, shape, u * shape.unit(), shape.group(), width, acc);
    }
  }
};

// out[c] = sum of column c, each column in cascade order. width <= kCascadeMaxWidth.
template <class T, class F>
void cascade(const F& of, const Matrix<T>& m, int64_t rows, int64_t width, T* out, bool threads) {
  const CascadeShape shape(rows);
  if (rows < shape.group()) {
    for (int64_t c = 0; c < width; ++c) out[c] = 0;
    return addRows(of, m, 0, rows, width, out);
  }
  alignas(64) T level[3][kCascadeMaxWidth];
  for (int l = 0; l < 3; ++l) {
    for (int64_t c = 0; c < width; ++c) level[l][c] = 0;
  }
  const int64_t unit = shape.unit(), units = rows / unit;
  std::unique_ptr<T[]> sums;
  if (threads && units > 1) {
    sums.reset(new T[static_cast<size_t>(units * width)]);
    const int64_t grain = 40000 / (unit * width) + 1;
    parallelFor(units, grain, UnitSums<T, F>{of, m, shape, width, sums.get()}, 1);
  }
  int64_t row = 0;
  for (int64_t u = 0; u < units; ++u) {
    if (!sums) addGroups(of, m, shape, row, shape.group(), width, level[0]);
    addTo(level[1], sums ? sums.get() + u * width : level[0], width);
    for (int64_t c = 0; c < width; ++c) level[0][c] = 0;
    row += unit;
    if ((row & ((shape.group() - 1) << (2 * shape.power))) == 0) {
      addTo(level[2], level[1], width);
      for (int64_t c = 0; c < width; ++c) level[1][c] = 0;
    }
  }
  const int64_t groups = (rows - row) / shape.group();
  addGroups(of, m, shape, row, groups, width, level[0]);
  row += groups * shape.group();
  for (int64_t c = 0; c < width; ++c) out[c] = 0;
  if (row < rows) addRows(of, m, row, rows - row, width, out);
  for (int l = 0; l < 3; ++l) addTo(out, level[l], width);
}

// Sum of n dense elements.
template <class T, class F>
T sumOfRow(const F& of, const Matrix<T>& row, int64_t n, bool threads) {
  constexpr int64_t kVector = kCascadeVector<T>, kRow = kCascadeRow<T>;
  const hn::CappedTag<T, 1> one;
  alignas(64) T part[kRow];
  alignas(64) T scratch[2 * kRow];
  for (int64_t c = 0; c < kVector; ++c) part[c] = 0;
  if (n < kVector) {  // as scalars, four at a time
    const T* x = row.view(0, 1, n, scratch).at;
    const int64_t fours = n / 4 * 4;
    for (int64_t i = 0; i < fours; ++i) part[i % 4] = plus(part[i % 4], hn::GetLane(of(one, hn::LoadU(one, x + i))));
    for (int64_t i = fours; i < n; ++i) part[0] = plus(part[0], hn::GetLane(of(one, hn::LoadU(one, x + i))));
    for (int k = 1; k < 4; ++k) part[0] = plus(part[0], part[k]);
    return part[0];
  }
  const int64_t rows = n / kRow, done = rows * kRow;
  if (rows > 0) {
    if (!row.cast && rows < CascadeShape(rows).unit()) {
      cascadeShort(of, row.dense(), rows, part);
    } else {
      Matrix<T> m = row;
      m.stride = kRow;
      cascade(of, m, rows, kRow, part, threads);
    }
  }
  const T* x = row.from(done).view(0, 1, n - done, scratch).at;
  int64_t i = 0;
  const hn::CappedTag<T, kVector> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  for (; i + kVector <= n - done; i += kVector) {
    for (int64_t c = 0; c < kVector; c += lanes) {
      hn::StoreU(hn::Add(hn::LoadU(d, part + c), of(d, hn::LoadU(d, x + i + c))), d, part + c);
    }
  }
  if (rows > 0) {
    for (int k = 1; k < 4; ++k) addTo(part, part + k * kVector, kVector);
  }
  T sum = 0;
  for (; i < n - done; ++i) sum = plus(sum, hn::GetLane(of(one, hn::LoadU(one, x + i))));
  for (int64_t c = 0; c < kVector; ++c) sum = plus(sum, part[c]);
  return sum;
}

// How many of the first columns of a [rows, inner] matrix are added plainly from the first row to the last; the others
// are added four rows at a time.
template <class T>
int64_t plainColumns(int64_t inner) {
  return inner >= kCascadeVector<T> ? inner / kCascadeRow<T> * kCascadeRow<T> : inner / 4 * 4;
}

// Sums of `width` neighbouring columns (< kCascadeRow) that come after plainColumns.
template <class T, class F>
void sumOfLastColumns(const F& of, const Matrix<T>& m, int64_t rows, int64_t width, T* out, bool threads) {
  const int64_t quads = rows / 4;
  alignas(64) T part[4 * kCascadeRow<T>] = {};
  Matrix<T> q = m;
  q.stride = 4 * m.stride;
  if (m.stride == width) {
    cascade(of, q, quads, 4 * width, part, threads);
  } else {
    for (int64_t k = 0; k < 4; ++k) {
      cascade(of, q, quads, width, part + k * width, threads);
      q = q.from(m.stride);
    }
  }
  for (int64_t r = quads * 4; r < rows; ++r) addRows(of, m, r, 1, width, part);
  for (int k = 1; k < 4; ++k) addTo(part, part + k * width, width);
  for (int64_t c = 0; c < width; ++c) out[c] = part[c];
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
