// Factorizations of square matrices, and solves with them: luFactor luSolve cholesky solveTriangular.
//
// All of them halve their matrix until 16 rows or columns are left, so that nearly all work is in products of what the
// halves leave, which gemm/gemm.h computes (S. Toledo, "Locality of reference in LU decomposition with partial
// pivoting", 1997). Matrices are dense, row-major, float32 or float64; batches are shared between the threads, large
// matrices use all of them one after the other. No bit of a result depends on the number of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/linalg.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "gemm/gemm.h"
#include "kernel.h"
#include "kernels/all.h"
#include "kernels/batch-inl.h"
#include "simd/cpu.h"
#include "workspace.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

constexpr int64_t kPanel = 16;   // rows or columns that are not halved further
constexpr int64_t kStrip = 128;  // rows of a symmetric product that are computed together

template <class T>
T magnitude(T x) {
  return x < 0 ? -x : x;
}
template <class T>
void exchange(T* HWY_RESTRICT x, T* HWY_RESTRICT y, int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    const T t = x[k];
    x[k] = y[k];
    y[k] = t;
  }
}
// The first part of `size`: whole panels.
constexpr int64_t half(int64_t size) { return (size / 2 + kPanel - 1) / kPanel * kPanel; }

// c -= op(a) b, where c is [m, n] and b is [k, n]. A copy of b takes the minus.
template <class T>
void subtractProduct(int64_t m, int64_t n, int64_t k, const T* a, int64_t lda, bool transA, const T* b, int64_t ldb,
                     T* c, int64_t ldc) {
  if (m <= 0 || n <= 0 || k <= 0) return;
  T* const minus = static_cast<T*>(workspace(Workspace::negated, static_cast<size_t>(k * n) * sizeof(T)));
  for (int64_t p = 0; p < k; ++p) {
    for (int64_t j = 0; j < n; ++j) minus[p * n + j] = -b[p * ldb + j];
  }
  Gemm<T> g;
  g.m = m, g.n = n, g.k = k;
  g.a = a, g.lda = lda, g.transA = transA;
  g.b = minus, g.ldb = n;
  g.c = c, g.ldc = ldc, g.accumulate = true;
  gemm(g, HWY_TARGET);
}

// ---- triangles ------------------------------------------------------------------------------------------------------

// op(a), a triangle; `upper` says which after the turning.
template <class T>
struct Triangle {
  const T* at;
  int64_t ld;
  bool turned, upper, unit;  // unit: its diagonal is ones, whatever memory holds
  const T* block(int64_t i, int64_t j) const { return turned ? at + j * ld + i : at + i * ld + j; }
};

// Rows [i0, i0 + rows) of a triangle, at most kPanel, in the order in which they are solved: top down, or for an upper
// one bottom up.
template <class T>
struct Block {
  T factor[kPanel][kPanel];
  T diagonal[kPanel];  // reciprocals, unless `divides`
  int64_t rows;
  bool upper, unit, divides = false;

  Block(const Triangle<T>& t, int64_t i0, int64_t rows_) : rows(rows_), upper(t.upper), unit(t.unit) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t p = 0; p < r; ++p) factor[r][p] = *t.block(i0 + place(r), i0 + place(p));
    }
    if (unit) return;
    // A vector of quotients takes as long as 32 of its products. Reciprocals of denormal numbers overflow.
    for (int64_t r = 0; r < rows; ++r) {
      diagonal[r] = *t.block(i0 + place(r), i0 + place(r));
      divides = divides || magnitude(diagonal[r]) < 4 * std::numeric_limits<T>::min();
    }
    for (int64_t r = 0; r < rows && !divides; ++r) diagonal[r] = 1 / diagonal[r];
  }
  int64_t place(int64_t r) const { return upper ? rows - 1 - r : r; }

  // One vector of columns of b, which begins at the block's first row.
  void solveVector(T* b, int64_t ldb) const {
    const hn::ScalableTag<T> d;
    hn::Vec<decltype(d)> x[kPanel];
    for (int64_t r = 0; r < rows; ++r) x[r] = hn::LoadU(d, b + place(r) * ldb);
    for (int64_t p = 0; p < rows; ++p) {
      const auto pivot = hn::Set(d, unit ? T{1} : diagonal[p]);
      if (!unit) x[p] = divides ? hn::Div(x[p], pivot) : hn::Mul(x[p], pivot);
      for (int64_t r = p + 1; r < rows; ++r) x[r] = hn::NegMulAdd(hn::Set(d, factor[r][p]), x[p], x[r]);
    }
    for (int64_t r = 0; r < rows; ++r) hn::StoreU(x[r], d, b + place(r) * ldb);
  }

  void solve(T* b, int64_t ldb, int64_t columns) const {
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
    int64_t j = 0;
    for (; j + lanes <= columns; j += lanes) solveVector(b + j, ldb);
    if (j == columns) return;
    T rest[kPanel * HWY_MAX_BYTES / sizeof(T)];
    std::memset(rest, 0, static_cast<size_t>(rows * lanes) * sizeof(T));
    const auto bytes = static_cast<size_t>(columns - j) * sizeof(T);
    for (int64_t r = 0; r < rows; ++r) std::memcpy(rest + r * lanes, b + r * ldb + j, bytes);
    solveVector(rest, lanes);
    for (int64_t r = 0; r < rows; ++r) std::memcpy(b + r * ldb + j, rest + r * lanes, bytes);
  }
};

