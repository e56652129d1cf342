// Reading and writing at positions that an index tensor names.
//
// gather and the scatters share one geometry: dims before the indexed one (outer), J positions along it, dims behind it
// (inner). x is the tensor that is indexed, y the other side: what gather writes and what a scatter reads. All three
// operands are strided, so indexSelect, embedding and x[:, i] are an index whose inner strides are 0 (whole rows are
// copied), a scalar value is a y of strides 0, and no operand has to be copied first.
//
//   y[o, j, i] = x[o, index[o, j, i], i]                      gather
//   x[o, index[o, j, i], i] = y[o, j, i], or op=              scatterSet, scatterAdd, scatterMul, scatterAmax,
//   scatterAmin
//
// bytes is the size of an element (gather and scatterSet; 0 elsewhere), `indexed` size and stride of each indexed dim
// of x (several stand for one dim of their product's size), `wrap` whether negative indices count from the end, label
// the number of the dim in messages, -1 for the whole tensor. Strides are in elements.
//
// Every index is checked before a scatter writes anything. Duplicates are taken in order of j, whatever the number of
// threads: a thread owns outputs, not inputs.
//
// Compiled once, not per instruction set: what these kernels wait for is memory.
#include <hwy/base.h>

#include <bit>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "kernel.h"
#include "kernels/all.h"
#include "threads/pool.h"

namespace tenfold {
namespace {

constexpr int kMaxIndexDims = 16;
constexpr int kMaxMaskDims = 64;  // what a tensor may have: positions are written for each of them
// Elements that are moved in about 10 microseconds.
constexpr int64_t kMoveGrain = 8192;
enum Side { kIndex = 0, kX = 1, kY = 2 };

[[noreturn]] inline void outOfRange(int64_t index, int64_t dim, int64_t size) {
  const std::string where = dim < 0 ? "a tensor of " + std::to_string(size) + " elements"
                                    : "dim " + std::to_string(dim) + " of size " + std::to_string(size);
  throw KernelError("RangeError", "index " + std::to_string(index) + " is out of range for " + where);
}

// Dims that three operands walk together.
struct Dims {
  int n = 0;
  int64_t count = 1;
  int64_t size[kMaxIndexDims];
  int64_t stride[3][kMaxIndexDims];

  void at(int64_t p, int64_t* offset) const {
    offset[0] = offset[1] = offset[2] = 0;
    for (int d = n - 1; d >= 0; --d) {
      const int64_t q = p / size[d], i = p - q * size[d];
      for (int s = 0; s < 3; ++s) offset[s] += i * stride[s][d];
      p = q;
    }
  }
  bool walks(Side s) const {
    for (int d = 0; d < n; ++d) {
      if (stride[s][d] != 0 && size[d] > 1) return true;
    }
    return false;
  }
};

#define TENFOLD_LINES                                                                                        \
  "bytes, outerDims, innerDims, outer[outerDims], inner[innerDims], j, dims, indexed[2*dims], wrap, label, " \
  "in index: i64 strided, indexJ, indexOuter[outerDims], indexInner[innerDims], "
constexpr char kGatherFrame[] = TENFOLD_LINES
    "in x: any strided, xOuter[outerDims], xInner[innerDims], out y: any strided, yJ, yOuter[outerDims], "
    "yInner[innerDims]";
constexpr char kScatterFrame[] = TENFOLD_LINES
    "inout x: any strided, xOuter[outerDims], xInner[innerDims], in y: any strided, yJ, yOuter[outerDims], "
    "yInner[innerDims]";

struct Lines {
  int64_t bytes, j;
  Dims outer, rows;  // rows: the inner dims but the last
  int64_t width = 1, widthStride[3] = {0, 0, 0};
  int k;
  int64_t limit = 1, size[kMaxIndexDims], stride[kMaxIndexDims];
  bool wrap;
  int64_t label;
  const int64_t* index;
  int64_t indexStrideJ, yStrideJ;
  char *x, *y;
  bool indexIsRow;  // one index for all of the inner dims

