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
#include <new>

#include "gemm/gemm.h"
#include "kernel.h"
#include "kernels/all.h"
#include "kernels/batch-inl.h"
#include "kernels/sweeps-inl.h"
#include "simd/cpu.h"
#include "workspace.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

constexpr int64_t kPanel = 32;              // reflections that are applied together
constexpr int64_t kFew = 64;                // multiply-adds that are done in place
constexpr int64_t kBlock = 128;             // rows or columns of a matrix that one thread multiplies with a vector
constexpr int64_t kThreadedWork = 1 << 16;  // multiply-adds of such a block that are worth a thread
constexpr int64_t kSquare = 16;             // of a transposition
constexpr int64_t kLine = 64;               // bytes of a cache line
constexpr int64_t kKept = 8 << 20;          // bytes of working memory that a thread keeps

// Elements from row to row of working memory: an odd number of cache lines. Rows a multiple of 4 KB apart would drive
// each other out of the caches.
template <class T>
int64_t pitch(int64_t columns) {
  constexpr int64_t line = kLine / static_cast<int64_t>(sizeof(T));
  return ((columns + line - 1) / line | 1) * line;
}

// Working memory, handed out in pieces that are aligned to cache lines; what is more than a thread keeps is given back.
class Memory {
 public:
  explicit Memory(int64_t bytes) : kept_(bytes <= kKept) {
    const auto size = static_cast<size_t>(bytes);
    at_ = kept_ ? workspace(Workspace::factors, size)
                : ::operator new(size, std::align_val_t(static_cast<size_t>(kLine)), std::nothrow);
    if (!at_) throw KernelError("memory", "no memory to work with for singular values");
    next_ = static_cast<char*>(at_);
  }
  ~Memory() {
    if (!kept_) ::operator delete(at_, std::align_val_t(static_cast<size_t>(kLine)));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  template <class X>
  X* take(int64_t count) {
    X* const piece = reinterpret_cast<X*>(next_);
    next_ += bytesOf<X>(count);
    return piece;
  }
  template <class X>
  static int64_t bytesOf(int64_t count) {
    return (count * static_cast<int64_t>(sizeof(X)) + kLine - 1) / kLine * kLine;
  }

 private:
  bool kept_;
  void* at_;
  char* next_;
};

// ---- products -------------------------------------------------------------------------------------------------------

// c [m, n] = op(a) op(b), added to it where `add`.
template <class T>
void product(int64_t m, int64_t n, int64_t k, Rows<T> a, bool transA, Rows<T> b, bool transB, Rows<T> c, bool add) {
  if (m <= 0 || n <= 0 || (k <= 0 && add)) return;
  Gemm<T> g;
  g.m = m, g.n = n, g.k = k;
  g.a = a.at, g.lda = a.ld, g.transA = transA;
  g.b = b.at, g.ldb = b.ld, g.transB = transB;
  g.c = c.at, g.ldc = c.ld, g.accumulate = add;
  gemm(g, HWY_TARGET);
}
// y [n] += the sum of w[p] times row p of k rows. Below some size the call of a product costs more than its arithmetic.
template <class T>
void addRows(T* HWY_RESTRICT y, int64_t n, Rows<T> rows, int64_t k, T* HWY_RESTRICT w) {
  if (n * k > kFew) return product<T>(1, n, k, {w, k}, false, rows, false, {y, n}, true);
  for (int64_t p = 0; p < k; ++p) {
    const T* HWY_RESTRICT row = rows.row(p);
    for (int64_t j = 0; j < n; ++j) y[j] += w[p] * row[j];
  }
}
// y[p] = row p of k rows, times x [n].
template <class T>
void dotRows(T* HWY_RESTRICT y, int64_t k, Rows<T> rows, int64_t n, T* HWY_RESTRICT x) {
  if (n * k > kFew) return product<T>(1, k, n, {x, n}, false, rows, true, {y, k}, false);
  for (int64_t p = 0; p < k; ++p) {
    const T* HWY_RESTRICT row = rows.row(p);
    T sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += row[j] * x[j];
    y[p] = sum;
  }
}

// The same for matrices that several threads are worth, in blocks whose cuts don't depend on how many there are.
template <class T>
struct AddRowsTask {
  T* y;
  int64_t n;
  Rows<T> rows;
  int64_t k;
  T* w;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t j = begin * kBlock; j < end * kBlock && j < n; j += kBlock)
      addRows(y + j, least(kBlock, n - j), rows.from(0, j), k, w);
  }
};
template <class T>
struct DotRowsTask {
  T* y;
  int64_t k;
  Rows<T> rows;
  int64_t n;
  T* x;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin * kBlock; p < end * kBlock && p < k; p += kBlock)
      dotRows(y + p, least(kBlock, k - p), rows.from(p, 0), n, x);
  }
};
template <class Task>
void inBlocks(int64_t count, int64_t work, const Task& task) {
  parallelFor((count + kBlock - 1) / kBlock, 1 + kThreadedWork / (kBlock * work), task, 1);
}