// b = t^-1 b for rows [i0, i1) of t and b. `identity`: t is lower and b was the identity, whose row i becomes 0 behind
// column i.
template <class T>
void solveRows(const Triangle<T>& t, int64_t i0, int64_t i1, T* b, int64_t ldb, int64_t columns, bool identity) {
  if (i1 - i0 <= kPanel) return Block<T>(t, i0, i1 - i0).solve(b + i0 * ldb, ldb, identity ? i1 : columns);
  const int64_t mid = i0 + half(i1 - i0);
  if (t.upper) {
    solveRows(t, mid, i1, b, ldb, columns, false);
    subtractProduct(mid - i0, columns, i1 - mid, t.block(i0, mid), t.ld, t.turned, b + mid * ldb, ldb, b + i0 * ldb,
                    ldb);
    solveRows(t, i0, mid, b, ldb, columns, false);
  } else {
    solveRows(t, i0, mid, b, ldb, columns, identity);
    subtractProduct(i1 - mid, identity ? mid : columns, mid - i0, t.block(mid, i0), t.ld, t.turned, b + i0 * ldb, ldb,
                    b + mid * ldb, ldb);
    solveRows(t, mid, i1, b, ldb, columns, identity);
  }
}
template <class T>
void solveTriangle(const Triangle<T>& t, int64_t n, T* b, int64_t ldb, int64_t columns, bool identity = false) {
  if (n > 0 && columns > 0) solveRows(t, 0, n, b, ldb, columns, identity);
}

// ---- LU -------------------------------------------------------------------------------------------------------------

template <class T>
struct Lu {
  int64_t n;
  T* a;                  // [n, n]; becomes L below the diagonal (its own is ones) and U
  int64_t* permutation;  // row i of L U is row permutation[i] of the matrix
  T parity;              // of the permutation: 1 or -1
  int64_t zeroPivot;     // number of the first pivot that is 0, from 1 on; 0: none

  void exchangeRows(int64_t i, int64_t j) {
    exchange(a + i * n, a + j * n, n);
    exchange(permutation + i, permutation + j, 1);
    parity = -parity;
  }

  // Columns [j0, j0 + width), width <= kPanel, in a copy whose rows are kPanel apart: rows of `a` may be a multiple of
  // 4 KB apart, and drive each other out of the caches.
  void factorPanel(int64_t j0, int64_t width) {
    const int64_t rows = n - j0;
    T* const panel = static_cast<T*>(workspace(Workspace::panel, static_cast<size_t>(rows * kPanel) * sizeof(T)));
    const auto bytes = static_cast<size_t>(width) * sizeof(T);
    for (int64_t i = 0; i < rows; ++i) {
      if (width < kPanel) std::memset(panel + i * kPanel, 0, kPanel * sizeof(T));
      std::memcpy(panel + i * kPanel, a + (j0 + i) * n + j0, bytes);
    }
    int64_t best = 0;
    for (int64_t i = 1; i < rows; ++i) {
      if (magnitude(panel[i * kPanel]) > magnitude(panel[best * kPanel])) best = i;
    }
    for (int64_t k = 0; k < width; ++k) {
      T* const row = panel + k * kPanel;
      if (best != k) {
        exchange(row, panel + best * kPanel, kPanel);
        exchangeRows(j0 + k, j0 + best);
      }
      if (row[k] == 0 && zeroPivot == 0) zeroPivot = j0 + k + 1;
      best = eliminate(panel, k, width, rows);
    }
    for (int64_t i = 0; i < rows; ++i) std::memcpy(a + (j0 + i) * n + j0, panel + i * kPanel, bytes);
  }