  explicit Lines(Frame& f) {
    bytes = f.i64();
    outer.n = f.count(kMaxIndexDims);
    const int inner = f.count(kMaxIndexDims);
    rows.n = inner > 0 ? inner - 1 : 0;
    for (int d = 0; d < outer.n; ++d) outer.count *= outer.size[d] = f.i64();
    for (int d = 0; d < rows.n; ++d) rows.count *= rows.size[d] = f.i64();
    if (inner > 0) width = f.i64();
    j = f.i64();
    k = f.count(kMaxIndexDims);
    for (int d = 0; d < k; ++d) {
      limit *= size[d] = f.i64();
      stride[d] = f.i64();
    }
    wrap = f.flag();
    label = f.i64();
    index = f.ptr<const int64_t>();
    indexStrideJ = f.i64();
    strides(f, kIndex, inner);
    x = f.ptr<char>();
    strides(f, kX, inner);
    y = f.ptr<char>();
    yStrideJ = f.i64();
    strides(f, kY, inner);
    indexIsRow = widthStride[kIndex] == 0 && !rows.walks(kIndex);
  }
  void strides(Frame& f, Side s, int inner) {
    for (int d = 0; d < outer.n; ++d) outer.stride[s][d] = f.i64();
    for (int d = 0; d < rows.n; ++d) rows.stride[s][d] = f.i64();
    if (inner > 0) widthStride[s] = f.i64();
  }

  // Place of an index in x, in elements.
  int64_t place(int64_t i) const {
    if (i < 0 && wrap) i += limit;
    if (static_cast<uint64_t>(i) >= static_cast<uint64_t>(limit)) fail(i);
    if (k == 1) return i * stride[0];
    int64_t offset = 0;
    for (int d = k - 1; d >= 0; --d) {
      const int64_t q = i / size[d];
      offset += (i - q * size[d]) * stride[d];
      i = q;
    }
    return offset;
  }
  [[noreturn]] void fail(int64_t i) const { outOfRange(wrap && i < 0 ? i - limit : i, label, limit); }

  // Refuses the first of n indices, `step` apart, that is out of range. An index is where i + low or limit - 1 - i is
  // negative: all signs are collected, which compilers make vectors of, and one at fault is looked for only where there
  // is one. Sums may wrap around: only those of indices that are out of range do.
  void check(const int64_t* i, int64_t step, int64_t n) const {
    if (step == 1 ? signs(i, 1, n) : signs(i, step, n)) {
      for (int64_t p = 0; p < n; ++p) place(i[p * step]);
    }
  }
  HWY_INLINE bool signs(const int64_t* i, int64_t step, int64_t n) const {
    const uint64_t low = static_cast<uint64_t>(wrap ? limit : 0), high = static_cast<uint64_t>(limit - 1);
    uint64_t all = 0;
    for (int64_t p = 0; p < n; ++p) {
      const uint64_t u = static_cast<uint64_t>(i[p * step]);
      all |= (u + low) | (high - u);
    }
    return all >> 63 != 0;
  }

  // An index that was checked, counted from the start.
  static int64_t wrapped(int64_t i, int64_t limit) { return i + ((i >> 63) & limit); }

