// Packers: copy a panel of a factor into the order that the micro-kernels read, out[p * width + i] with zeros up to
// width. "Straight" factors hold i contiguously (b as [k, n], a transposed); "turned" ones hold k contiguously.
#if defined(TENFOLD_GEMM_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_GEMM_PACK_INL_H_
#undef TENFOLD_GEMM_PACK_INL_H_
#else
#define TENFOLD_GEMM_PACK_INL_H_
#endif

#include <hwy/highway.h>

#include "gemm/micro-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// from[p * ld + i], p < k, i < count
template <class T>
void packStraight(T* HWY_RESTRICT out, int64_t width, const T* from, int64_t ld, int64_t k, int64_t count) {
  constexpr Vectors<T> d;
  constexpr int64_t lanes = kLanes<T>;
  const int64_t whole = count / lanes * lanes;
  for (int64_t p = 0; p < k; ++p, from += ld, out += width) {
    int64_t i = 0;
    for (; i < whole; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, out + i);
    for (; i < count; ++i) out[i] = from[i];
    for (; i < width; ++i) out[i] = 0;
  }
}

// packStraight for panels of a, which are `Rows` wide: a constant, so that a row is copied in one or two moves.
template <class T, int Rows>
void packRowsOf(T* HWY_RESTRICT out, const T* from, int64_t ld, int64_t k) {
  for (int64_t p = 0; p < k; ++p, from += ld, out += Rows) hwy::CopyBytes<Rows * sizeof(T)>(from, out);
}

template <class T>
using PackRowsFn = void (*)(T* HWY_RESTRICT, const T*, int64_t, int64_t);
template <class T, int... I>
constexpr std::array<PackRowsFn<T>, sizeof...(I)> packRowsTable(std::integer_sequence<int, I...>) {
  return {&packRowsOf<T, I + 1>...};
}
template <class T>
constexpr std::array<PackRowsFn<T>, kMaxRows> kPackRows = packRowsTable<T>(std::make_integer_sequence<int, kMaxRows>());

// A vector made of 16-byte blocks, block j from rows + j * step.
template <class D, class T = hn::TFromD<D>>
hn::Vec<D> loadBlocks(D d, const T* rows, int64_t step) {
  if constexpr (hn::MaxLanes(D()) * sizeof(T) == 16) {
    return hn::LoadU(d, rows);
  } else {
    const hn::Half<D> half;
    constexpr int64_t blocks = hn::MaxLanes(hn::Half<D>()) * sizeof(T) / 16;
    return hn::Combine(d, loadBlocks(half, rows + blocks * step, step), loadBlocks(half, rows, step));
  }
}

// Turns a full vector of rows: lanes rows of from, 16 / sizeof(T) values of k at a time. Row j of block r goes to lane
// r * perBlock + j after a transposition inside each 16-byte block.
template <class T, class D>
void turnVector(D d, T* HWY_RESTRICT out, int64_t width, const T* from, int64_t ld, int64_t k) {
  constexpr int64_t perBlock = 16 / sizeof(T), lanes = hn::MaxLanes(D());
  int64_t p = 0;
  for (; p + perBlock <= k; p += perBlock, out += perBlock * width) {
    const auto r0 = loadBlocks(d, from + p, perBlock * ld), r1 = loadBlocks(d, from + p + ld, perBlock * ld);
    if constexpr (perBlock == 2) {
      hn::StoreU(hn::InterleaveLower(d, r0, r1), d, out);
      hn::StoreU(hn::InterleaveUpper(d, r0, r1), d, out + width);
    } else {
      const auto r2 = loadBlocks(d, from + p + 2 * ld, perBlock * ld),
                 r3 = loadBlocks(d, from + p + 3 * ld, perBlock * ld);
      const hn::Repartition<double, decltype(d)> dd;
      const auto low01 = hn::BitCast(dd, hn::InterleaveLower(d, r0, r1)),
                 high01 = hn::BitCast(dd, hn::InterleaveUpper(d, r0, r1));
      const auto low23 = hn::BitCast(dd, hn::InterleaveLower(d, r2, r3)),
                 high23 = hn::BitCast(dd, hn::InterleaveUpper(d, r2, r3));
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, low01, low23)), d, out);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, low01, low23)), d, out + width);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(dd, high01, high23)), d, out + 2 * width);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(dd, high01, high23)), d, out + 3 * width);
    }
  }
  for (; p < k; ++p, out += width) {
    for (int64_t i = 0; i < lanes; ++i) out[i] = from[i * ld + p];
  }
}

// from[i * ld + p], p < k, i < count
template <class T>
void packTurned(T* HWY_RESTRICT out, int64_t width, const T* from, int64_t ld, int64_t k, int64_t count) {
  constexpr int64_t lanes = kLanes<T>;
  constexpr hn::CappedTag<T, 16 / sizeof(T)> block;
  constexpr int64_t perBlock = hn::MaxLanes(hn::CappedTag<T, 16 / sizeof(T)>());
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) turnVector(Vectors<T>(), out + i, width, from + i * ld, ld, k);
  for (; i + perBlock <= count; i += perBlock) turnVector(block, out + i, width, from + i * ld, ld, k);
  for (; i < count; ++i) {
    for (int64_t p = 0; p < k; ++p) out[p * width + i] = from[i * ld + p];
  }
  if (i == width) return;
  for (int64_t p = 0; p < k; ++p) {
    for (int64_t j = i; j < width; ++j) out[p * width + j] = 0;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
