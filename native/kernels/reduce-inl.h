// What reductions share: their frame, and how work is cut for threads.
//
// in [outer, n, inner] is cast to the kernel's dtype as it is read; index is a second output, the mean in variances.
//
// Cuts depend on sizes only, never on the number of threads, so neither do results.
#if defined(TENFOLD_REDUCE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_REDUCE_INL_H_
#undef TENFOLD_REDUCE_INL_H_
#else
#define TENFOLD_REDUCE_INL_H_
#endif

#include <hwy/highway.h>
#include <memory>
#include <string>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/matrix-inl.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#define TENFOLD_REDUCTION "outer, n, inner, in x[outer*n*inner]: any, code, "
constexpr char kReductionFrame[] = TENFOLD_REDUCTION "out y[outer*inner], out? index[outer*inner]: i64";
constexpr char kIndexFrame[] = TENFOLD_REDUCTION "out y[outer*inner]: i64, out? index[outer*inner]: i64";

struct Reduction {
  int64_t outer, n, inner;
  const char* in;
  DType inType;
  void* out;
  void* index;
  const double* params;
  CastTileFn cast = castTileFor(HWY_TARGET);

  explicit Reduction(Frame f)
      : outer(f.i64()),
        n(f.i64()),
        inner(f.i64()),
        in(f.ptr<const char>()),
        inType(static_cast<DType>(f.i64())),
        out(f.ptr<void>()),
        index(f.ptr<void>()),
        params(f.at) {}

  template <class T>
  Matrix<T> matrix(int64_t o) const {
    return {in + o * n * inner * static_cast<int64_t>(sizeOf(inType)), inType, inner, cast};
  }
};

// Columns that a task reduces at most: their accumulators stay in the first-level cache.
constexpr int64_t kMaxColumns = 512;
// Elements that are reduced in about 10 microseconds.
constexpr int64_t kReduceGrain = 40000;

template <class R>
struct ReduceRows {
  const R& reducer;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t o = begin; o < end; ++o) reducer.row(o, false);
  }
};

template <class R>
struct ReduceBlocks {
  const R& reducer;
  int64_t blocks, width;
  void operator()(int64_t begin, int64_t end) const {
    const int64_t inner = reducer.r.inner;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t c = b % blocks * width;
      reducer.columns(b / blocks, c, inner - c < width ? inner - c : width, false);
    }
  }
};

// Runs a reducer over all outputs. It has
//   const Reduction& r;
//   void row(int64_t o, bool threads) const;                                  // inner == 1
//   void columns(int64_t o, int64_t c, int64_t width, bool threads) const;    // outputs c … c + width of o
// and uses threads itself where `threads` says so: where there are too few outputs to share out.
template <class R>
void reduce(const R& reducer) {
  const Reduction& r = reducer.r;
  if (r.outer == 0 || r.inner == 0) return;
  const int64_t work = r.n < 1 ? 1 : r.n;
  if (r.inner == 1) {
    if (r.outer < 4) {
      for (int64_t o = 0; o < r.outer; ++o) reducer.row(o, true);
    } else if (r.outer * work <= kReduceGrain) {
      ReduceRows<R>{reducer}(0, r.outer);
    } else {
      parallelFor(r.outer, kReduceGrain / work + 1, ReduceRows<R>{reducer}, 1);
    }
    return;
  }
  const int64_t width = r.inner >= 4 * kMaxColumns ? kMaxColumns : kMaxColumns / 4;
  const int64_t blocks = (r.inner + width - 1) / width;
  if (r.outer * blocks < 4) {
    for (int64_t o = 0; o < r.outer; ++o) {
      for (int64_t c = 0; c < r.inner; c += width) {
        reducer.columns(o, c, r.inner - c < width ? r.inner - c : width, true);
      }
    }
    return;
  }
  const int64_t cost = work * (r.inner < width ? r.inner : width);
  parallelFor(r.outer * blocks, kReduceGrain / cost + 1, ReduceBlocks<R>{reducer, blocks, width}, 1);
}

// A reducer made of parts: [begin, begin + n) of the reduced dimension is reduced to a part, and parts are combined in
// order. P has
//   using T                                                        // what it reads
//   struct Part, struct Parts (of up to kMaxColumns columns)       // both start out as the reduction of nothing
//   void row(const Matrix<T>&, int64_t begin, int64_t n, Part&) const;          // adds to the part
//   void columns(const Matrix<T>&, int64_t begin, int64_t n, int64_t width, Parts&) const;
//   void combine(Part&, const Part&) const;  void combine(Parts&, const Parts&, int64_t width) const;
//   void finish(const Reduction&, int64_t at, const Part&) const;
//   void finish(const Reduction&, int64_t at, const Parts&, int64_t width) const;
template <class P>
struct PartedRow {
  using T = typename P::T;
  const P& p;
  const Matrix<T>& m;
  int64_t n, length;
  typename P::Part* parts;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * length;
      p.row(m, at, n - at < length ? n - at : length, parts[i]);
    }
  }
};

template <class P>
struct PartedColumns {
  using T = typename P::T;
  const P& p;
  const Matrix<T>& m;
  int64_t n, length, width;
  typename P::Parts* parts;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * length;
      p.columns(m, at, n - at < length ? n - at : length, width, parts[i]);
    }
  }
};

template <class P>
struct Parted {
  using T = typename P::T;
  const Reduction& r;
  P p;

  void row(int64_t o, bool threads) const {
    const Matrix<T> m = r.matrix<T>(o);
    typename P::Part total;
    if (threads && r.n >= 2 * kReduceGrain) {
      const int64_t length = kReduceGrain / 64 * 64, count = (r.n + length - 1) / length;
      const std::unique_ptr<typename P::Part[]> parts(new typename P::Part[static_cast<size_t>(count)]);
      parallelFor(count, 1, PartedRow<P>{p, m, r.n, length, parts.get()}, 1);
      for (int64_t i = 0; i < count; ++i) p.combine(total, parts[i]);
    } else {
      p.row(m, 0, r.n, total);
    }
    p.finish(r, o, total);
  }

  void columns(int64_t o, int64_t c, int64_t width, bool threads) const {
    const Matrix<T> m = r.matrix<T>(o).from(c);
    typename P::Parts total;
    if (threads && r.n * width >= 2 * kReduceGrain && r.n >= 64) {
      int64_t length = kReduceGrain / width + 1;
      if (length < r.n / 256) length = r.n / 256;  // 256 parts at most: they have memory
      const int64_t count = (r.n + length - 1) / length;
      const std::unique_ptr<typename P::Parts[]> parts(new typename P::Parts[static_cast<size_t>(count)]);
      parallelFor(count, 1, PartedColumns<P>{p, m, r.n, length, width, parts.get()}, 1);
      for (int64_t i = 0; i < count; ++i) p.combine(total, parts[i], width);
    } else {
      p.columns(m, 0, r.n, width, total);
    }
    p.finish(r, o * r.inner + c, total, width);
  }
};

// How many rows of `width` elements to look at together: `most`, or what a cast has room for.
template <class T>
int64_t rowsAtOnce(const Matrix<T>& m, int64_t most, int64_t width) {
  return m.cast && most > kMatrixScratch / width ? kMatrixScratch / width : most;
}

inline void needElements(const Kernel& self, const Reduction& r) {
  if (r.n < 1 && r.outer > 0 && r.inner > 0) {
    throw KernelError("RangeError", std::string(self.name) + ": expected a dimension of at least 1 element, got 0");
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
