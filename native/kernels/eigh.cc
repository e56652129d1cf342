// Eigenvalues and eigenvectors of symmetric matrices: eigh.
//
// A matrix is made tridiagonal by Householder reflections in panels, whose change of what is behind them is one matrix
// product (J. Dongarra, S. Hammarling, D. Sorensen, "Block reduction of matrices to condensed forms", 1989), and then
// diagonal by implicit QR sweeps with Wilkinson's shift (G. Golub, C. Van Loan, "Matrix Computations", 8.3), in float64
// for float32 matrices too. Rotations are stored and applied to the vectors many sweeps at a time, reflections in
// blocks, as in svd.cc.
//
// Batches are shared between the threads, products and rotations of large matrices use all of them; no bit of a result
// depends on their number.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/eigh.cc"
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
namespace {

// a [n, n], symmetric, = H_0 H_1 … T (H_0 H_1 …)^T, where T has d [n] on the diagonal and e [n - 1] beside it. a is
// overwritten. A panel doesn't change the rows behind it at once: they are a + l^T r, where l and r get two rows for
// each step, (v, -w) and (w, -v).
template <class T>
struct Tridiagonal {
  int64_t n;
  Rows<T> a;
  Reflections<T> q;
  double *d, *e;
  Rows<T> l, r;  // [2 kPanel, n]
  T* w;          // [2 kPanel]

  void reduce() const {
    for (int64_t from = 0; from < n; from += kPanel) {
      const int64_t to = least(from + kPanel, n);
      for (int64_t i = from; i < to; ++i) step(i, 2 * (i - from));
      product<T>(n - to, n - to, 2 * (to - from), l.from(0, to), true, r.from(0, to), false, a.from(to, to), true);
    }
  }

 private:
  // Row i, after `done` rows of l and r.
  void step(int64_t i, int64_t done) const {
    const int64_t rest = n - i - 1;
    const auto size = [](int64_t count) { return static_cast<size_t>(count) * sizeof(T); };
    for (int64_t k = 0; k < done; ++k) w[k] = l.row(k)[i];
    T* const row = a.row(i) + i;
    addRows(row, rest + 1, r.from(0, i), done, w);
    d[i] = static_cast<double>(row[0]);
    if (rest == 0) return;
    T* const v = q.v.row(i) + i + 1;
    std::memset(q.v.row(i), 0, size(i + 1));
    std::memcpy(v, row + 1, size(rest));
    q.tau[i] = reflect(v, rest, e[i]);
    T *const y = l.row(done + 1) + i + 1, *const minusY = r.row(done) + i + 1, *const minusV = r.row(done + 1) + i + 1;
    std::memcpy(l.row(done) + i + 1, v, size(rest));
    std::memset(y, 0, size(rest));
    if (q.tau[i] != 0) {
      inBlocks(rest, rest, DotRowsTask<T>{y, rest, a.from(i + 1, i + 1), rest, v});
      dotRows(w, done, r.from(0, i + 1), rest, v);
      addRows(y, rest, l.from(0, i + 1), done, w);
      multiply(y, rest, q.tau[i]);
      T half = 0;
      for (int64_t k = 0; k < rest; ++k) half += y[k] * v[k];
      half *= q.tau[i] / 2;
      for (int64_t k = 0; k < rest; ++k) y[k] -= half * v[k];
    }
    for (int64_t k = 0; k < rest; ++k) {
      minusY[k] = -y[k];
      minusV[k] = -v[k];
    }
  }
};

// The vectors' first n rows and columns, and the rotations that they have yet to undergo.
template <class T>
struct PendingRows {
  int64_t n;
  Rows<T> rows;
  Rotation<T>* by;  // kStored n
  Sweep* sweeps;    // kStored n
  int64_t count = 0, used = 0;

  void begin(int64_t first, int64_t step, int64_t rotations) {
    if (used + rotations > kStored * n || count == kStored * n) flush();
    sweeps[count++] = {first, step, rotations};
  }
  void flush() {
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
    const int64_t vectors = (n + lanes - 1) / lanes, groups = (vectors + kVectors - 1) / kVectors;
    const int64_t grain = 1 + (1 << 16) / (used * kVectors + 1);
    parallelFor(groups, grain, RotateTask<T>{rows, vectors, sweeps, count, by}, 1);
    count = used = 0;
  }
};

// Makes the tridiagonal matrix of d [n] and e [n - 1] diagonal. `pending` gets the rotations, where vectors are wanted.
template <class T>
struct Sweeps {
  int64_t n;
  double *d, *e;
  PendingRows<T>* pending;