template <class T>
void transpose(int64_t rows, int64_t columns, Rows<const T> from, Rows<T> to) {
  for (int64_t i0 = 0; i0 < rows; i0 += kSquare) {
    for (int64_t j0 = 0; j0 < columns; j0 += kSquare) {
      for (int64_t i = i0; i < least(i0 + kSquare, rows); ++i) {
        for (int64_t j = j0; j < least(j0 + kSquare, columns); ++j) to.row(j)[i] = from.row(i)[j];
      }
    }
  }
}
template <class T>
Rows<const T> constant(Rows<T> x) {
  return {x.at, x.ld};
}

// ---- reflections ----------------------------------------------------------------------------------------------------

template <class T>
T sumOfSquares(const T* x, int64_t n) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + lanes);
    s0 = hn::MulAdd(a, a, s0);
    s1 = hn::MulAdd(b, b, s1);
  }
  T sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  for (; i < n; ++i) sum += x[i] * x[i];
  return sum;
}
template <class T>
void multiply(T* x, int64_t n, T by) {
  for (int64_t i = 0; i < n; ++i) x[i] *= by;
}

// Makes x [n] the v of the reflection 1 - tau v v^T that takes x to (beta, 0, 0, …), with v[0] = 1; returns tau, which
// is 0 where x is that already.
template <class T>
T reflect(T* x, int64_t n, double& beta) {
  using Limits = std::numeric_limits<T>;
  T rest = n > 1 ? sumOfSquares(x + 1, n - 1) : T{0};
  int up = 0;
  if (n > 1 && !(rest >= Limits::min() / (Limits::epsilon() * Limits::epsilon()))) {  // squares that may have vanished
    T most = 0;
    for (int64_t i = 0; i < n; ++i) most = std::fabs(x[i]) > most ? std::fabs(x[i]) : most;
    if (most > 0) up = -std::ilogb(most);
    if (up > Limits::max_exponent - 2) up = Limits::max_exponent - 2;
    multiply(x, n, std::ldexp(T{1}, up));
    rest = sumOfSquares(x + 1, n - 1);
  }
  const T alpha = x[0];
  T tau = 0;
  if (rest > 0) {
    const T size = -std::copysign(std::sqrt(alpha * alpha + rest), alpha);
    tau = (size - alpha) / size;
    multiply(x + 1, n - 1, 1 / (alpha - size));
    beta = static_cast<double>(size);
  } else {
    for (int64_t i = 1; i < n; ++i) x[i] = 0;
    beta = static_cast<double>(alpha);
  }
  beta = std::ldexp(beta, -up);
  x[0] = 1;
  return tau;
}

// Reflections H_0, H_1, …, one in each row of v, which is 0 before place i + shift in row i.
template <class T>
struct Reflections {
  Rows<T> v;
  T* tau;
  int64_t count, length, shift;

  // H_from … H_(from + width - 1) = 1 + P^T t P, where P is those rows; t is [width, width], upper triangular.
  void gather(int64_t from, int64_t width, Rows<T> t) const {
    T gram[kPanel * kPanel];
    const Rows<T> rows = v.from(from, from + shift), g{gram, kPanel};
    product<T>(width, width, length - from - shift, rows, false, rows, true, g, false);
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t i = 0; i < kPanel; ++i) t.row(j)[i] = 0;
    }
    for (int64_t j = 0; j < width; ++j) {
      t.row(j)[j] = -tau[from + j];
      for (int64_t i = 0; i < j; ++i) {
        T sum = 0;
        for (int64_t k = i; k < j; ++k) sum += t.row(i)[k] * g.row(k)[j];
        t.row(i)[j] = -tau[from + j] * sum;
      }
    }
  }
  // c [rows, length] becomes c (H_0 H_1 …)^T; scratch: two of [rows, kPanel].
  void applyTo(Rows<T> c, int64_t rows, T* scratch) const {
    T blockT[kPanel * kPanel];
    const Rows<T> t{blockT, kPanel}, w{scratch, kPanel}, w2{scratch + rows * kPanel, kPanel};
    for (int64_t from = (count - 1) / kPanel * kPanel; from >= 0 && count > 0; from -= kPanel) {
      const int64_t width = least(kPanel, count - from), at = from + shift;
      gather(from, width, t);
      product<T>(rows, width, length - at, c.from(0, at), false, v.from(from, at), true, w, false);
      product<T>(rows, width, width, w, false, t, true, w2, false);
      product<T>(rows, length - at, width, w2, false, v.from(from, at), false, c.from(0, at), true);
    }
  }
};

