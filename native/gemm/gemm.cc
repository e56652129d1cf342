// The packed product: blocks of k and of columns that fit the caches, cut into tiles that the threads share.
//
// Where OpenBLAS is linked and is the faster one, it computes instead: gemm/blas.h. How both compare is in
// docs/architecture.md, measured by bench/native/gemm_bench.cc.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gemm/gemm.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <type_traits>
#include <utility>

#include "gemm/blas.h"
#include "gemm/dot-inl.h"
#include "gemm/gemm.h"
#include "gemm/micro-inl.h"
#include "gemm/pack-inl.h"
#include "kernel.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "workspace.h"

#ifndef TENFOLD_GEMM_FNS_
#define TENFOLD_GEMM_FNS_
namespace tenfold {
struct GemmFns {  // what each target exports
  void (*f32)(const Gemm<float>&);
  void (*f64)(const Gemm<double>&);
  void (*packedF32)(const Gemm<float>&);
  void (*packedF64)(const Gemm<double>&);
  void (*i64)(const Gemm<int64_t>&);
  void (*i32)(const Gemm<int32_t>&);
};
}  // namespace tenfold
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// A panel of b is packed, kDepth long, and read for a group of row panels of a, that together fill a part of L2; while
// they are computed the next panel is fetched. Long panels are worth it: c is read and written once for each, and L2's
// reads are hidden. Measured with AVX-512, one thread, against depths of 512 and packing in a pass of its own: 12 % at
// 512, 9 % at 128 x 784 x 512.
constexpr int64_t kDepth = 1024;
constexpr int64_t kGroupBytes = 512 << 10;  // of a, for each thread
// A b of this size is read where it lies by every group, and packed by each thread for itself; a larger one is packed
// once, in blocks that all threads share.
constexpr int64_t kOwnBytes = 1280 << 10;
constexpr int64_t kBlockBytes = 4096 << 10;
static_assert(kGroupBytes >= kMaxRows * kDepth * 8);
// Multiply-adds that are worth a thread: about 10 us with AVX-512.
constexpr int64_t kGrainWork = 1 << 20;

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
// Where part i begins, of n things in `parts` parts that differ by one at most.
constexpr int64_t cut(int64_t n, int64_t parts, int64_t i) { return n / parts * i + least(i, n % parts); }
// The same for many i: a division costs as much as a row of a tile.
struct Cuts {
  Cuts(int64_t n, int64_t parts) : count(parts), each(n / parts), longer(n % parts) {}
  int64_t count, each, longer;
  int64_t at(int64_t i) const { return each * i + least(i, longer); }
};

// A factor, seen along its index i (rows of op(a), columns of op(b)) and k: element (i, p) is at[p * ld + i], or
// at[i * ld + p] where it is `turned`.
template <class T>
struct Factor {
  const T* at;
  int64_t ld;
  bool turned;
  Packer<T> packer;
};

// c[i, j] = sum over p of left(i, p) * right(j, p), …: a Gemm item, or that of its transpose.
template <class T>
struct Product {
  int64_t item, m, n, k;
  Factor<T> left, right;  // left is broadcast, right is read in vectors
  TileOut<T> out;

  TileOut<T> outAt(int64_t i, int64_t j, bool first, bool last) const {
    return {out.c + i * out.row + j * out.column,
            out.row,
            out.column,
            out.add || !first,
            last && out.columnBias ? out.columnBias + j : nullptr,
            last && out.rowBias ? out.rowBias + i : nullptr,
            last && out.relu};
  }
};

template <class T>
Product<T> productOf(const Gemm<T>& g, int64_t item) {
  const T* const bias = g.bias;
  return {item,
          g.m,
          g.n,
          g.k,
          {g.a + item * g.aStride, g.lda, !g.transA, g.packA},
          {g.b + item * g.bStride, g.ldb, g.transB, g.packB},
          {g.c + item * g.cStride, g.ldc, 1, g.accumulate, g.biasKind == Bias::column ? bias : nullptr,
           g.biasKind == Bias::row ? bias : nullptr, g.activation == Activation::relu}};
}

template <class T>
Product<T> transposed(const Product<T>& p) {
  return {p.item,
          p.n,
          p.m,
          p.k,
          p.right,
          p.left,
          {p.out.c, p.out.column, p.out.row, p.out.add, p.out.rowBias, p.out.columnBias, p.out.relu}};
}

