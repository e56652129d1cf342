// How the values of two ranks become one, for every dtype; what Gloo's collectives call with pieces of their buffers.
#pragma once
#include <cstddef>

#include "dtype.h"

namespace tenfold::distributed {

#define TENFOLD_ENUMERATOR(name) name,
// lib/distributed names them by these words.
#define TENFOLD_REDUCTIONS(X) X(sum) X(product) X(min) X(max) X(band) X(bor) X(bxor)
enum class Reduce : int { TENFOLD_REDUCTIONS(TENFOLD_ENUMERATOR) };

// out[i] = a[i] ∘ b[i]; out may be a or b.
using ReduceFn = void (*)(void* out, const void* a, const void* b, size_t n);

// nullptr where the operation has no meaning for the dtype: bits of floats.
ReduceFn reduceFunction(DType dtype, Reduce reduce);

// values[i] /= by, for floats.
void divide(DType dtype, void* values, size_t n, int by);

}  // namespace tenfold::distributed
