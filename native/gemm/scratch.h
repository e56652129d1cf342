// Memory for packed panels: two buffers for each thread that multiplies, kept from call to call.
#pragma once
#include <cstddef>

namespace tenfold {

enum class Scratch { left, right };
// At least `bytes`, aligned to 64; valid until the thread's next call for this buffer. KernelError where there is no
// memory.
void* gemmScratch(Scratch which, size_t bytes);

}  // namespace tenfold
