#include "workspace.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <new>
#include <string>

#include "kernel.h"

namespace tenfold {
namespace {
// Panels of a product are read over and over, in steps that leave a 4 KB page soon: with huge pages products of 1024
// are 5 to 8 % faster. Linux gives them to whole, aligned ones, where it is asked to.
constexpr size_t kHugePage = 2 << 20, kHugeFrom = 64 << 10;
struct Buffer {
  void* at = nullptr;
  size_t size = 0;
  std::align_val_t align{64};

  void release() {
    ::operator delete(at, align);
    at = nullptr;
    size = 0;
  }
  bool allocate(size_t bytes) {
#if defined(__linux__)
    const bool huge = bytes >= kHugeFrom;
#else
    const bool huge = false;
#endif
    if (huge) bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    align = std::align_val_t{huge ? kHugePage : 64};
    at = ::operator new(bytes, align, std::nothrow);
    if (!at) return false;
#if defined(__linux__)
    if (huge) madvise(at, bytes, MADV_HUGEPAGE);
#endif
    size = bytes;
    return true;
  }
  ~Buffer() { release(); }
};
}  // namespace

void* workspace(Workspace which, size_t bytes) {
  static thread_local Buffer buffers[static_cast<int>(Workspace::count)];
  Buffer& buffer = buffers[static_cast<int>(which)];
  if (bytes > buffer.size) {
    buffer.release();
    if (!buffer.allocate(bytes))
      throw KernelError("memory", "no memory for a working buffer of " + std::to_string(bytes) + " bytes");
  }
  return buffer.at;
}

}  // namespace tenfold
