// Casts for kernels that read other dtypes than their own.
#pragma once
#include "dtype.h"

namespace tenfold {

// out[i] = in[i] converted as PyTorch converts, any dtype to any dtype, on the chosen instruction set
// (kernels/cast.cc).
void castTile(DType outType, void* out, DType inType, const void* in, size_t n);

}  // namespace tenfold