// Where tiles read right's panels.
enum class Panels {
  inPlace,  // where they lie; the last one packed, if it is no whole number of vectors and the target has no masks
  own,      // packed by the thread that needs one, for one group of rows
  shared,   // packed by the first group of rows, for all
};

// One block of k and of columns. Its pieces are groups of row panels by column panels, numbered group by group, so that
// a thread's run of them keeps its group of left.
template <class T>
struct Section {
  const Product<T>& x;
  int64_t p0, depth, j0, columns;
  Cuts rows, groups, vectors;  // rows into row panels, those into groups, vectors of columns into column panels
  Panels panels;
  T* packed;  // shared: the panels one after the other; inPlace: the last panel, or nullptr

  int64_t panelAt(int64_t j) const { return vectors.at(j) * kLanes<T>; }
  int64_t rowAt(int64_t row) const { return rows.at(row); }
  int64_t pieces() const { return groups.count * vectors.count; }
  const T* rightAt(int64_t j) const { return x.right.at + p0 * x.right.ld + j0 + panelAt(j); }
  bool straight() const { return !x.right.packer && !x.right.turned; }

  void packRight(int64_t j, T* to) const {
    const int64_t begin = panelAt(j), width = panelAt(j + 1) - begin, count = least(columns - begin, width);
    const int64_t at = j0 + begin;
    const Factor<T>& f = x.right;
    if (f.packer) {
      f.packer.fn(f.packer.context, x.item, to, width, p0, p0 + depth, at, at + count);
    } else if (f.turned) {
      packTurned(to, width, f.at + at * f.ld + p0, f.ld, depth, count);
    } else {
      packStraight(to, width, f.at + p0 * f.ld + at, f.ld, depth, count);
    }
  }

  // Row panels [begin, end), one after the other. Where left is straight they are packed side by side, a few steps of k
  // at a time: a panel is less wide than a cache line, which then is fetched once for all that share it.
  void packLeft(int64_t begin, int64_t end, T* to) const {
    const Factor<T>& f = x.left;
    const int64_t i0 = rowAt(begin), step = f.packer ? depth : 32;
    for (int64_t p = 0; p < depth; p += step) {
      const int64_t count = least(step, depth - p);
      for (int64_t row = begin; row < end; ++row) {
        const int64_t at = rowAt(row), rows = rowAt(row + 1) - at;
        T* const out = to + (at - i0) * depth + p * rows;
        if (f.packer) {
          f.packer.fn(f.packer.context, x.item, out, rows, p0, p0 + depth, at, at + rows);
        } else {
          kPackRows<T>[static_cast<size_t>(rows - 1)](out, f.at + (p0 + p) * f.ld + at, f.ld, count);
        }
      }
    }
  }

  // What tile number `row` of a group fetches while it works on column panel j: a share of panel j + 1.
  Ahead<T> fetches(int64_t row, int64_t j, bool isPacked) const {
    const int64_t lanes = kLanes<T>, next = panelAt(j + 1), wide = (panelAt(j + 2) - next) / lanes;
    if (isPacked) {
      return row < wide ? Ahead<T>{false, nullptr, packed + (next + row * lanes) * depth, lanes} : Ahead<T>{};
    }
    const int64_t v = row - 1;  // the first tile keeps
    if (!straight() || v < 0 || v >= wide) return {};
    return {false, nullptr, rightAt(j + 1) + v * lanes, x.right.ld};
  }

