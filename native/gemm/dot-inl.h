// Products of few rows with a transposed b, above all matrix times vector: both factors hold k contiguously, so each
// element of c is a dot product in vectors along k, and nothing is packed. Packing b would cost more than the product.
// The sum runs in lanes (element p goes to lane p mod the lanes), which are added as a tree at the end.
#if defined(TENFOLD_GEMM_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_GEMM_DOT_INL_H_
#undef TENFOLD_GEMM_DOT_INL_H_
#else
#define TENFOLD_GEMM_DOT_INL_H_
#endif

#include <hwy/highway.h>

#include "gemm/micro-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kMaxDotRows = 4;

// Adds halves until 16 bytes are left.
template <class D, class V = hn::Vec<D>>
auto foldTo128(D, V v) {
  if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) == 16) {
    return v;
  } else {
    const hn::Half<D> half;
    return foldTo128(half, hn::Add(hn::UpperHalf(half, v), hn::LowerHalf(half, v)));
  }
}

// to[j] = sum of the lanes of v[j], for as many vectors as fit in 16 bytes.
template <class D, class T = hn::TFromD<D>>
void addLanes(D d, const hn::Vec<D>* v, T* to) {
  const hn::CappedTag<T, 16 / sizeof(T)> block;
  if constexpr (sizeof(T) == 8) {
    const auto a = foldTo128(d, v[0]), b = foldTo128(d, v[1]);
    hn::StoreU(hn::Add(hn::InterleaveLower(block, a, b), hn::InterleaveUpper(block, a, b)), block, to);
  } else {
    const hn::Repartition<double, decltype(block)> wide;
    const auto a = foldTo128(d, v[0]), b = foldTo128(d, v[1]), c = foldTo128(d, v[2]), e = foldTo128(d, v[3]);
    const auto ab = hn::BitCast(wide, hn::Add(hn::InterleaveLower(block, a, b), hn::InterleaveUpper(block, a, b)));
    const auto ce = hn::BitCast(wide, hn::Add(hn::InterleaveLower(block, c, e), hn::InterleaveUpper(block, c, e)));
    hn::StoreU(hn::Add(hn::BitCast(block, hn::InterleaveLower(wide, ab, ce)),
                       hn::BitCast(block, hn::InterleaveUpper(wide, ab, ce))),
               block, to);
  }
}

// c[i, j] for Rows rows of a and Columns (a multiple of 4) rows of b.
template <class T, int Rows, int Columns>
void dotTile(int64_t k, const T* HWY_RESTRICT a, int64_t lda, const T* HWY_RESTRICT b, int64_t ldb,
             const TileOut<T>& out) {
  constexpr Vectors<T> d;
  constexpr int64_t lanes = kLanes<T>;
  using V = hn::Vec<decltype(d)>;
  V sum[Rows][Columns];
  for (int i = 0; i < Rows; ++i) {
    for (int j = 0; j < Columns; ++j) sum[i][j] = hn::Zero(d);
  }
  int64_t p = 0;
  for (; p + lanes <= k; p += lanes) {
    V av[Rows];
    for (int i = 0; i < Rows; ++i) av[i] = hn::LoadU(d, a + i * lda + p);
    for (int j = 0; j < Columns; ++j) {
      const V bv = hn::LoadU(d, b + j * ldb + p);
      for (int i = 0; i < Rows; ++i) sum[i][j] = hn::MulAdd(av[i], bv, sum[i][j]);
    }
  }
  for (int i = 0; i < Rows; ++i) {
    T total[Columns];
    for (int j = 0; j < Columns; j += 16 / sizeof(T)) addLanes(d, &sum[i][j], total + j);
    for (int j = 0; j < Columns; ++j) {
      T x = total[j];
      for (int64_t q = p; q < k; ++q) x += a[i * lda + q] * b[j * ldb + q];
      T* c = out.c + i * out.row + j * out.column;
      if (out.add) x += *c;
      if (out.columnBias) x += out.columnBias[j];
      if (out.rowBias) x += out.rowBias[i];
      *c = out.relu && x < 0 ? T{0} : x;
    }
  }
}

// Rows <= kMaxDotRows rows of a, by `columns` rows of b.
template <class T, int Rows>
void dotRows(int64_t columns, int64_t k, const T* a, int64_t lda, const T* b, int64_t ldb, TileOut<T> out) {
  constexpr int wide = kSums >= 24 && Rows < 4 ? 24 / Rows / 4 * 4 > 8 ? 8 : 24 / Rows / 4 * 4 : Rows < 3 ? 4 : 4;
  int64_t j = 0;
  const auto step = [&](int64_t by) HWY_ATTR {
    j += by;
    b += by * ldb;
    out.c += by * out.column;
    if (out.columnBias) out.columnBias += by;
  };
  while (columns - j >= wide) {
    dotTile<T, Rows, wide>(k, a, lda, b, ldb, out);
    step(wide);
  }
  while (columns - j >= 4) {
    dotTile<T, Rows, 4>(k, a, lda, b, ldb, out);
    step(4);
  }
  while (j < columns) {  // the missing rows of b are this one again, and their results are dropped
    T c[Rows * 4];
    TileOut<T> one{c, 4, 1, false, nullptr, nullptr, false};
    dotTile<T, Rows, 4>(k, a, lda, b, 0, one);
    for (int i = 0; i < Rows; ++i) {
      T x = c[i * 4];
      T* to = out.c + i * out.row;
      if (out.add) x += *to;
      if (out.columnBias) x += *out.columnBias;
      if (out.rowBias) x += out.rowBias[i];
      *to = out.relu && x < 0 ? T{0} : x;
    }
    step(1);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