  // What is beside the diagonal is taken for 0 against: an eighth of T's rounding, and for float64 all of it.
  static constexpr double kSmall = sizeof(T) == 4 ? 0x1p-27 : 0x1p-52;

  // False where that takes too many sweeps, which has not been seen.
  bool run() const {
    double most = 0;
    for (int64_t i = 0; i < n; ++i) {
      most = magnitude(d[i]) > most ? magnitude(d[i]) : most;
      if (i + 1 < n) most = magnitude(e[i]) > most ? magnitude(e[i]) : most;
    }
    const double nothing = most * 0x1p-56;
    int64_t sweeps = 0, lastLo = n, lastHi = -1;
    bool down = true;
    for (int64_t hi = n - 1; hi > 0;) {
      if (isSmall(hi - 1, nothing)) {
        e[--hi] = 0;
        continue;
      }
      int64_t lo = hi - 1;
      while (lo > 0 && !isSmall(lo - 1, nothing)) --lo;
      if (lo > 0) e[lo - 1] = 0;
      // The end with the smaller numbers comes last in a sweep. A block keeps its direction while it shrinks.
      if (lo > lastHi || hi < lastLo) down = magnitude(d[lo]) >= magnitude(d[hi]);
      lastLo = lo, lastHi = hi;
      if (sweeps++ == kSweeps * n) return false;
      sweep(down ? lo : hi, down ? 1 : -1, hi - lo);
    }
    if (pending) pending->flush();
    return true;
  }

 private:
  bool isSmall(int64_t k, double nothing) const {
    const double beside = magnitude(e[k]);
    return beside <= nothing || beside <= kSmall * std::sqrt(magnitude(d[k])) * std::sqrt(magnitude(d[k + 1]));
  }
  // One sweep over a block of `count` rotations, from its first or from its last row.
  void sweep(int64_t first, int64_t step, int64_t count) const {
    const auto diagonal = [&](int64_t k) -> double& { return d[first + k * step]; };
    const auto beside = [&](int64_t k) -> double& { return e[step > 0 ? first + k : first - k - 1]; };
    if (pending) pending->begin(first, step, count);
    const double end = diagonal(count), b = beside(count - 1), half = (diagonal(count - 1) - end) / 2;
    const double root = half + std::copysign(std::hypot(half, b), half);
    double x = diagonal(0) - (end - b * (b / root)), z = beside(0);
    for (int64_t k = 0; k < count; ++k) {
      const Turn turn(x, z);
      const double c = turn.c, s = turn.s;
      if (k > 0) beside(k - 1) = turn.r;
      double &p = diagonal(k), &q = diagonal(k + 1), &o = beside(k);
      // What a rotation moves from one diagonal element to the other.
      const double twice = 2 * c * o, moved = s * (twice + s * (q - p));
      o = (c - s) * (c + s) * o + c * s * (q - p);
      p += moved;
      q -= moved;
      if (k + 1 < count) {
        x = o;
        z = s * beside(k + 1);
        beside(k + 1) *= c;
      }
      if (pending) pending->by[pending->used++] = {static_cast<T>(c), static_cast<T>(s)};
    }
  }
};

enum Trouble : int64_t { kFine = 0, kNotFinite = 1, kDiverged = 2 };

template <class T>
struct EighTask {
  int64_t n;
  bool upper, wantsVectors;
  const T* a;
  T *values, *vectors;
  int64_t* trouble;

