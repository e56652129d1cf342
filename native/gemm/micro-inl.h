// Micro-kernels: a tile of c held in registers while k runs. Each element of c is the sum
// a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + … in this order, with one rounding for each term where the target has fused
// multiply-add; so a result does not depend on the tile that it was computed in.
//
// b is read in vectors along n, a by broadcasting one element; so only b's panel needs to be contiguous, and a may be
// read where it lies, with any strides.
#if defined(TENFOLD_GEMM_MICRO_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_GEMM_MICRO_INL_H_
#undef TENFOLD_GEMM_MICRO_INL_H_
#else
#define TENFOLD_GEMM_MICRO_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <array>
#include <utility>

// Loops over a tile must be unrolled whole, or the tile lives in memory and not in registers.
#undef TENFOLD_UNROLL
#if HWY_COMPILER_CLANG
#define TENFOLD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TENFOLD_UNROLL _Pragma("GCC unroll 16")
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Vectors = hn::ScalableTag<T>;
template <class T>
constexpr int64_t kLanes = hn::MaxLanes(Vectors<T>());

// A tile is `vectors` vectors wide and at most maxRows(vectors) high, so that its sums, a row of b and one element of a
// fill the registers. With AVX-512 8 x 3, 6 x 4, 12 x 2 and 14 x 2 run at the same speed while b is in L1; from L2,
// where panels of some hundred steps are, 8 x 3 is 4 to 12 % faster than 6 x 4, which asks for 21 bytes a cycle and
// not 16.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4
constexpr int kSums = 12;  // of 16 registers
#else
constexpr int kSums = 24;  // of 32
#endif
constexpr int kMaxVectors = 8, kMaxRows = kSums < 16 ? kSums : 16;
constexpr int maxRows(int vectors) {
  return kSums / vectors < 1 ? 1 : kSums / vectors > kMaxRows ? kMaxRows : kSums / vectors;
}

// AVX-512 loads and stores part of a vector at no cost, and so reads b's last columns where they lie.
constexpr bool kMasks = HWY_TARGET == HWY_AVX3;

// Where a tile goes, and what happens on the way. The pointers stand at the tile's first row and column.
template <class T>
struct TileOut {
  T* c;
  int64_t row, column;  // steps in c
  bool add;             // to what c holds
  const T* columnBias;  // nullptr: none
  const T* rowBias;
  bool relu;
};

// Into L2, where the target can say so. (Inlined always: GCC takes a function that only prefetches for one without
// effects, and drops its calls.)
HWY_INLINE void prefetchL2(const void* at) {
#if HWY_COMPILER_GCC
  __builtin_prefetch(at, 0, 2);
#else
  hwy::Prefetch(at);
#endif
}

// How a tile reads b, and what it does beside its sums for the tiles that follow; that is hidden behind the arithmetic.
template <class T>
struct Ahead {
  bool padded = false;      // b's last vector may be read whole: part of one costs a second operation
  T* keep = nullptr;        // b's rows are stored here one after the other, `Vecs` vectors each: packing without a pass
  const T* next = nullptr;  // memory wanted later: each step of k fetches a line into L2 …
  int64_t step = 0;         // … this far from the one before
};
constexpr int kMaxKeptVectors = 4;  // that a tile with `keep` may be wide; its columns all exist

// The last vector of a row, which may be part of one.
template <class D, class M, class T>
HWY_INLINE hn::Vec<D> loadLast(D d, M mask, const T* from) {
  if constexpr (kMasks) {
    return hn::MaskedLoad(mask, d, from);
  } else {
    return hn::LoadU(d, from);
  }
}

template <class D, class M, class T>
HWY_INLINE void storeLast(D d, M mask, hn::Vec<D> x, T* to) {
  if constexpr (kMasks) {
    hn::BlendedStore(x, mask, d, to);
  } else {
    hn::StoreU(x, d, to);
  }
}