  // Row panels [begin, end), which are packed in `group` or read where they lie (nullptr), by column panel j. `fresh`:
  // the panel isn't packed yet.
  void column(int64_t begin, int64_t end, const T* group, int64_t j, bool hasNext, bool fresh) const {
    const int64_t at = panelAt(j), width = panelAt(j + 1) - at, count = least(columns - at, width);
    const bool whole = count == width, inPlace = panels == Panels::inPlace;
    const T* b = rightAt(j);
    int64_t bStep = x.right.ld;
    T* panel = panels == Panels::shared ? packed + at * depth : nullptr;
    if (panels == Panels::own) {
      panel = static_cast<T*>(workspace(Workspace::right, static_cast<size_t>(width * depth) * sizeof(T)));
    } else if (inPlace && !whole && !kMasks) {
      panel = packed;
      fresh = false;
    }
    const bool keeps = fresh && !inPlace && whole && straight() && width <= kMaxKeptVectors * kLanes<T>;
    if (panel && fresh && !keeps) packRight(j, panel);
    if (panel && !keeps) b = panel, bStep = width;
    const Factor<T>& f = x.left;
    const bool first = p0 == 0, last = p0 + depth >= x.k;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t i0 = rowAt(row), rows = rowAt(row + 1) - i0;
      const T* const a = group      ? group + (i0 - rowAt(begin)) * depth
                         : f.turned ? f.at + i0 * f.ld + p0
                                    : f.at + p0 * f.ld + i0;
      const bool keep = keeps && row == begin;
      Ahead<T> ahead = hasNext ? fetches(row - begin, j, panels == Panels::shared && !fresh) : Ahead<T>{};
      if (keep) ahead = {false, panel, nullptr, 0};
      ahead.padded = b == panel;
      tile(static_cast<int>(rows), static_cast<int>(width / kLanes<T>), count, depth, a, group || !f.turned ? 1 : f.ld,
           group      ? rows
           : f.turned ? 1
                      : f.ld,
           b, bStep, x.outAt(i0, j0 + at, first, last), ahead);
      if (keep) b = panel, bStep = width;
    }
  }

  // Pieces [begin, end).
  void run(int64_t begin, int64_t end, bool fresh) const {
    while (begin < end) {
      const int64_t g = begin / vectors.count, from = begin % vectors.count,
                    to = least(vectors.count, from + end - begin);
      const int64_t row = groups.at(g), rowEnd = groups.at(g + 1);
      // A turned left is read where it lies: as fast as from a packed panel, up to 2048.
      T* group = nullptr;
      if (x.left.packer || (!x.left.turned && to - from > 2)) {
        group = static_cast<T*>(
            workspace(Workspace::left, static_cast<size_t>((rowAt(rowEnd) - rowAt(row)) * depth) * sizeof(T)));
        packLeft(row, rowEnd, group);
      }
      for (int64_t j = from; j < to; ++j) column(row, rowEnd, group, j, j + 1 < to, fresh);
      begin += to - from;
    }
  }
};

template <class T>
struct SectionTask {
  const Section<T>& s;
  int64_t at;
  bool fresh;
  void operator()(int64_t begin, int64_t end) const { s.run(at + begin, at + end, fresh); }
};

// How wide tiles are: all of n where it is narrow, and otherwise 3 vectors.
inline int tileVectors(int64_t m, int64_t vectors) {
  if (m <= maxRows(kMaxVectors)) return kMaxVectors;
  if (kSums < 24) return static_cast<int>(least(vectors, 2));
  return vectors <= 4 ? static_cast<int>(vectors) : 3;
}

// maxRows(vectors)
constexpr int kHighest[] = {0,          maxRows(1), maxRows(2), maxRows(3), maxRows(4),
                            maxRows(5), maxRows(6), maxRows(7), maxRows(8)};

// How a product is cut. Threads may change it: they don't change what is added to what, and in which order.
struct Plan {
  int wide;  // vectors of a column panel, at most
  int64_t rowPanels, groups, columnPanels;
  Panels panels;
};

template <class T>
Plan planOf(const Product<T>& x, int64_t depth) {
  constexpr int64_t size = sizeof(T);
  const int64_t vectors = ceilDiv(x.n, kLanes<T>), threads = numThreads();
  const int wide = tileVectors(x.m, vectors), high = maxRows(wide);
  Plan p{wide, ceilDiv(x.m, high), 1, ceilDiv(vectors, wide), Panels::shared};
  p.groups = ceilDiv(p.rowPanels, most(1, kGroupBytes / size / most(depth, 1) / high));
  const bool straight = !x.right.packer && !x.right.turned, few = p.columnPanels < 2 * threads && threads > 1;
  if (straight && p.rowPanels < 2) {
    p.panels = Panels::inPlace;
  } else if (straight ? p.groups == 1 || depth * x.n * size <= kOwnBytes : p.groups == 1 && !few) {
    p.panels = Panels::own;
  }
  if (threads == 1) return p;
  // Pieces for all threads, and that end together.
  if (p.panels == Panels::own && !straight) {
    if (p.columnPanels < 8 * threads) p.columnPanels = least(vectors, ceilDiv(p.columnPanels, threads) * threads);
  } else if (p.groups * p.columnPanels < 8 * threads) {
    p.groups = most(p.groups, least(most(p.rowPanels / 4, 1), ceilDiv(8 * threads, p.columnPanels)));
  }
  return p;
}

