// What a reduction reads: rows of a dense tensor, cast to the kernel's dtype as they are read where they have another.
#if defined(TENFOLD_MATRIX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_MATRIX_INL_H_
#undef TENFOLD_MATRIX_INL_H_
#else
#define TENFOLD_MATRIX_INL_H_
#endif

#include <hwy/highway.h>

#include "dtype.h"
#include "loops/cast.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// Elements that a view may cast at once.
constexpr int64_t kMatrixScratch = 4096;

template <class T> struct View {
  const T* at;
  int64_t stride;
};

template <class T> struct Matrix {
  const char* at;
  DType type;
  int64_t stride;  // from row to row, in elements

  bool casts() const { return type != DTypeOf<T>::value; }
  const T* dense() const { return reinterpret_cast<const T*>(at); }

  // `rows` rows of `width` elements as T; rows * width <= kMatrixScratch where it casts.
  View<T> view(int64_t row, int64_t rows, int64_t width, T* scratch) const {
    const char* from = at + row * stride * static_cast<int64_t>(sizeOf(type));
    if (!casts()) return {reinterpret_cast<const T*>(from), stride};
    if (stride == width) {
      castTile(DTypeOf<T>::value, scratch, type, from, static_cast<size_t>(rows * width));
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        castTile(DTypeOf<T>::value, scratch + r * width, type, from + r * stride * static_cast<int64_t>(sizeOf(type)),
                 static_cast<size_t>(width));
      }
    }
    return {scratch, width};
  }
  Matrix from(int64_t column) const { return {at + column * static_cast<int64_t>(sizeOf(type)), type, stride}; }
};

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