  int64_t innerCount() const { return rows.count * width; }
  bool empty() const { return outer.count == 0 || innerCount() == 0 || j == 0; }
};

// ---- gather ---------------------------------------------------------------------------------------------------------

template <class T>
struct Gather {
  const Lines& g;
  // Positions (o, j), flat.
  void operator()(int64_t begin, int64_t end) const {
    int64_t at[3], row[3];
    for (int64_t p = begin; p < end;) {
      const int64_t o = p / g.j, first = p - o * g.j;
      const int64_t last = end - p < g.j - first ? first + (end - p) : g.j;
      g.outer.at(o, at);
      const T* x = reinterpret_cast<const T*>(g.x) + at[kX];
      T* y = reinterpret_cast<T*>(g.y) + at[kY];
      const int64_t* index = g.index + at[kIndex];
      if (g.width == 1 && g.rows.count == 1) {
        elements(index + first * g.indexStrideJ, g.indexStrideJ, x, 0, y + first * g.yStrideJ, g.yStrideJ,
                 last - first);
      } else if (g.indexIsRow && g.rows.count == 1 && g.widthStride[kX] == 1 && g.widthStride[kY] == 1) {
        const size_t bytes = static_cast<size_t>(g.width) * sizeof(T);
        for (int64_t j = first; j < last; ++j) {
          std::memcpy(y + j * g.yStrideJ, x + g.place(index[j * g.indexStrideJ]), bytes);
        }
      } else {
        for (int64_t j = first; j < last; ++j) {
          const int64_t* i = index + j * g.indexStrideJ;
          const T* from = g.indexIsRow ? x + g.place(*i) : x;
          T* to = y + j * g.yStrideJ;
          for (int64_t r = 0; r < g.rows.count; ++r) {
            g.rows.at(r, row);
            move(i + row[kIndex], from + row[kX], to + row[kY]);
          }
        }
      }
      p += last - first;
    }
  }
  void move(const int64_t* index, const T* x, T* y) const {
    const int64_t n = g.width, si = g.widthStride[kIndex], sx = g.widthStride[kX], sy = g.widthStride[kY];
    if (!g.indexIsRow) {
      elements(index, si, x, sx, y, sy, n);
    } else if (sx == 1 && sy == 1) {
      std::memcpy(y, x, static_cast<size_t>(n) * sizeof(T));
    } else {
      for (int64_t w = 0; w < n; ++w) y[w * sy] = x[w * sx];
    }
  }
  // y[w * sy] = x[place(index[w * si]) + w * sx]
  void elements(const int64_t* index, int64_t si, const T* x, int64_t sx, T* y, int64_t sy, int64_t n) const {
    int64_t w = 0;
    if (g.k == 1 && si == 1 && sy == 1) {
      const int64_t step = g.stride[0];
      if (g.wrap) {
        w = words<true>(index, x, step, sx, y, n);
      } else if (sx == 0 && step == 1) {
        w = words<false>(index, x, 1, 0, y, n);
      } else {
        w = words<false>(index, x, step, sx, y, n);
      }
    }
    for (; w < n; ++w) y[w * sy] = x[g.place(index[w * si]) + w * sx];
  }
  // As many as fill words of 8 bytes, up to an index that is out of range. Every store that waits has to be compared
  // with every load behind it, whose address nothing foretells: half the stores are twice as fast.
  template <bool kWrap>
  HWY_INLINE int64_t words(const int64_t* index, const T* x, int64_t step, int64_t sx, T* y, int64_t n) const {
    constexpr int64_t kElements = 8 / sizeof(T);
    const int64_t limit = g.limit;
    int64_t w = 0;
    for (; w + kElements <= n; w += kElements) {
      uint64_t word = 0;
      int64_t at[kElements];
      bool bad = false;
      for (int64_t e = 0; e < kElements; ++e) {
        at[e] = kWrap ? Lines::wrapped(index[w + e], limit) : index[w + e];
        bad |= static_cast<uint64_t>(at[e]) >= static_cast<uint64_t>(limit);
      }
      if (HWY_UNLIKELY(bad)) return w;
      for (int64_t e = 0; e < kElements; ++e) {
        word |= static_cast<uint64_t>(x[at[e] * step + (w + e) * sx]) << (8 * sizeof(T) * static_cast<size_t>(e));
      }
      std::memcpy(y + w, &word, sizeof word);
    }
    return w;
  }
};

template <class T>
void runGatherAs(const Lines& g) {
  const int64_t inner = g.innerCount();
  parallelFor(g.outer.count * g.j, kMoveGrain / inner + 1, Gather<T>{g}, 1);
}

void runGather(const Kernel&, Frame f) {
  const Lines g(f);
  if (g.empty()) return;
  switch (g.bytes) {
    case 1:
      return runGatherAs<uint8_t>(g);
    case 2:
      return runGatherAs<uint16_t>(g);
    case 4:
      return runGatherAs<uint32_t>(g);
    default:
      return runGatherAs<uint64_t>(g);
  }
}

// ---- scatter --------------------------------------------------------------------------------------------------------

struct Set {
  template <class T>
  static T of(T, T y) {
    return y;
  }
};
struct Add {
  template <class T>
  static T of(T x, T y) {
    if constexpr (std::is_integral_v<T>) {
      using U = std::make_unsigned_t<T>;
      return static_cast<T>(static_cast<U>(static_cast<U>(x) + static_cast<U>(y)));
    } else {
      return x + y;
    }
  }
};
struct Mul {
  template <class T>
  static T of(T x, T y) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(y));
    } else {
      return x * y;
    }
  }
};
// NaN wins, as in PyTorch.
struct Amax {
  template <class T>
  static T of(T x, T y) {
    return x > y || x != x ? x : y;
  }
};
struct Amin {
  template <class T>
  static T of(T x, T y) {
    return x < y || x != x ? x : y;
  }
};

