// Memory that kernels work in: a few buffers for each thread, kept from call to call.
#pragma once
#include <cstddef>

namespace tenfold {

// Panels of a matrix product; images, results and turned operands of a convolution; panels and factors of a
// factorization; tiles of a chain.
enum class Workspace : int {
  left,
  right,
  image,
  result,
  partial,
  turned,
  turnedWeight,
  panel,
  negated,
  factors,
  chain,
  count
};

// At least `bytes`, aligned to 64; valid until the thread's next call for the same buffer. KernelError where there is
// no memory.
void* workspace(Workspace which, size_t bytes);

}  // namespace tenfold