  int64_t bytes() const {
    const auto of = [](int64_t elements) { return Memory::bytesOf<T>(elements); };
    int64_t sum = 2 * of(n * pitch<T>(n)) + 2 * of(2 * kPanel * pitch<T>(n)) + of(2 * kPanel) + of(n) +
                  2 * Memory::bytesOf<double>(n) + Memory::bytesOf<int64_t>(n);
    if (wantsVectors) {
      sum += of(n * pitch<T>(n)) + of(2 * kPanel * n) + Memory::bytesOf<Rotation<T>>(kStored * n) +
             Memory::bytesOf<Sweep>(kStored * n);
    }
    return sum;
  }
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      Memory memory(bytes());
      trouble[i] = run(a + i * n * n, values + i * n, vectors + i * n * n, memory);
    }
  }

 private:
  Trouble run(const T* given, T* out, T* outVectors, Memory& memory) const {
    const int64_t ld = pitch<T>(n);
    const Rows<T> w{memory.take<T>(n * ld), ld};
    T most = 0;
    for (int64_t i = 0; i < n; ++i) {
      T* const row = w.row(i);
      for (int64_t j = 0; j <= i; ++j) row[j] = upper ? given[j * n + i] : given[i * n + j];
      const T largest = largestOf(row, i + 1);
      if (!(largest <= std::numeric_limits<T>::max())) return kNotFinite;
      most = largest > most ? largest : most;
    }
    const int scale = scaleOf(most);
    for (int64_t i = 0; i < n && scale != 0; ++i) scaleRow(w.row(i), i + 1, scale);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < i; ++j) w.row(j)[i] = w.row(i)[j];
    }

    double *const d = memory.take<double>(n), *const e = memory.take<double>(n);
    Tridiagonal<T> t{n, w, {{memory.take<T>(n * ld), ld}, memory.take<T>(n), n - 1, n, 1}, d, e, {}, {}, nullptr};
    t.l = {memory.take<T>(2 * kPanel * ld), ld};
    t.r = {memory.take<T>(2 * kPanel * ld), ld};
    t.w = memory.take<T>(2 * kPanel);
    t.reduce();

    Rows<T> rows{nullptr, ld};  // the vectors
    Sweeps<T> sweeps{n, d, e, nullptr};
    PendingRows<T> pending{n, rows, nullptr, nullptr};
    if (wantsVectors) {
      pending.rows.at = rows.at = memory.take<T>(n * ld);
      pending.by = memory.take<Rotation<T>>(kStored * n);
      pending.sweeps = memory.take<Sweep>(kStored * n);
      sweeps.pending = &pending;
      identity(rows, n);
    }
    if (!sweeps.run()) return kDiverged;
    if (wantsVectors) t.q.applyTo(rows, n, memory.take<T>(2 * kPanel * n));

    int64_t* const order = memory.take<int64_t>(n);
    for (int64_t i = 0; i < n; ++i) order[i] = i;
    sortRising(d, order);
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(std::ldexp(d[order[i]], -scale));
    for (int64_t i0 = 0; wantsVectors && i0 < n; i0 += kSquare) {
      for (int64_t j = 0; j < n; ++j) {
        const T* const from = rows.row(order[j]);
        for (int64_t i = i0; i < least(i0 + kSquare, n); ++i) outVectors[i * n + j] = from[i];
      }
    }
    return kFine;
  }
  // Heapsort: the sweeps leave the values in no order.
  void sortRising(const double* d, int64_t* order) const {
    const auto sift = [&](int64_t root, int64_t size) {
      for (int64_t child; (child = 2 * root + 1) < size; root = child) {
        if (child + 1 < size && d[order[child]] < d[order[child + 1]]) ++child;
        if (!(d[order[root]] < d[order[child]])) return;
        const int64_t o = order[root];
        order[root] = order[child];
        order[child] = o;
      }
    };
    for (int64_t i = n / 2 - 1; i >= 0; --i) sift(i, n);
    for (int64_t size = n - 1; size > 0; --size) {
      const int64_t o = order[0];
      order[0] = order[size];
      order[size] = o;
      sift(0, size);
    }
  }
};

// One triangle of a is read. Values rise; eigenvectors are columns; trouble: Trouble.
constexpr char kEighFrame[] =
    "batch, n, upper, vectors, in a[batch*n*n], out values[batch*n], out found, out trouble[batch]: i64";
template <class T>
void runEigh(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), n = f.i64();
  const bool upper = f.flag(), wantsVectors = f.flag();
  EighTask<T> task{n, upper, wantsVectors, f.ptr<const T>(), nullptr, nullptr, nullptr};
  task.values = f.ptr<T>();
  task.vectors = f.ptr<T>();
  task.trouble = f.ptr<int64_t>();
  if (n > 0) overBatch(batch, (wantsVectors ? 5 : 2) * n * n * n + 300 * n, task);
}

}  // namespace

extern const Kernel kEigh[];
const Kernel kEigh[] = {
    {"eigh", DType::f32, runEigh<float>, kEighFrame},
    {"eigh", DType::f64, runEigh<double>, kEighFrame},
};
constexpr size_t kEighCount = sizeof(kEigh) / sizeof(kEigh[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable eighKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kEigh), HWY_NAMESPACE::kEighCount}; }
}  // namespace tenfold
#endif
