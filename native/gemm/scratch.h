// Memory for packed panels: one buffer for each thread that multiplies, kept from call to call.
#pragma once
#include <cstddef>

namespace tenfold {

// At least `bytes`, aligned to 64; valid until the thread's next call. KernelError where there is no memory.
void* gemmScratch(size_t bytes);

}  // namespace tenfold