  // Column k of a panel below its pivot; returns the row of the next column's pivot. A column of zeros stays.
  static int64_t eliminate(T* panel, int64_t k, int64_t width, int64_t rows) {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), next = k + 1 < kPanel ? k + 1 : k;
    const T pivot = panel[k * kPanel + k];
    HWY_ALIGN T pivotRow[kPanel];
    for (int64_t c = 0; c < kPanel; ++c) pivotRow[c] = c > k ? panel[k * kPanel + c] : T{0};
    int64_t best = k + 1;
    T size = -1;
    for (int64_t i = k + 1; i < rows; ++i) {
      T* const row = panel + i * kPanel;
      if (pivot != 0) {
        const T factor = row[k] / pivot;
        const auto f = hn::Set(d, factor);
        for (int64_t c = next / lanes * lanes; c < width; c += lanes) {
          hn::StoreU(hn::NegMulAdd(f, hn::Load(d, pivotRow + c), hn::LoadU(d, row + c)), d, row + c);
        }
        row[k] = factor;
      }
      if (magnitude(row[next]) > size) size = magnitude(row[next]), best = i;
    }
    return best;
  }

  void factorColumns(int64_t j0, int64_t j1) {
    if (j1 - j0 <= kPanel) return factorPanel(j0, j1 - j0);
    const int64_t mid = j0 + half(j1 - j0);
    factorColumns(j0, mid);
    solveTriangle(Triangle<T>{a + j0 * n + j0, n, false, false, true}, mid - j0, a + j0 * n + mid, n, j1 - mid);
    subtractProduct(n - mid, j1 - mid, mid - j0, a + mid * n + j0, n, false, a + j0 * n + mid, n, a + mid * n + mid, n);
    factorColumns(mid, j1);
  }
};

// ---- Cholesky -------------------------------------------------------------------------------------------------------

// a = U^T U from the upper triangle, which becomes U. Returns the number of the first leading minor that isn't
// positive, from 1 on; 0: all are.
template <class T>
struct Cholesky {
  int64_t n;
  T* a;

  int64_t factorBlock(int64_t j0, int64_t j1) const {
    const hn::ScalableTag<T> d;
    const int64_t size = j1 - j0, lanes = static_cast<int64_t>(hn::Lanes(d));
    HWY_ALIGN T u[kPanel][kPanel];
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < kPanel; ++j) u[i][j] = i <= j && j < size ? a[(j0 + i) * n + j0 + j] : T{0};
    for (int64_t k = 0; k < size; ++k) {
      if (!(u[k][k] > 0)) return j0 + k + 1;
      const T root = std::sqrt(u[k][k]);
      for (int64_t j = k; j < size; ++j) u[k][j] /= root;
      u[k][k] = root;
      for (int64_t i = k + 1; i < size; ++i) {
        const auto f = hn::Set(d, u[k][i]);
        for (int64_t c = i / lanes * lanes; c < size; c += lanes)
          hn::Store(hn::NegMulAdd(f, hn::Load(d, &u[k][c]), hn::Load(d, &u[i][c])), d, &u[i][c]);
      }
    }
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = i; j < size; ++j) a[(j0 + i) * n + j0 + j] = u[i][j];
    return 0;
  }

  int64_t factor(int64_t j0, int64_t j1) const {
    if (j1 - j0 <= kPanel) return factorBlock(j0, j1);
    const int64_t mid = j0 + half(j1 - j0), rows = mid - j0;
    if (const int64_t minor = factor(j0, mid)) return minor;
    T* const right = a + j0 * n + mid;
    solveTriangle(Triangle<T>{a + j0 * n + j0, n, true, false, false}, rows, right, n, j1 - mid);
    for (int64_t i = mid; i < j1; i += kStrip) {
      const int64_t count = j1 - i < kStrip ? j1 - i : kStrip;
      subtractProduct(count, j1 - i, rows, a + j0 * n + i, n, true, a + j0 * n + i, n, a + i * n + i, n);
    }
    return factor(mid, j1);
  }
};