// a [m, n], m >= n, becomes R in the upper triangle of its first n rows; q gets the reflections: a = H_0 H_1 … R.
// scratch: two of [kPanel, n].
template <class T>
void factorQr(int64_t m, int64_t n, Rows<T> a, const Reflections<T>& q, T* scratch) {
  T blockT[kPanel * kPanel];
  const Rows<T> t{blockT, kPanel}, w{scratch, n}, w2{scratch + kPanel * n, n};
  for (int64_t from = 0; from < n; from += kPanel) {
    const int64_t width = least(kPanel, n - from), to = from + width, rows = m - from;
    const Rows<T> p = q.v.from(from, from);  // columns of the panel, as rows
    transpose<T>(rows, width, constant(a.from(from, from)), p);
    for (int64_t j = 0; j < width; ++j) {
      T* const v = p.row(j) + j;
      double beta;
      q.tau[from + j] = reflect(v, rows - j, beta);
      a.row(from + j)[from + j] = static_cast<T>(beta);
      const int64_t others = width - j - 1;
      dotRows(scratch, others, p.from(j + 1, j), rows - j, v);
      for (int64_t k = 0; k < others; ++k) scratch[k] *= -q.tau[from + j];
      product<T>(others, rows - j, 1, {scratch, 1}, false, {v, rows}, false, p.from(j + 1, j), true);
    }
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t i = 0; i < j; ++i) a.row(from + i)[from + j] = p.row(j)[i];
      std::memset(q.v.row(from + j), 0, static_cast<size_t>(from + j) * sizeof(T));
    }
    if (to == n) break;
    q.gather(from, width, t);
    product<T>(width, n - to, rows, p, false, a.from(from, to), false, w, false);
    product<T>(width, n - to, width, t, true, w, false, w2, false);
    product<T>(rows, n - to, width, p, true, w2, false, a.from(from, to), true);
  }
}

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

  // Largest magnitude; NaN or infinity where there is one.
  T largest(const T* a) const {
    T most = 0, bad = 0;
    for (int64_t i = 0; i < rows * columns; ++i) {
      const T x = std::fabs(a[i]);
      most = x > most ? x : most;
      bad += x * 0;
    }
    if (bad == 0) return most;
    for (int64_t i = 0; i < rows * columns; ++i) {
      if (a[i] != a[i]) return a[i];
    }
    return std::numeric_limits<T>::infinity();
  }

  Trouble run(const T* a, T* s, T* u, T* vh, Memory& memory) const {
    const T most = largest(a);
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
    const int exponent = most > 0 ? std::ilogb(most) : 0;
    constexpr int kSafe = std::numeric_limits<T>::max_exponent / 4;
    const int scale = exponent > kSafe || exponent < -kSafe ? -exponent : 0;
    if (scale != 0) {  // in two steps, as a denormal number's reciprocal overflows
      for (int64_t i = 0; i < m; ++i) {
        multiply(w.row(i), n, std::ldexp(T{1}, scale / 2));
        multiply(w.row(i), n, std::ldexp(T{1}, scale - scale / 2));
      }
    }

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
  static void identity(Rows<T> x, int64_t count) {
    std::memset(x.at, 0, static_cast<size_t>(count * x.ld) * sizeof(T));
    for (int64_t i = 0; i < count; ++i) x.row(i)[i] = 1;
  }

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

// svd: frame after the id is batch, rows, columns, vectors (Vectors), a [batch, rows, columns], s [batch, n], u [batch,
// rows, n], vh [batch, n, columns], trouble int64 [batch] (Trouble), where n is the smaller size. With full vectors u
// is [batch, rows, rows] and vh [batch, columns, columns]; with none they are 0. Infinities give NaN.
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
    {"svd", DType::f32, runSvd<float>},
    {"svd", DType::f64, runSvd<double>},
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
