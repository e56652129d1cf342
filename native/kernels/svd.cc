// Singular values and vectors of matrices: svd.
//
// A matrix is scaled by a power of two where its squares could overflow or vanish, turned where it is wide, and where
// it is tall replaced by the R of its QR factorization. What is left is made bidiagonal by Householder reflections in
// panels, which leaves half of the work to matrix products (J. Dongarra, S. Hammarling, D. Sorensen, "Block reduction
// of matrices to condensed forms", 1989), and then diagonal by implicit QR sweeps with and without shift (J. Demmel, W.
// Kahan, "Accurate singular values of bidiagonal matrices", 1990), in float64 for float32 matrices too. The sweeps'
// rotations are stored, many sweeps of them, and then applied to a few columns of the vectors at a time, which stay in
// the cache; the reflections follow in blocks, as products. Why not Jacobi's method: docs/architecture.md.
//
// Batches are shared between the threads, products and rotations of large matrices use all of them; no bit of a result
// depends on their number.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/svd.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/batch-inl.h"
#include "kernels/reflections-inl.h"
#include "kernels/sweeps-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

// a [m, n], m >= n, = H_0 H_1 … B (G_0 G_1 …)^T, where B has d [n] on the diagonal and e [n - 1] above it. a is
// overwritten. A panel doesn't change the columns behind it at once: they are a + l^T r, where l and r get two rows for
// each step, (u, -y) for a reflection u from the left and (x, -v) for a reflection v from the right.
template <class T>
struct Bidiagonal {
  int64_t m, n;
  Rows<T> a;
  Reflections<T> left, right;
  double *d, *e;
  Rows<T> l, r;  // [2 kPanel, m], [2 kPanel, n]
  T* w;          // [2 kPanel]

  void reduce() const {
    for (int64_t from = 0; from < n; from += kPanel) {
      const int64_t to = least(from + kPanel, n);
      for (int64_t i = from; i < to; ++i) step(i, 2 * (i - from));
      product<T>(m - to, n - to, 2 * (to - from), l.from(0, to), true, r.from(0, to), false, a.from(to, to), true);
    }
  }

 private:
  // Column and row i, after `done` rows of l and r.
  void step(int64_t i, int64_t done) const {
    const int64_t rows = m - i, columns = n - i - 1;
    const auto size = [](int64_t count) { return static_cast<size_t>(count) * sizeof(T); };
    T *const row = left.v.row(i), *const u = row + i;
    std::memset(row, 0, size(i));
    for (int64_t k = 0; k < rows; ++k) u[k] = a.row(i + k)[i];
    for (int64_t k = 0; k < done; ++k) w[k] = r.row(k)[i];
    addRows(u, rows, l.from(0, i), done, w);
    left.tau[i] = reflect(u, rows, d[i]);
    std::memcpy(l.row(done) + i, u, size(rows));
    T* const y = r.row(done) + i + 1;
    std::memset(y, 0, size(columns));
    if (left.tau[i] != 0 && columns > 0) {
      inBlocks(columns, rows, AddRowsTask<T>{y, columns, a.from(i, i + 1), rows, u});
      dotRows(w, done, l.from(0, i), rows, u);
      addRows(y, columns, r.from(0, i + 1), done, w);
      multiply(y, columns, -left.tau[i]);
    }
    if (columns == 0) return;

    T* const v = right.v.row(i) + i + 1;
    std::memset(right.v.row(i), 0, size(i + 1));
    std::memcpy(v, a.row(i) + i + 1, size(columns));
    for (int64_t k = 0; k <= done; ++k) w[k] = l.row(k)[i];
    addRows(v, columns, r.from(0, i + 1), done + 1, w);
    right.tau[i] = reflect(v, columns, e[i]);
    T *const x = l.row(done + 1) + i + 1, *const minusV = r.row(done + 1) + i + 1;
    std::memset(x, 0, size(rows - 1));
    if (right.tau[i] != 0) {
      inBlocks(rows - 1, columns, DotRowsTask<T>{x, rows - 1, a.from(i + 1, i + 1), columns, v});
      dotRows(w, done + 1, r.from(0, i + 1), columns, v);
      addRows(x, rows - 1, l.from(0, i + 1), done + 1, w);
      multiply(x, rows - 1, right.tau[i]);
    }
    for (int64_t k = 0; k < columns; ++k) minusV[k] = -v[k];
  }
};

// ---- the kernel -----------------------------------------------------------------------------------------------------

