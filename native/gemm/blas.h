// The system's BLAS beside our own product: linked where the build found one (TENFOLD_BLAS in CMakeLists.txt), used for
// the products that it was measured to compute faster (blas_openblas.cc holds the table).
#pragma once
#include "gemm/gemm.h"

namespace tenfold {

#if TENFOLD_OPENBLAS

// The BLAS and the kernels that it runs: "openblas SkylakeX".
const char* blasName();

// c = op(a) @ op(b) [+ c] by OpenBLAS, whatever measurements say. No packers, bias or activation; sizes below 2^31.
template <class T>
void openblasProduct(const Gemm<T>& g);

// Computes g where OpenBLAS is the faster one on `target`; false: it is ours to compute. The choice depends on the
// target, the type and the shape, never on threads or values.
template <class T>
bool blasProduct(const Gemm<T>& g, int64_t target);

#else

constexpr const char* blasName() { return "builtin"; }

template <class T>
constexpr bool blasProduct(const Gemm<T>&, int64_t) {
  return false;
}

#endif

}  // namespace tenfold