struct CheckIndices {
  const Lines& g;
  // Positions (o, j), flat.
  void operator()(int64_t begin, int64_t end) const {
    int64_t at[3], row[3];
    for (int64_t p = begin; p < end;) {
      const int64_t o = p / g.j, first = p - o * g.j;
      const int64_t last = end - p < g.j - first ? first + (end - p) : g.j;
      g.outer.at(o, at);
      const int64_t* index = g.index + at[kIndex];
      if (g.indexIsRow) {
        g.check(index + first * g.indexStrideJ, g.indexStrideJ, last - first);
      } else {
        for (int64_t j = first; j < last; ++j) {
          for (int64_t r = 0; r < g.rows.count; ++r) {
            g.rows.at(r, row);
            g.check(index + j * g.indexStrideJ + row[kIndex], g.widthStride[kIndex], g.width);
          }
        }
      }
      p += last - first;
    }
  }
};

void checkIndices(const Lines& g) {
  const int64_t inner = g.indexIsRow ? 1 : g.innerCount();
  const int64_t outer = g.outer.walks(kIndex) ? g.outer.count : 1;
  parallelFor(outer * g.j, kMoveGrain / inner + 1, CheckIndices{g}, 1);
}

// A unit owns, of one outer position, either a range of the last inner dim or a range of places in x.
template <class T, class Op>
struct Scatter {
  const Lines& g;
  int64_t parts;  // units of one outer position
  bool byPlace;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t u = begin; u < end; ++u) unit(u / parts, u % parts);
  }
  void unit(int64_t o, int64_t part) const {
    int64_t at[3], row[3];
    g.outer.at(o, at);
    T* x = reinterpret_cast<T*>(g.x) + at[kX];
    const T* y = reinterpret_cast<const T*>(g.y) + at[kY];
    const int64_t* index = g.index + at[kIndex];
    if (g.width == 1 && g.rows.count == 1) return elements(index, g.indexStrideJ, x, 0, y, g.yStrideJ, g.j);
    if (byPlace) return places(x, y, index, g.limit * part / parts, g.limit * (part + 1) / parts);
    const int64_t from = g.width * part / parts, to = g.width * (part + 1) / parts;
    for (int64_t j = 0; j < g.j; ++j) {
      const int64_t* i = index + j * g.indexStrideJ;
      T* into = g.indexIsRow ? x + g.place(*i) : x;
      const T* values = y + j * g.yStrideJ;
      for (int64_t r = 0; r < g.rows.count; ++r) {
        g.rows.at(r, row);
        apply(i + row[kIndex], into + row[kX], values + row[kY], from, to);
      }
    }
  }
  // Combines y[w * sy] with x[place(index[w * si]) + w * sx], as Gather::elements reads.
  void elements(const int64_t* index, int64_t si, T* x, int64_t sx, const T* y, int64_t sy, int64_t n) const {
    if (g.k != 1) {
      for (int64_t w = 0; w < n; ++w) {
        T* at = x + g.place(index[w * si]) + w * sx;
        *at = Op::of(*at, y[w * sy]);
      }
      return;
    }
    const int64_t step = g.stride[0];
    if (g.wrap) {
      combine<true>(index, si, x, step, sx, y, sy, n);
    } else if (si == 1 && sy == 1 && sx == 0 && step == 1) {
      combine<false>(index, 1, x, 1, 0, y, 1, n);
    } else if (si == 1 && sy == 1 && sx == 1) {
      combine<false>(index, 1, x, step, 1, y, 1, n);
    } else {
      combine<false>(index, si, x, step, sx, y, sy, n);
    }
  }
  template <bool kWrap>
  HWY_INLINE void combine(const int64_t* index, int64_t si, T* x, int64_t step, int64_t sx, const T* y, int64_t sy,
                          int64_t n) const {
    const int64_t limit = g.limit;
    for (int64_t w = 0; w < n; ++w) {
      const int64_t i = index[w * si];
      T* at = x + (kWrap ? Lines::wrapped(i, limit) : i) * step + w * sx;
      *at = Op::of(*at, y[w * sy]);
    }
  }
  // One row for each index in [from, to).
  void places(T* x, const T* y, const int64_t* index, int64_t from, int64_t to) const {
    int64_t row[3];
    for (int64_t j = 0; j < g.j; ++j) {
      int64_t i = index[j * g.indexStrideJ];
      if (i < 0) i += g.limit;
      if (i < from || i >= to) continue;
      T* into = x + g.place(i);
      const T* values = y + j * g.yStrideJ;
      for (int64_t r = 0; r < g.rows.count; ++r) {
        g.rows.at(r, row);
        apply(nullptr, into + row[kX], values + row[kY], 0, g.width);
      }
    }
  }
  void apply(const int64_t* index, T* x, const T* y, int64_t from, int64_t to) const {
    const int64_t si = g.widthStride[kIndex], sx = g.widthStride[kX], sy = g.widthStride[kY];
    if (!g.indexIsRow) {
      elements(index + from * si, si, x + from * sx, sx, y + from * sy, sy, to - from);
    } else if (sx == 1 && sy == 1) {
      for (int64_t w = from; w < to; ++w) x[w] = Op::of(x[w], y[w]);
    } else {
      for (int64_t w = from; w < to; ++w) x[w * sx] = Op::of(x[w * sx], y[w * sy]);
    }
  }
};