template <class T>
void tiled(const Product<T>& x) {
  constexpr int64_t size = sizeof(T);
  const int64_t depths = most(ceilDiv(x.k, kDepth), 1), depth = ceilDiv(x.k, depths);
  const int64_t allVectors = ceilDiv(x.n, kLanes<T>);
  const auto [wide, rowPanels, groups, allPanels, panels] = planOf(x, depth);
  const int64_t high = maxRows(wide);
  const bool inPlace = panels == Panels::inPlace;
  const int64_t blocks = panels == Panels::shared ? ceilDiv(allVectors, kBlockBytes / size / kDepth / kLanes<T>) : 1;
  const int64_t packedVectors = panels == Panels::shared                ? ceilDiv(allVectors, blocks)
                                : inPlace && !kMasks && x.n % kLanes<T> ? wide
                                                                        : 0;
  T* const packed = packedVectors
                        ? static_cast<T*>(workspace(Workspace::right,
                                                    static_cast<size_t>(packedVectors * kLanes<T> * depth) * sizeof(T)))
                        : nullptr;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t j0 = cut(allVectors, blocks, block) * kLanes<T>;
    const int64_t columns = least(x.n, cut(allVectors, blocks, block + 1) * kLanes<T>) - j0;
    const int64_t vectors = ceilDiv(columns, kLanes<T>),
                  columnPanels = blocks == 1 ? allPanels : ceilDiv(vectors, wide);
    const Cuts rowCuts(x.m, rowPanels), groupCuts(rowPanels, groups), columnCuts(vectors, columnPanels);
    for (int64_t q = 0; q < depths; ++q) {
      const int64_t p0 = q * depth, now = least(depth, x.k - p0);
      const Section<T> s{x, p0, now, j0, columns, rowCuts, groupCuts, columnCuts, panels, packed};
      if (inPlace && packed && columns % kLanes<T>) s.packRight(columnPanels - 1, packed);
      const int64_t pieceWork = ceilDiv(rowPanels, groups) * high * wide * kLanes<T> * most(now, 1);
      const int64_t grain = most(1, kGrainWork / pieceWork);
      const int64_t first = panels == Panels::shared ? columnPanels : s.pieces();
      parallelFor(first, grain, SectionTask<T>{s, 0, true}, 1);
      parallelFor(s.pieces() - first, grain, SectionTask<T>{s, first, false}, 1);
    }
  }
}

// Whether a short product of two transposed factors is better computed as that of the two as they lie, which is c's
// transpose: turning the m rows of c costs less than packing b.
inline bool turnsResult(int64_t m, int64_t k, bool leftTurned, bool rightStraight) {
  return !leftTurned && !rightStraight && m <= 64 && 2 * m <= k;
}

// Products below what is worth a second thread: tiles and nothing else, but for a b that can't be read where it lies.
// What the general way does before its first tile costs 30 ns, as much as a product of 8 x 8.
template <class T>
bool isDirect(const Gemm<T>& g) {
  const auto small = [](int64_t x) { return x <= 128; };
  if (!small(g.m) || !small(g.n) || !small(g.k) || g.packA || g.packB || g.n == 1) return false;
  if (turnsResult(g.m, g.k, !g.transA, !g.transB)) return false;
  return !g.transB || g.m > kMaxDotRows || g.k < 2 * kLanes<T>;
}

template <class T>
void direct(const Gemm<T>& g, int64_t item) {
  constexpr int lanes = static_cast<int>(kLanes<T>);
  const int m = static_cast<int>(g.m), n = static_cast<int>(g.n), vectors = (n + lanes - 1) / lanes;
  const int widest = m <= maxRows(kMaxVectors) ? kMaxVectors : kSums < 24 ? 2 : 4;
  const int panels = vectors <= widest ? 1 : (vectors + widest - 1) / widest;
  const T *const a = g.a + item * g.aStride, *const right = g.b + item * g.bStride;
  T* const c = g.c + item * g.cStride;
  const int64_t aRow = g.transA ? 1 : g.lda, aStep = g.transA ? g.lda : 1;
  const bool row = g.biasKind == Bias::row, column = g.biasKind == Bias::column;
  for (int panel = 0, j = 0; panel < panels; ++panel) {
    const int wide = (vectors + panel) / panels, width = wide * lanes, columns = n - j < width ? n - j : width;
    const T* b = right + (g.transB ? j * g.ldb : j);
    int64_t bStep = g.ldb;
    if (g.transB || (!kMasks && columns < width)) {
      T* const copy = static_cast<T*>(workspace(Workspace::right, static_cast<size_t>(g.k * width) * sizeof(T)));
      (g.transB ? packTurned<T> : packStraight<T>)(copy, width, b, g.ldb, g.k, columns);
      b = copy;
      bStep = width;
    }
    const int rowPanels = m <= kHighest[wide] ? 1 : (m + kHighest[wide] - 1) / kHighest[wide];
    for (int rowPanel = 0, i = 0; rowPanel < rowPanels; ++rowPanel) {
      const int rows = (m + rowPanel) / rowPanels;
      tile(rows, wide, columns, g.k, a + i * aRow, aRow, aStep, b, bStep,
           TileOut<T>{c + i * g.ldc + j, g.ldc, 1, g.accumulate, column ? g.bias + j : nullptr,
                      row ? g.bias + i : nullptr, g.activation == Activation::relu});
      i += rows;
    }
    j += width;
  }
}

