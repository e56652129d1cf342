// Matrix products: one description of a product, and one function that computes it, whatever does the work below it.
//
//   c = activation(op(a) @ op(b) [+ c] + bias)        for each of `batch` products
//
// All matrices are row-major with a leading dimension in elements; op transposes where transA or transB says so.
// Threads come from the pool. A result depends on the shapes and the instruction set only: never on the number of
// threads, nor on who computed what. (k is never split between threads.)
#pragma once
#include <cstdint>

#include "simd/cpu.h"

namespace tenfold {

enum class Bias : int { none = 0, column = 1, row = 2 };  // column: bias is [n]; row: bias is [m]
enum class Activation : int { none = 0, relu = 1 };

// A factor that is no matrix in memory, but is known to a function: convolution's patches of an image, a weight stored
// in another format. It writes one panel of the packed form that the micro-kernels read:
//   out[(p - p0) * width + (i - i0)] = factor(p, i)    p in [p0, p1): along k    i in [i0, i1): along m or n
// and zeros for i from i1 up to i0 + width. It may be called for several panels at once, from several threads; panels
// come in no particular order, and some twice.
template <class T>
struct Packer {
  using Fn = void (*)(const void* context, int64_t batch, T* out, int64_t width, int64_t p0, int64_t p1, int64_t i0,
                      int64_t i1);
  Fn fn = nullptr;
  const void* context = nullptr;
  explicit operator bool() const { return fn != nullptr; }
};

template <class T>
struct Gemm {
  int64_t m = 0, n = 0, k = 0;  // op(a) is [m, k], op(b) is [k, n], c is [m, n]
  const T* a = nullptr;
  int64_t lda = 0;
  bool transA = false;  // a is stored [k, m]
  const T* b = nullptr;
  int64_t ldb = 0;
  bool transB = false;  // b is stored [n, k]
  T* c = nullptr;
  int64_t ldc = 0;
  bool accumulate = false;  // add to c; otherwise c is only written, and may hold anything before
  const T* bias = nullptr;
  Bias biasKind = Bias::none;
  Activation activation = Activation::none;
  // Batch: item i reads a + i * aStride, …; a stride of 0 uses one factor for all. The bias is the same for all.
  int64_t batch = 1, aStride = 0, bStride = 0, cStride = 0;
  // In place of a or b (f32 and f64 only). A packer for a writes panels along m, one for b panels along n.
  Packer<T> packA, packB;
};

// T: float, double, int64_t, int32_t. `target` is one that the processor supports; kernels compiled for a target pass
// HWY_TARGET.
template <class T>
void gemm(const Gemm<T>& g, int64_t target = chosenTarget());

// The same, by our own product whatever BLAS is linked (gemm/blas.h); float and double.
template <class T>
void packedGemm(const Gemm<T>& g, int64_t target = chosenTarget());

}  // namespace tenfold