// Rows shorter than this cost less than the mispredicted branch that tells whose they are (1M single elements: 2 ms on
// one thread, 12 on two).
constexpr int64_t kRowsByPlace = 16;

template <class T, class Op>
void runScatterAs(const Lines& g) {
  const int64_t inner = g.innerCount(), work = g.j * inner, threads = numThreads();
  int64_t parts = 1;
  bool byPlace = false;
  if (g.outer.count < 2 * threads && work > 2 * kMoveGrain) {
    if (g.width >= 32 * threads) {
      parts = threads;
    } else if (g.indexIsRow &&
               inner >= kRowsByPlace) {  // each thread reads all the indices, and takes those of its rows
      parts = threads;
      byPlace = true;
    }
  }
  parallelFor(g.outer.count * parts, kMoveGrain * parts / work + 1, Scatter<T, Op>{g, parts, byPlace}, 1);
}

template <class T, class Op>
void runScatter(const Kernel&, Frame f) {
  const Lines g(f);
  if (g.empty()) return;
  checkIndices(g);
  runScatterAs<T, Op>(g);
}

void runScatterSet(const Kernel&, Frame f) {
  const Lines g(f);
  if (g.empty()) return;
  checkIndices(g);
  switch (g.bytes) {
    case 1:
      return runScatterAs<uint8_t, Set>(g);
    case 2:
      return runScatterAs<uint16_t, Set>(g);
    case 4:
      return runScatterAs<uint32_t, Set>(g);
    default:
      return runScatterAs<uint64_t, Set>(g);
  }
}

// ---- several index tensors as one -----------------------------------------------------------------------------------

// linearIndex: out[p] = sum over the operands of index * factor, each index checked and wrapped.
constexpr char kLinearIndexFrame[] =
    "ndim, sizes[ndim], out to[sizes]: i64, operands, (in index: i64 strided, size, factor, label, "
    "strides[ndim])[operands]";
struct LinearIndex {
  struct Operand {
    const int64_t* index;
    int64_t size, factor, label, stride[kMaxIndexDims];
  };
  int n, k;
  int64_t size[kMaxIndexDims], count = 1;
  int64_t* out;
  Operand operand[kMaxIndexDims];

  explicit LinearIndex(Frame f) {
    n = f.count(kMaxIndexDims);
    for (int d = 0; d < n; ++d) count *= size[d] = f.i64();
    out = f.ptr<int64_t>();
    k = f.count(kMaxIndexDims);
    for (int o = 0; o < k; ++o) {
      Operand& op = operand[o];
      op.index = f.ptr<const int64_t>();
      op.size = f.i64();
      op.factor = f.i64();
      op.label = f.i64();
      for (int d = 0; d < n; ++d) op.stride[d] = f.i64();
    }
  }
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      int64_t at[kMaxIndexDims], rest = p, sum = 0;
      for (int d = n - 1; d >= 0; --d) {
        at[d] = rest % size[d];
        rest /= size[d];
      }
      for (int o = 0; o < k; ++o) {
        const Operand& op = operand[o];
        int64_t offset = 0;
        for (int d = 0; d < n; ++d) offset += at[d] * op.stride[d];
        int64_t i = op.index[offset];
        if (i < -op.size || i >= op.size) outOfRange(i, op.label, op.size);
        if (i < 0) i += op.size;
        sum += i * op.factor;
      }
      out[p] = sum;
    }
  }
};

