// Working memory, products and Householder reflections: what the factorizations by orthogonal matrices share (svd, qr,
// eigh).
#if defined(TENFOLD_REFLECTIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_REFLECTIONS_INL_H_
#undef TENFOLD_REFLECTIONS_INL_H_
#else
#define TENFOLD_REFLECTIONS_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "gemm/gemm.h"
#include "kernel.h"
#include "kernels/sweeps-inl.h"
#include "simd/cpu.h"
#include "simd/targets.h"
#include "threads/pool.h"
#include "workspace.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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
    if (!at_) throw KernelError("memory", "no memory to work with for a factorization");
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

// a [m, n] becomes R in the upper triangle of its first rows; q gets the reflections, as many as the smaller size:
// a = H_0 H_1 … R. scratch: two of [kPanel, n].
template <class T>
void factorQr(int64_t m, int64_t n, Rows<T> a, const Reflections<T>& q, T* scratch) {
  const int64_t count = least(m, n);
  T blockT[kPanel * kPanel];
  const Rows<T> t{blockT, kPanel}, w{scratch, n}, w2{scratch + kPanel * n, n};
  for (int64_t from = 0; from < count; from += kPanel) {
    const int64_t width = least(kPanel, count - from), to = from + width, rows = m - from;
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

// What keeps the squares of numbers up to `most` in range: a power of two to scale them by, as its exponent; mostly 0.
template <class T>
int scaleOf(T most) {
  const int exponent = most > 0 ? std::ilogb(most) : 0;
  constexpr int kSafe = std::numeric_limits<T>::max_exponent / 4;
  return exponent > kSafe || exponent < -kSafe ? -exponent : 0;
}
// In two steps, as a denormal number's reciprocal overflows.
template <class T>
void scaleRow(T* x, int64_t n, int scale) {
  multiply(x, n, std::ldexp(T{1}, scale / 2));
  multiply(x, n, std::ldexp(T{1}, scale - scale / 2));
}
// Largest magnitude; NaN or infinity where there is one.
template <class T>
T largestOf(const T* a, int64_t count) {
  T most = 0, bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    const T x = std::fabs(a[i]);
    most = x > most ? x : most;
    bad += x * 0;
  }
  if (bad == 0) return most;
  for (int64_t i = 0; i < count; ++i) {
    if (a[i] != a[i]) return a[i];
  }
  return std::numeric_limits<T>::infinity();
}
template <class T>
void identity(Rows<T> x, int64_t count) {
  std::memset(x.at, 0, static_cast<size_t>(count * x.ld) * sizeof(T));
  for (int64_t i = 0; i < count; ++i) x.row(i)[i] = 1;
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