// The epilogue: a tile of sums, dense in `sums`, goes to c.
template <class T>
HWY_NOINLINE void finish(int rows, int vectors, int64_t columns, const T* sums, const TileOut<T>& out) {
  constexpr Vectors<T> d;
  constexpr int64_t lanes = kLanes<T>;
  const auto zero = hn::Zero(d);
  for (int v = 0; v < vectors; ++v) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(v < vectors - 1 ? lanes : columns - v * lanes));
    const auto bias = out.columnBias ? loadLast(d, mask, out.columnBias + v * lanes) : zero;
    for (int i = 0; i < rows; ++i) {
      T* const c = out.c + i * out.row + v * lanes;
      auto x = hn::LoadU(d, sums + (i * vectors + v) * lanes);
      if (out.add) x = hn::Add(x, loadLast(d, mask, c));
      if (out.columnBias) x = hn::Add(x, bias);
      if (out.rowBias) x = hn::Add(x, hn::Set(d, out.rowBias[i]));
      if (out.relu) x = hn::IfThenZeroElse(hn::Lt(x, zero), x);  // keeps NaN, as PyTorch's relu does
      storeLast(d, mask, x, c);
    }
  }
}

// Hides from the compiler how an address was made, so that it stays in a register.
template <class T>
HWY_INLINE void opaque(T*& at) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  asm("" : "+r"(at));
#endif
}

// The sums over k. Three rows of a share one pointer, as x86 addresses at, at + row and at + 2 * row: with an offset
// for each row the loop runs out of general registers, and what it does instead costs 5 to 8 %.
template <bool Keep, bool Whole, int Rows, int Vecs, class T, class D, class M>
HWY_INLINE void steps(D d, M mask, int64_t k, const T* HWY_RESTRICT a, int64_t aRow, int64_t aStep,
                      const T* HWY_RESTRICT b, int64_t bStep, const Ahead<T>& ahead, hn::Vec<D> (&sum)[Rows][Vecs]) {
  constexpr int64_t lanes = hn::MaxLanes(D());
  using V = hn::Vec<D>;
  constexpr int kPointers = (Rows + 2) / 3;
  constexpr int64_t kSize = sizeof(T);
  const char* at[kPointers];
  const int64_t row = aRow * kSize, step = aStep * kSize;
  TENFOLD_UNROLL
  for (int q = 0; q < kPointers; ++q) {
    at[q] = reinterpret_cast<const char*>(a) + 3 * q * row;
    opaque(at[q]);
  }
  T* HWY_RESTRICT keep = ahead.keep;
  const T* next = Keep ? b + 8 * bStep : ahead.next ? ahead.next : b;
  const int64_t nextStep = Keep ? bStep : ahead.next ? ahead.step : 0;
  opaque(next);
  for (; k > 0; --k) {
    V bv[Vecs];
    TENFOLD_UNROLL
    for (int v = 0; v < Vecs - (Whole ? 0 : 1); ++v) bv[v] = hn::LoadU(d, b + v * lanes);
    if constexpr (!Whole) bv[Vecs - 1] = loadLast(d, mask, b + (Vecs - 1) * lanes);
    if constexpr (Keep) {
      TENFOLD_UNROLL
      for (int v = 0; v < Vecs; ++v) {
        hn::StoreU(bv[v], d, keep + v * lanes);
        hwy::Prefetch(next + v * lanes);
      }
      keep += Vecs * lanes;
    } else {
      prefetchL2(next);
    }
    next += nextStep;
    TENFOLD_UNROLL
    for (int i = 0; i < Rows; ++i) {
      const V av = hn::Set(d, *reinterpret_cast<const T*>(at[i / 3] + i % 3 * row));
      TENFOLD_UNROLL
      for (int v = 0; v < Vecs; ++v) sum[i][v] = hn::MulAdd(av, bv[v], sum[i][v]);
    }
    TENFOLD_UNROLL
    for (int q = 0; q < kPointers; ++q) at[q] += step;
    b += bStep;
  }
}