// ---- kernels --------------------------------------------------------------------------------------------------------

template <class T>
struct LuFactorTask {
  int64_t n;
  T* a;
  int64_t* permutation;
  T* parity;
  int64_t* zeroPivot;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      Lu<T> lu{n, a + i * n * n, permutation + i * n, T{1}, 0};
      for (int64_t k = 0; k < n; ++k) lu.permutation[k] = k;
      lu.factorColumns(0, n);
      parity[i] = lu.parity;
      zeroPivot[i] = lu.zeroPivot;
    }
  }
};

// See Lu.
constexpr char kLuFactorFrame[] =
    "batch, n, inout a[batch*n*n], out permutation[batch*n]: i64, out parity[batch], out zeroPivot[batch]: i64";
template <class T>
void runLuFactor(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), n = f.i64();
  LuFactorTask<T> task{n, f.ptr<T>(), nullptr, nullptr, nullptr};
  task.permutation = f.ptr<int64_t>();
  task.parity = f.ptr<T>();
  task.zeroPivot = f.ptr<int64_t>();
  overBatch(batch, n * n * n / 3, task);
}

template <class T>
struct LuSolveTask {
  int64_t n, columns;
  const T* lu;
  int64_t luStride;
  const int64_t* permutation;
  int64_t permutationStride;
  const T* b;
  int64_t bStride;
  T* out;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const T* const factors = lu + i * luStride;
      const int64_t* const rows = permutation + i * permutationStride;
      T* const x = out + i * n * columns;
      const Triangle<T> lower{factors, n, false, false, true}, upper{factors, n, false, true, false};
      if (!b) {
        invert(lower, upper, rows, x);
        continue;
      }
      for (int64_t k = 0; k < n; ++k)
        std::memcpy(x + k * columns, b + i * bStride + rows[k] * columns, static_cast<size_t>(columns) * sizeof(T));
      solveTriangle(lower, n, x, columns, columns);
      solveTriangle(upper, n, x, columns, columns);
    }
  }
  // U^-1 L^-1, whose columns then go where the permutation has them from: L^-1 costs a third of a full solve.
  void invert(const Triangle<T>& lower, const Triangle<T>& upper, const int64_t* rows, T* x) const {
    std::memset(x, 0, static_cast<size_t>(n * n) * sizeof(T));
    for (int64_t k = 0; k < n; ++k) x[k * n + k] = 1;
    solveTriangle(lower, n, x, n, n, true);
    solveTriangle(upper, n, x, n, n);
    T* const turned = static_cast<T*>(workspace(Workspace::panel, static_cast<size_t>(n) * sizeof(T)));
    for (int64_t k = 0; k < n; ++k) {
      for (int64_t j = 0; j < n; ++j) turned[rows[j]] = x[k * n + j];
      std::memcpy(x + k * n, turned, static_cast<size_t>(n) * sizeof(T));
    }
  }
};

// lu and permutation are luFactor's; a stride of 0 uses one for all. x [batch, n, columns] = a^-1 b, where b is
// [n, columns]; or a^-1 where there is no b (columns = n).
constexpr char kLuSolveFrame[] =
    "batch, n, columns, in lu, luStride, in permutation: i64, permutationStride, in? b, bStride, "
    "out x[batch*n*columns]";
template <class T>
void runLuSolve(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), n = f.i64(), columns = f.i64();
  LuSolveTask<T> task{n, columns, nullptr, 0, nullptr, 0, nullptr, 0, nullptr};
  task.lu = f.ptr<const T>();
  task.luStride = f.i64();
  task.permutation = f.ptr<const int64_t>();
  task.permutationStride = f.i64();
  task.b = f.ptr<const T>();
  task.bStride = f.i64();
  task.out = f.ptr<T>();
  if (n > 0 && columns > 0) overBatch(batch, n * n * columns, task);
}