void runLinearIndex(const Kernel&, Frame f) {
  const LinearIndex l(f);
  parallelFor(l.count, 2048, l, 1);
}

// ---- masks ----------------------------------------------------------------------------------------------------------

// Elements of a mask that one piece of work counts or moves.
constexpr int64_t kMaskBlock = 16384;

// Number of set bytes. Bytes count in bytes, as long as these can't overflow.
int64_t countSet(const uint8_t* mask, int64_t n) {
  constexpr int64_t kLanes = 64, kRounds = 255;
  int64_t count = 0, i = 0;
  while (n - i >= kLanes) {
    uint8_t lanes[kLanes] = {};
    const int64_t rounds = (n - i) / kLanes < kRounds ? (n - i) / kLanes : kRounds;
    for (int64_t r = 0; r < rounds; ++r, i += kLanes) {
      for (int64_t l = 0; l < kLanes; ++l) lanes[l] = static_cast<uint8_t>(lanes[l] + (mask[i + l] != 0));
    }
    for (int64_t l = 0; l < kLanes; ++l) count += lanes[l];
  }
  for (; i < n; ++i) count += mask[i] != 0;
  return count;
}

// Bit i: whether mask[i] is set, for i < n <= 64.
inline uint64_t setBits(const uint8_t* mask, int64_t n) {
  uint64_t bits = 0;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, mask + i, 8);
    constexpr uint64_t kLow = 0x7f7f7f7f7f7f7f7f;
    const uint64_t set = ((((eight & kLow) + kLow) | eight) & ~kLow) >> 7;  // 1 in each byte that is not 0
    bits |= (set * 0x0102040810204080 >> 56) << i;
  }
  for (; i < n; ++i) bits |= static_cast<uint64_t>(mask[i] != 0) << i;
  return bits;
}
// Calls f(i) for each of n that is set.
template <class F>
HWY_INLINE void forEachSet(const uint8_t* mask, int64_t n, const F& f) {
  for (int64_t i = 0; i < n; i += 64) {
    const int64_t some = n - i < 64 ? n - i : 64;
    for (uint64_t bits = setBits(mask + i, some); bits != 0; bits &= bits - 1) f(i + std::countr_zero(bits));
  }
}

struct CountBlocks {
  const uint8_t* mask;
  int64_t n;
  int64_t* counts;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t from = b * kMaskBlock, to = n - from < kMaskBlock ? n : from + kMaskBlock;
      counts[b] = countSet(mask + from, to - from);
    }
  }
};

// Number of set elements before each block of a mask, and behind the last.
struct Ranks {
  const uint8_t* mask;
  int64_t n, blocks;
  std::vector<int64_t> before;
  Ranks(const uint8_t* mask_, int64_t n_)
      : mask(mask_), n(n_), blocks((n_ + kMaskBlock - 1) / kMaskBlock), before(blocks + 1) {
    parallelFor(blocks, 4, CountBlocks{mask, n, before.data()}, 1);
    int64_t sum = 0;
    for (int64_t b = 0; b <= blocks; ++b) {
      const int64_t count = b < blocks ? before[b] : 0;
      before[b] = sum;
      sum += count;
    }
  }
  int64_t total() const { return before[blocks]; }
};

constexpr char kCountTrueFrame[] = "in mask[n]: b8, n, out count[1]: f64";
void runCountTrue(const Kernel&, Frame f) {
  const uint8_t* mask = f.ptr<const uint8_t>();
  const Ranks ranks(mask, f.i64());
  *f.ptr<double>() = static_cast<double>(ranks.total());
}

// kDims: the number of dims where that is known, else 0.
template <int kDims>
struct NonzeroBlocks {
  const Ranks& ranks;
  int dims_;
  const int64_t* size;
  int64_t* out;
  void operator()(int64_t begin, int64_t end) const {
    const int dims = kDims > 0 ? kDims : dims_;
    const int64_t width = size[dims - 1];
    for (int64_t b = begin; b < end; ++b) {
      int64_t* to = out + ranks.before[b] * dims;
      const int64_t first = b * kMaskBlock, n = ranks.n - first < kMaskBlock ? ranks.n - first : kMaskBlock;
      int64_t at[kMaxMaskDims], row = first / width, start = row * width - first;  // of the row, from the block's first
      for (int d = dims - 2; d >= 0; --d) {
        at[d] = row % size[d];
        row /= size[d];
      }
      forEachSet(ranks.mask + first, n, [&](int64_t p) {
        while (p - start >= width) {
          start += width;
          for (int d = dims - 2; d >= 0 && ++at[d] == size[d]; --d) at[d] = 0;
        }
        for (int d = 0; d < dims - 1; ++d) *to++ = at[d];
        *to++ = p - start;
      });
    }
  }
};