enum class Vectors : int { none = 0, reduced = 1, full = 2 };
enum Trouble : int64_t { kFine = 0, kNan = 1, kDiverged = 2 };

template <class T>
void fill(T* x, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) x[i] = value;
}

template <class T>
struct Svd {
  int64_t rows, columns;  // of the matrices
  Vectors vectors;
  // Of what is decomposed: tall [m, n], and after QR [k, n].
  bool turned = columns > rows;
  int64_t m = turned ? columns : rows, n = turned ? rows : columns;
  bool qr = 4 * m >= 7 * n && m > n;  // twice as fast as without from there on
  int64_t k = qr ? n : m;
  int64_t leftRows = vectors == Vectors::full ? m : n;
  int64_t longPitch = pitch<T>(m), shortPitch = pitch<T>(n), innerPitch = pitch<T>(k);

  int64_t bytes() const {
    const auto of = [](int64_t count) { return Memory::bytesOf<T>(count); };
    int64_t sum = of(m * shortPitch) + of(n * innerPitch) + of(n * shortPitch) + 3 * of(n);
    sum += of(2 * kPanel * innerPitch) + of(2 * kPanel * shortPitch) + of(2 * kPanel) + 2 * Memory::bytesOf<double>(n);
    sum += Memory::bytesOf<int64_t>(n) + of(2 * kPanel * leftRows);
    if (qr) sum += of(n * longPitch);
    if (vectors != Vectors::none) {
      sum += of(leftRows * longPitch) + of(n * shortPitch) + 2 * Memory::bytesOf<Rotation<T>>(kStored * n) +
             Memory::bytesOf<Sweep>(kStored * n);
    }
    return sum;
  }

  Trouble run(const T* a, T* s, T* u, T* vh, Memory& memory) const {
    const T most = largestOf(a, rows * columns);
    if (!(most <= std::numeric_limits<T>::max())) {  // of infinities everything is NaN, as in PyTorch
      fill(s, n, std::numeric_limits<T>::quiet_NaN());
      if (vectors != Vectors::none) {
        const bool full = vectors == Vectors::full;
        fill(u, rows * (full ? rows : n), std::numeric_limits<T>::quiet_NaN());
        fill(vh, columns * (full ? columns : n), std::numeric_limits<T>::quiet_NaN());
      }
      return most != most ? kNan : kFine;
    }
    const Rows<T> w{memory.take<T>(m * shortPitch), shortPitch};
    if (turned) {
      transpose<T>(rows, columns, {a, columns}, w);
    } else {
      for (int64_t i = 0; i < m; ++i) std::memcpy(w.row(i), a + i * n, static_cast<size_t>(n) * sizeof(T));
    }
    const int scale = scaleOf(most);
    for (int64_t i = 0; i < m && scale != 0; ++i) scaleRow(w.row(i), n, scale);

    T* const scratch = memory.take<T>(2 * kPanel * leftRows);
    Reflections<T> tall{{nullptr, longPitch}, memory.take<T>(n), n, m, 0};
    if (qr) {
      tall.v.at = memory.take<T>(n * longPitch);
      factorQr(m, n, w, tall, scratch);
      for (int64_t i = 1; i < n; ++i) fill(w.row(i), i, T{0});
    }
    double *const d = memory.take<double>(n), *const e = memory.take<double>(n);
    Bidiagonal<T> b{k, n, w, {}, {}, d, e, {}, {}, nullptr};
    b.left = {{memory.take<T>(n * innerPitch), innerPitch}, memory.take<T>(n), n, k, 0};
    b.right = {{memory.take<T>(n * shortPitch), shortPitch}, memory.take<T>(n), n - 1, n, 1};
    b.l = {memory.take<T>(2 * kPanel * innerPitch), innerPitch};
    b.r = {memory.take<T>(2 * kPanel * shortPitch), shortPitch};
    b.w = memory.take<T>(2 * kPanel);
    b.reduce();

    Rows<T> left{nullptr, longPitch}, right{nullptr, shortPitch};  // the vectors, as rows
    Diagonalize<T> diagonal{n, d, e, nullptr};
    if (vectors == Vectors::none) {
      if (!diagonal.run()) return kDiverged;
    } else {
      left.at = memory.take<T>(leftRows * longPitch);
      right.at = memory.take<T>(n * shortPitch);
      identity(left, leftRows);
      identity(right, n);
      Pending<T> pending{n, left, right, nullptr, nullptr, nullptr};
      pending.leftBy = memory.take<Rotation<T>>(kStored * n);
      pending.rightBy = memory.take<Rotation<T>>(kStored * n);
      pending.sweeps = memory.take<Sweep>(kStored * n);
      diagonal.pending = &pending;
      if (!diagonal.run()) return kDiverged;
      b.left.applyTo(left, qr ? n : leftRows, scratch);
      b.right.applyTo(right, n, scratch);
      if (qr) tall.applyTo(left, leftRows, scratch);
    }

    int64_t* const order = memory.take<int64_t>(n);
    sortFalling(d, order);
    for (int64_t i = 0; i < n; ++i) {
      s[i] = static_cast<T>(std::ldexp(magnitude(d[order[i]]), -scale));
      if (vectors != Vectors::none && std::signbit(d[order[i]])) multiply(right.row(order[i]), n, T{-1});
    }
    if (vectors == Vectors::none) return kFine;
    const Rows<T> scattered = turned ? right : left, straight = turned ? left : right;
    write(scattered, turned ? n : leftRows, rows, order, u, true);
    write(straight, turned ? leftRows : n, columns, order, vh, false);
    return kFine;
  }

