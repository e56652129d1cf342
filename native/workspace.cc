#include "workspace.h"

#include <new>
#include <string>

#include "kernel.h"

namespace tenfold {
namespace {
constexpr std::align_val_t kAlign{64};
struct Buffer {
  void* at = nullptr;
  size_t size = 0;
  ~Buffer() { ::operator delete(at, kAlign); }
};
}  // namespace

void* workspace(Workspace which, size_t bytes) {
  static thread_local Buffer buffers[static_cast<int>(Workspace::count)];
  Buffer& buffer = buffers[static_cast<int>(which)];
  if (bytes > buffer.size) {
    ::operator delete(buffer.at, kAlign);
    buffer.size = 0;
    buffer.at = ::operator new(bytes, kAlign, std::nothrow);
    if (!buffer.at)
      throw KernelError("memory", "no memory for a working buffer of " + std::to_string(bytes) + " bytes");
    buffer.size = bytes;
  }
  return buffer.at;
}

}  // namespace tenfold