// places [count, dims]
constexpr char kNonzeroFrame[] = "in mask[n]: b8, n, dims, sizes[dims], out places: i64";
void runNonzero(const Kernel&, Frame f) {
  const uint8_t* mask = f.ptr<const uint8_t>();
  const Ranks ranks(mask, f.i64());
  const int dims = f.count(kMaxMaskDims);
  int64_t size[kMaxMaskDims];
  for (int d = 0; d < dims; ++d) size[d] = f.i64();
  int64_t* out = f.ptr<int64_t>();
  switch (dims) {
    case 0:  // one row without columns, or none
      return;
    case 1:
      return parallelFor(ranks.blocks, 1, NonzeroBlocks<1>{ranks, dims, size, out}, 1);
    case 2:
      return parallelFor(ranks.blocks, 1, NonzeroBlocks<2>{ranks, dims, size, out}, 1);
    default:
      return parallelFor(ranks.blocks, 1, NonzeroBlocks<0>{ranks, dims, size, out}, 1);
  }
}

// Where `pack`: packed[rank] = spread[p], else spread[p] = packed[rank], for the p that are set.
template <class T>
struct MoveMasked {
  const Ranks& ranks;
  T *spread, *packed;
  bool pack;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * kMaskBlock, n = ranks.n - first < kMaskBlock ? ranks.n - first : kMaskBlock;
      T *at = packed + ranks.before[b], *side = spread + first;
      if (pack) {
        forEachSet(ranks.mask + first, n, [&](int64_t p) { *at++ = side[p]; });
      } else {
        forEachSet(ranks.mask + first, n, [&](int64_t p) { side[p] = *at++; });
      }
    }
  }
};

template <class T>
void moveMasked(const Ranks& ranks, void* spread, void* packed, bool pack) {
  parallelFor(ranks.blocks, 1, MoveMasked<T>{ranks, static_cast<T*>(spread), static_cast<T*>(packed), pack}, 1);
}

// Packing reads `spread` and writes `packed`, else it is the other way.
constexpr char kMoveMaskedFrame[] =
    "bytes, in mask[n]: b8, n, inout spread[n]: any, inout packed[room]: any, room, pack";
void runMoveMasked(const Kernel&, Frame f) {
  const int64_t bytes = f.i64();
  const uint8_t* mask = f.ptr<const uint8_t>();
  const Ranks ranks(mask, f.i64());
  void* spread = f.ptr<void>();
  void* packed = f.ptr<void>();
  const int64_t room = f.i64();
  if (room < ranks.total()) {
    throw KernelError("shape", "the mask selects " + std::to_string(ranks.total()) +
                                   " elements, but the source has only " + std::to_string(room));
  }
  const bool pack = f.flag();
  switch (bytes) {
    case 1:
      return moveMasked<uint8_t>(ranks, spread, packed, pack);
    case 2:
      return moveMasked<uint16_t>(ranks, spread, packed, pack);
    case 4:
      return moveMasked<uint32_t>(ranks, spread, packed, pack);
    default:
      return moveMasked<uint64_t>(ranks, spread, packed, pack);
  }
}

// ---- blocks ---------------------------------------------------------------------------------------------------------

// Bytes that one piece of work copies.
constexpr int64_t kBlockBytes = int64_t{1} << 17;

struct CopyRows {
  int64_t bytes, pieces, outStride, inStride;
  char* out;
  const char* in;
  // Pieces, counted through the rows.
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t row = p / pieces, piece = p - row * pieces;
      const int64_t from = bytes * piece / pieces, to = bytes * (piece + 1) / pieces;
      std::memcpy(out + row * outStride + from, in + row * inStride + from, static_cast<size_t>(to - from));
    }
  }
};

// What cat and stack are made of; bytes of a row, and where rows go and how far they are apart in bytes.
constexpr char kCopyRowsFrame[] =
    "rows, bytes, out to: any strided, toOffset, toStride, in from: any strided, fromStride";