template <class T>
struct DotTask {
  const Product<T>& x;
  void operator()(int64_t begin, int64_t end) const {
    constexpr void (*run[])(int64_t, int64_t, const T*, int64_t, const T*, int64_t, TileOut<T>) = {
        dotRows<T, 1>, dotRows<T, 2>, dotRows<T, 3>, dotRows<T, 4>};
    static_assert(sizeof run / sizeof *run == kMaxDotRows);
    run[x.m - 1](end - begin, x.k, x.left.at, x.left.ld, x.right.at + begin * x.right.ld, x.right.ld,
                 x.outAt(0, begin, true, true));
  }
};

template <class T>
void dots(Product<T> x) {
  if (!x.left.turned) {
    T* const copy = static_cast<T*>(workspace(Workspace::right, static_cast<size_t>(x.m * x.k) * sizeof(T)));
    for (int64_t i = 0; i < x.m; ++i) {
      for (int64_t p = 0; p < x.k; ++p) copy[i * x.k + p] = x.left.at[p * x.left.ld + i];
    }
    x.left = {copy, x.k, true, {}};
  }
  parallelFor(x.n, most(16, kGrainWork / 4 / x.k), DotTask<T>{x}, 16);
}

template <class T>
void multiply(const Product<T>& x) {
  const bool packer = x.left.packer || x.right.packer;
  // Vectors along m rather than n where n would leave most of a vector empty and a can be read along m.
  if (!packer && x.m > x.n && (x.n == 1 || (4 * x.n <= 3 * kLanes<T> && !x.left.turned)))
    return multiply(transposed(x));
  if (!packer && x.m > kMaxDotRows && turnsResult(x.m, x.k, x.left.turned, !x.right.turned))
    return tiled(transposed(x));
  if (!packer && x.right.turned && x.m <= kMaxDotRows && x.k >= 2 * kLanes<T>) return dots(x);
  tiled(x);
}

template <class T>
void multiplyItem(const Gemm<T>& g, int64_t item) {
  if (isDirect(g)) {
    direct(g, item);
  } else {
    multiply(productOf(g, item));
  }
}

template <class T>
struct ItemTask {
  const Gemm<T>& g;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) multiplyItem(g, i);
  }
};

template <class T>
void packed(const Gemm<T>& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  if (g.batch == 1) return multiplyItem(g, 0);
  // One b for all, and the rows of a and c follow each other: one taller product.
  if (g.bStride == 0 && !g.transA && g.aStride == g.m * g.lda && g.cStride == g.m * g.ldc && g.biasKind != Bias::row &&
      !g.packA && !g.packB) {
    Gemm<T> tall = g;
    tall.m *= g.batch;
    tall.batch = 1;
    return multiplyItem(tall, 0);
  }
  const int64_t work = g.m * g.n * most(g.k, 1);
  if (g.batch < 4 * numThreads() && work > 16 * kGrainWork) {  // few large items: all threads on one after the other
    for (int64_t i = 0; i < g.batch; ++i) multiplyItem(g, i);
    return;
  }
  parallelFor(g.batch, most(1, kGrainWork / work), ItemTask<T>{g}, 1);
}

template <class T>
void run(const Gemm<T>& g) {
  if (!blasProduct(g, HWY_TARGET)) packed(g);
}