 private:
  // Places of d by falling magnitude, equal ones in their order. By insertion: the sweeps leave d almost in order.
  void sortFalling(const double* d, int64_t* order) const {
    for (int64_t i = 0; i < n; ++i) {
      int64_t j = i;
      for (; j > 0 && magnitude(d[order[j - 1]]) < magnitude(d[i]); --j) order[j] = order[j - 1];
      order[j] = i;
    }
  }

  // `count` vectors of `length`, the first n of them in order, as columns or as rows.
  void write(Rows<T> x, int64_t count, int64_t length, const int64_t* order, T* out, bool asColumns) const {
    for (int64_t j0 = 0; j0 < count; j0 += kSquare) {
      const int64_t j1 = least(j0 + kSquare, count);
      for (int64_t i0 = 0; asColumns && i0 < length; i0 += kSquare) {
        for (int64_t j = j0; j < j1; ++j) {
          const T* const from = x.row(j < n ? order[j] : j);
          for (int64_t i = i0; i < least(i0 + kSquare, length); ++i) out[i * count + j] = from[i];
        }
      }
      for (int64_t j = j0; j < j1 && !asColumns; ++j)
        std::memcpy(out + j * length, x.row(j < n ? order[j] : j), static_cast<size_t>(length) * sizeof(T));
    }
  }
};

template <class T>
struct SvdTask {
  Svd<T> svd;
  const T* a;
  T *s, *u, *vh;
  int64_t* trouble;
  void operator()(int64_t begin, int64_t end) const {
    const int64_t rows = svd.rows, columns = svd.columns, n = svd.n;
    const bool full = svd.vectors == Vectors::full;
    const int64_t bytes = svd.bytes();
    for (int64_t i = begin; i < end; ++i) {
      Memory memory(bytes);
      trouble[i] = svd.run(a + i * rows * columns, s + i * n, u + i * rows * (full ? rows : n),
                           vh + i * columns * (full ? columns : n), memory);
    }
  }
};

// vectors: Vectors; trouble: Trouble. s [batch, n], u [batch, rows, n], vh [batch, n, columns], where n is the smaller
// size; with full vectors u is [batch, rows, rows] and vh [batch, columns, columns]. Infinities give NaN.
constexpr char kSvdFrame[] =
    "batch, rows, columns, vectors, in a[batch*rows*columns], out s, out? u, out? vh, out trouble[batch]: i64";
template <class T>
void runSvd(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), rows = f.i64(), columns = f.i64();
  SvdTask<T> task{{rows, columns, static_cast<Vectors>(f.i64())}, f.ptr<const T>(), nullptr, nullptr, nullptr, nullptr};
  task.s = f.ptr<T>();
  task.u = f.ptr<T>();
  task.vh = f.ptr<T>();
  task.trouble = f.ptr<int64_t>();
  const int64_t n = task.svd.n;
  if (n > 0) overBatch(batch, (task.svd.vectors == Vectors::none ? 2 : 8) * task.svd.m * n * n + 500 * n, task);
}

}  // namespace

extern const Kernel kSvd[];
const Kernel kSvd[] = {
    {"svd", DType::f32, runSvd<float>, kSvdFrame},
    {"svd", DType::f64, runSvd<double>, kSvdFrame},
};
constexpr size_t kSvdCount = sizeof(kSvd) / sizeof(kSvd[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable svdKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kSvd), HWY_NAMESPACE::kSvdCount}; }
}  // namespace tenfold
#endif