template <class T>
struct SolveTriangularTask {
  int64_t n, columns;
  Triangle<T> triangle;
  int64_t stride;
  T* x;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      Triangle<T> t = triangle;
      t.at += i * stride;
      solveTriangle(t, n, x + i * n * columns, columns, columns);
    }
  }
};

// x [batch, n, columns] holds b and becomes op(a)^-1 b. aStride of 0: one for all; upper is what op(a) is.
constexpr char kSolveTriangularFrame[] =
    "batch, n, columns, in a: strided, aStride, lda, turned, upper, unit, inout x[batch*n*columns]";
template <class T>
void runSolveTriangular(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), n = f.i64(), columns = f.i64();
  const T* const a = f.ptr<const T>();
  const int64_t stride = f.i64(), ld = f.i64();
  const bool turned = f.flag(), upper = f.flag(), unit = f.flag();
  const SolveTriangularTask<T> task{n, columns, {a, ld, turned, upper, unit}, stride, f.ptr<T>()};
  if (n > 0 && columns > 0) overBatch(batch, n * n * columns / 2, task);
}

// Copies the lower triangle of a [n, n] over the upper one, or the upper one over the lower one; in squares, as rows
// may be a multiple of 4 KB apart.
template <class T>
void mirror(int64_t n, T* a, bool upward) {
  constexpr int64_t kSquare = 16;
  for (int64_t i0 = 0; i0 < n; i0 += kSquare) {
    for (int64_t j0 = 0; j0 <= i0; j0 += kSquare) {
      for (int64_t i = i0; i < i0 + kSquare && i < n; ++i) {
        for (int64_t j = j0; j < j0 + kSquare && j < i; ++j) {
          if (upward) {
            a[j * n + i] = a[i * n + j];
          } else {
            a[i * n + j] = a[j * n + i];
          }
        }
      }
    }
  }
}

template <class T>
struct CholeskyTask {
  int64_t n;
  bool upper;
  T* a;
  int64_t* minor;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t q = begin; q < end; ++q) {
      T* const at = a + q * n * n;
      if (!upper) mirror(n, at, true);
      minor[q] = Cholesky<T>{n, at}.factor(0, n);
      if (!upper) mirror(n, at, false);
      for (int64_t i = 0; i < n; ++i) {
        T* const row = at + i * n;
        const int64_t zeros = upper ? i : n - 1 - i;
        std::memset(upper ? row : row + i + 1, 0, static_cast<size_t>(zeros) * sizeof(T));
      }
    }
  }
};

// The upper triangle is read and becomes U of a = U^T U, or the lower one L of a = L L^T; the other becomes zeros.
// minor: the first leading minor that isn't positive, 0 where all are.
constexpr char kCholeskyFrame[] = "batch, n, upper, inout a[batch*n*n], out minor[batch]: i64";
template <class T>
void runCholesky(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), n = f.i64();
  const bool upper = f.flag();
  CholeskyTask<T> task{n, upper, f.ptr<T>(), nullptr};
  task.minor = f.ptr<int64_t>();
  overBatch(batch, n * n * n / 6, task);
}

}  // namespace

extern const Kernel kLinalg[];
const Kernel kLinalg[] = {
    {"luFactor", DType::f32, runLuFactor<float>, kLuFactorFrame},
    {"luFactor", DType::f64, runLuFactor<double>, kLuFactorFrame},
    {"luSolve", DType::f32, runLuSolve<float>, kLuSolveFrame},
    {"luSolve", DType::f64, runLuSolve<double>, kLuSolveFrame},
    {"solveTriangular", DType::f32, runSolveTriangular<float>, kSolveTriangularFrame},
    {"solveTriangular", DType::f64, runSolveTriangular<double>, kSolveTriangularFrame},
    {"cholesky", DType::f32, runCholesky<float>, kCholeskyFrame},
    {"cholesky", DType::f64, runCholesky<double>, kCholeskyFrame},
};
constexpr size_t kLinalgCount = sizeof(kLinalg) / sizeof(kLinalg[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable linalgKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kLinalg), HWY_NAMESPACE::kLinalgCount};
}
}  // namespace tenfold
#endif
