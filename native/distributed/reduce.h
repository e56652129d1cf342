// How the values of two ranks become one, for every dtype; what Gloo's collectives call with pieces of their buffers.
#pragma once
#include <cstddef>

#include "dtype.h"

namespace tenfold::distributed {

// The order is the contract with lib/distributed/collectives.ts.
enum class Reduce : int { sum = 0, product, min, max, band, bor, bxor };

// out[i] = a[i] ∘ b[i]; out may be a or b.
using ReduceFn = void (*)(void* out, const void* a, const void* b, size_t n);

// nullptr where the operation has no meaning for the dtype: bits of floats.
ReduceFn reduceFunction(DType dtype, Reduce reduce);

// values[i] /= by, for floats.
void divide(DType dtype, void* values, size_t n, int by);

}  // namespace tenfold::distributed