// Integers wrap, as PyTorch's do: the arithmetic is unsigned.
template <class T, class U>
struct IntegerRows {
  const Gemm<T>& g;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t r = begin; r < end; ++r) row(r / g.m, r % g.m);
  }
  void row(int64_t item, int64_t i) const {
    const T* const a = g.a + item * g.aStride + (g.transA ? i : i * g.lda);
    const T* const b = g.b + item * g.bStride;
    U* const c = reinterpret_cast<U*>(g.c + item * g.cStride + i * g.ldc);
    const int64_t aStep = g.transA ? g.lda : 1;
    for (int64_t j = 0; j < g.n; ++j) {
      if (!g.accumulate) c[j] = 0;
      if (g.biasKind != Bias::none) c[j] += static_cast<U>(g.bias[g.biasKind == Bias::row ? i : j]);
    }
    if (g.transB) {
      for (int64_t j = 0; j < g.n; ++j) {
        for (int64_t p = 0; p < g.k; ++p) c[j] += static_cast<U>(a[p * aStep]) * static_cast<U>(b[j * g.ldb + p]);
      }
    } else {
      for (int64_t p = 0; p < g.k; ++p) {
        const U x = static_cast<U>(a[p * aStep]);
        for (int64_t j = 0; j < g.n; ++j) c[j] += x * static_cast<U>(b[p * g.ldb + j]);
      }
    }
    if (g.activation != Activation::relu) return;
    for (int64_t j = 0; j < g.n; ++j) c[j] = static_cast<T>(c[j]) < 0 ? 0 : c[j];
  }
};

template <class T, class U>
void runInteger(const Gemm<T>& g) {
  if (g.packA || g.packB) throw KernelError("TypeError", "matmul: packers are for float32 and float64");
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  parallelFor(g.batch * g.m, most(1, kGrainWork / 16 / (g.n * most(g.k, 1))), IntegerRows<T, U>{g}, 1);
}

// beta is 0 or 1 (c is read, too, which no launch asks for so far), biasKind a Bias, activation an Activation. Strides
// are in elements.
constexpr char kMatmulFrame[] =
    "batch, m, n, k, in a: strided, aStride, lda, transA, in b: strided, bStride, ldb, transB, "
    "out c: strided, cStride, ldc, beta, in? bias, biasKind, activation";
template <class T>
void matmul(const Kernel&, Frame f) {
  Gemm<T> g;
  g.batch = f.i64();
  g.m = f.i64();
  g.n = f.i64();
  g.k = f.i64();
  g.a = f.ptr<T>();
  g.aStride = f.i64();
  g.lda = f.i64();
  g.transA = f.flag();
  g.b = f.ptr<T>();
  g.bStride = f.i64();
  g.ldb = f.i64();
  g.transB = f.flag();
  g.c = f.ptr<T>();
  g.cStride = f.i64();
  g.ldc = f.i64();
  g.accumulate = f.flag();
  g.bias = f.ptr<T>();
  g.biasKind = g.bias ? static_cast<Bias>(f.i64()) : (f.i64(), Bias::none);
  g.activation = static_cast<Activation>(f.i64());
  if constexpr (std::is_integral_v<T>) {
    runInteger<T, std::make_unsigned_t<T>>(g);
  } else {
    run(g);
  }
}

extern const Kernel kGemmKernels[];
const Kernel kGemmKernels[] = {
    {"matmul", DType::f32, matmul<float>, kMatmulFrame},
    {"matmul", DType::f64, matmul<double>, kMatmulFrame},
    {"matmul", DType::i64, matmul<int64_t>, kMatmulFrame},
    {"matmul", DType::i32, matmul<int32_t>, kMatmulFrame},
};

extern const GemmFns kGemm;
const GemmFns kGemm = {run<float>,
                       run<double>,
                       packed<float>,
                       packed<double>,
                       runInteger<int64_t, uint64_t>,
                       runInteger<int32_t, uint32_t>};

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable gemmKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kGemmKernels), 4}; }

template <>
void gemm(const Gemm<float>& g, int64_t target) {
  TENFOLD_FOR_TARGET(target, kGemm)->f32(g);
}
template <>
void gemm(const Gemm<double>& g, int64_t target) {
  TENFOLD_FOR_TARGET(target, kGemm)->f64(g);
}
template <>
void packedGemm(const Gemm<float>& g, int64_t target) {
  TENFOLD_FOR_TARGET(target, kGemm)->packedF32(g);
}
template <>
void packedGemm(const Gemm<double>& g, int64_t target) {
  TENFOLD_FOR_TARGET(target, kGemm)->packedF64(g);
}
template <>
void gemm(const Gemm<int64_t>& g, int64_t target) {
  TENFOLD_FOR_TARGET(target, kGemm)->i64(g);
}
template <>
void gemm(const Gemm<int32_t>& g, int64_t target) {
  TENFOLD_FOR_TARGET(target, kGemm)->i32(g);
}
}  // namespace tenfold
#endif
