// Memory that kernels work in: a few buffers for each thread, kept from call to call.
#pragma once
#include <cstddef>

namespace tenfold {

enum class Workspace : int { image, result, partial, turned, turnedWeight };
constexpr int kWorkspaces = 5;

// At least `bytes`, aligned to 64; valid until the thread's next call for the same buffer. KernelError where there is
// no memory.
void* workspace(Workspace which, size_t bytes);

}  // namespace tenfold
