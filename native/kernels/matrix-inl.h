// What a reduction reads: rows of a dense tensor, cast to the kernel's dtype as they are read where they have another.
#if defined(TENFOLD_MATRIX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_MATRIX_INL_H_
#undef TENFOLD_MATRIX_INL_H_
#else
#define TENFOLD_MATRIX_INL_H_
#endif

#include <hwy/highway.h>

#include "loops/elementwise.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// Elements that a view may cast at once.
constexpr int64_t kMatrixScratch = 4096;

template <class T>
struct View {
  const T* at;
  int64_t stride;
};

template <class T>
struct Matrix {
  const char* at;
  DType type;
  int64_t stride;   // from row to row, in elements
  CastTileFn cast;  // nullptr: the elements are T

  Matrix(const void* in, DType inType, int64_t stride_, CastTileFn castTile)
      : at(static_cast<const char*>(in)),
        type(inType),
        stride(stride_),
        cast(type == DTypeOf<T>::value ? nullptr : castTile) {}

  const T* dense() const { return reinterpret_cast<const T*>(at); }

  // `rows` rows of `width` elements as T; rows * width <= kMatrixScratch where it casts.
  View<T> view(int64_t row, int64_t rows, int64_t width, T* scratch) const {
    const int64_t bytes = static_cast<int64_t>(sizeOf(type));
    const void* from = at + row * stride * bytes;
    if (!cast) return {static_cast<const T*>(from), stride};
    if (stride == width || rows == 1) {
      cast(DTypeOf<T>::value, scratch, type, from, static_cast<size_t>(rows * width));
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        from = at + (row + r) * stride * bytes;
        cast(DTypeOf<T>::value, scratch + r * width, type, from, static_cast<size_t>(width));
      }
    }
    return {scratch, width};
  }

  // The matrix without its first columns, or without the first elements of a row.
  Matrix from(int64_t elements) const {
    Matrix m = *this;
    m.at += elements * static_cast<int64_t>(sizeOf(type));
    return m;
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