void runCopyRows(const Kernel&, Frame f) {
  CopyRows c;
  const int64_t rows = f.i64();
  c.bytes = f.i64();
  c.out = f.ptr<char>();
  c.out += f.i64();
  c.outStride = f.i64();
  c.in = f.ptr<const char>();
  c.inStride = f.i64();
  if (c.bytes == 0) return;
  c.pieces = (c.bytes + kBlockBytes - 1) / kBlockBytes;
  parallelFor(rows * c.pieces, kBlockBytes * c.pieces / c.bytes + 1, c, 1);
}

// ---- triangles ------------------------------------------------------------------------------------------------------

template <class T>
struct Triangle {
  int64_t rows, columns, diagonal;
  bool upper;
  const T* in;
  T* out;  // may be `in`
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t r = begin; r < end; ++r) {
      int64_t cut = r % rows + diagonal + (upper ? 0 : 1);  // first column of the upper part
      cut = cut < 0 ? 0 : cut > columns ? columns : cut;
      const T* from = in + r * columns;
      T* to = out + r * columns;
      const size_t below = static_cast<size_t>(cut) * sizeof(T), above = static_cast<size_t>(columns - cut) * sizeof(T);
      if (upper) {
        std::memset(to, 0, below);
        if (from != to) std::memcpy(to + cut, from + cut, above);
      } else {
        if (from != to) std::memcpy(to, from, below);
        std::memset(to + cut, 0, above);
      }
    }
  }
};

template <class T>
void triangle(int64_t batch, int64_t rows, int64_t columns, Frame& f) {
  const int64_t diagonal = f.i64();
  const bool upper = f.flag();
  const T* in = f.ptr<const T>();
  T* out = f.ptr<T>();
  parallelFor(batch * rows, 4 * kMoveGrain / columns + 1, Triangle<T>{rows, columns, diagonal, upper, in, out}, 1);
}

constexpr char kTriangleFrame[] =
    "bytes, batch, rows, columns, diagonal, upper, in from[batch*rows*columns]: any, out to[batch*rows*columns]: any";
void runTriangle(const Kernel&, Frame f) {
  const int64_t bytes = f.i64(), batch = f.i64(), rows = f.i64(), columns = f.i64();
  switch (bytes) {
    case 1:
      return triangle<uint8_t>(batch, rows, columns, f);
    case 2:
      return triangle<uint16_t>(batch, rows, columns, f);
    case 4:
      return triangle<uint32_t>(batch, rows, columns, f);
    default:
      return triangle<uint64_t>(batch, rows, columns, f);
  }
}

// ---- the table ------------------------------------------------------------------------------------------------------

#define TENFOLD_SCATTERS(name, Op)                                                                                     \
  {name, DType::f32, runScatter<float, Op>, kScatterFrame}, {name, DType::f64, runScatter<double, Op>, kScatterFrame}, \
      {name, DType::i64, runScatter<int64_t, Op>, kScatterFrame},                                                      \
      {name, DType::i32, runScatter<int32_t, Op>, kScatterFrame},                                                      \
      {name, DType::u8, runScatter<uint8_t, Op>, kScatterFrame},                                                       \
      {name, DType::i8, runScatter<int8_t, Op>, kScatterFrame}, {                                                      \
    name, DType::i16, runScatter<int16_t, Op>, kScatterFrame                                                           \
  }

// clang-format off
const Kernel kIndexKernels[] = {
    {"gather", DType::i64, runGather, kGatherFrame},
    {"scatterSet", DType::i64, runScatterSet, kScatterFrame},
    TENFOLD_SCATTERS("scatterAdd", Add),
    TENFOLD_SCATTERS("scatterMul", Mul),
    TENFOLD_SCATTERS("scatterAmax", Amax),
    TENFOLD_SCATTERS("scatterAmin", Amin),
    {"linearIndex", DType::i64, runLinearIndex, kLinearIndexFrame},
    {"countTrue", DType::b8, runCountTrue, kCountTrueFrame},
    {"nonzero", DType::b8, runNonzero, kNonzeroFrame},
    {"moveMasked", DType::b8, runMoveMasked, kMoveMaskedFrame},
    {"copyRows", DType::i64, runCopyRows, kCopyRowsFrame},
    {"triangle", DType::i64, runTriangle, kTriangleFrame},
};
// clang-format on

}  // namespace

KernelTable indexKernels(int64_t) { return {kIndexKernels, sizeof(kIndexKernels) / sizeof(kIndexKernels[0])}; }

}  // namespace tenfold