// `columns` is the number of columns that exist, at least one in the last vector; fewer than the full width with kMasks
// only. out.column is 1.
template <class T, int Rows, int Vecs>
void micro(int64_t columns, int64_t k, const T* HWY_RESTRICT a, int64_t aRow, int64_t aStep, const T* HWY_RESTRICT b,
           int64_t bStep, const TileOut<T>& out, const Ahead<T>& ahead) {
  constexpr Vectors<T> d;
  constexpr int64_t lanes = kLanes<T>;
  using V = hn::Vec<decltype(d)>;
  const auto mask = hn::FirstN(d, static_cast<size_t>(columns - (Vecs - 1) * lanes));
  V sum[Rows][Vecs];
  TENFOLD_UNROLL
  for (int i = 0; i < Rows; ++i) {
    TENFOLD_UNROLL
    for (int v = 0; v < Vecs; ++v) sum[i][v] = hn::Zero(d);
  }
  // c is far away when it is large, and wanted only at the end: 5 % at 2048.
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vecs; ++v) hwy::Prefetch(out.c + i * out.row + v * lanes);
  }
  if (Vecs <= kMaxKeptVectors && ahead.keep) {
    steps<Vecs <= kMaxKeptVectors, true>(d, mask, k, a, aRow, aStep, b, bStep, ahead, sum);
  } else if (!kMasks || ahead.padded || columns == Vecs * lanes) {
    steps<false, true>(d, mask, k, a, aRow, aStep, b, bStep, ahead, sum);
  } else {
    steps<false, !kMasks>(d, mask, k, a, aRow, aStep, b, bStep, ahead, sum);
  }
  // The epilogue works on a copy of the tile, so that there is one of it and not one for each shape of tile.
  const bool plain = !out.add && !out.columnBias && !out.rowBias && !out.relu;
  HWY_ALIGN T copy[Rows * Vecs * lanes];
  T* const to = plain ? out.c : copy;
  const int64_t step = plain ? out.row : Vecs * lanes;
  TENFOLD_UNROLL
  for (int i = 0; i < Rows; ++i) {
    TENFOLD_UNROLL
    for (int v = 0; v < Vecs - 1; ++v) hn::StoreU(sum[i][v], d, to + i * step + v * lanes);
    storeLast(d, mask, sum[i][Vecs - 1], to + i * step + (Vecs - 1) * lanes);
  }
  if (!plain) finish<T>(Rows, Vecs, columns, copy, out);
}

template <class T>
using MicroFn = void (*)(int64_t, int64_t, const T* HWY_RESTRICT, int64_t, int64_t, const T* HWY_RESTRICT, int64_t,
                         const TileOut<T>&, const Ahead<T>&);
template <class T, int Rows, int Vecs>
constexpr MicroFn<T> microOf() {
  if constexpr (Rows <= maxRows(Vecs))
    return &micro<T, Rows, Vecs>;
  else
    return nullptr;
}
template <class T, int... I>
constexpr std::array<MicroFn<T>, sizeof...(I)> microTable(std::integer_sequence<int, I...>) {
  return {microOf<T, I / kMaxVectors + 1, I % kMaxVectors + 1>()...};
}
// kMicro<T>[(rows - 1) * kMaxVectors + vectors - 1]
template <class T>
constexpr std::array<MicroFn<T>, kMaxRows * kMaxVectors> kMicro =
    microTable<T>(std::make_integer_sequence<int, kMaxRows * kMaxVectors>());

// One tile. Where the micro-kernel can't write it in place (part of a vector, or c is not contiguous along n), it goes
// through a copy.
template <class T>
void tile(int rows, int vectors, int64_t columns, int64_t k, const T* a, int64_t aRow, int64_t aStep, const T* b,
          int64_t bStep, const TileOut<T>& out, const Ahead<T>& ahead = {}) {
  const MicroFn<T> run = kMicro<T>[static_cast<size_t>((rows - 1) * kMaxVectors + vectors - 1)];
  const int64_t width = vectors * kLanes<T>;
  if (out.column == 1 && (kMasks || columns == width)) return run(columns, k, a, aRow, aStep, b, bStep, out, ahead);
  T c[kSums * kLanes<T>], bias[kMaxVectors * kLanes<T>];
  if (out.add) {
    for (int i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < width; ++j) c[i * width + j] = j < columns ? out.c[i * out.row + j * out.column] : T{0};
    }
  }
  if (out.columnBias) {
    for (int64_t j = 0; j < width; ++j) bias[j] = j < columns ? out.columnBias[j] : T{0};
  }
  run(kMasks ? columns : width, k, a, aRow, aStep, b, bStep,
      {c, width, 1, out.add, out.columnBias ? bias : nullptr, out.rowBias, out.relu}, ahead);
  for (int i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) out.c[i * out.row + j * out.column] = c[i * width + j];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
