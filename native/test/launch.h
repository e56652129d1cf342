// What tests of raw kernels share: numbers, memory in a kernel's dtype, and the launch by name.
#pragma once
#include <cstring>
#include <vector>

#include "check.h"
#include "kernel.h"

namespace tenfold::test {

using Doubles = std::vector<double>;

// Pseudorandom numbers from `least` to `least` + 4 that float32 holds exactly.
inline Doubles numbers(int64_t count, uint32_t seed, double least = -2) {
  Doubles x(static_cast<size_t>(count));
  for (double& v : x) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<double>(static_cast<float>(static_cast<double>(seed >> 8) * 0x1p-22 + least));
  }
  return x;
}

// Memory of the kernel's dtype: read by the kernel from a vector of doubles, or written and read back.
template <class T>
struct Buffer {
  std::vector<T> data;
  explicit Buffer(const Doubles& from) : data(from.begin(), from.end()) {}
  explicit Buffer(int64_t n) : data(static_cast<size_t>(n) + 1, T(77)) {}
  double address() const { return static_cast<double>(reinterpret_cast<uintptr_t>(data.data())); }
};

inline void launch(const std::vector<Kernel>& all, const char* name, DType dtype, const Doubles& frame) {
  for (const Kernel& k : all) {
    if (k.dtype == dtype && !std::strcmp(k.name, name)) return k.run(k, Frame{frame.data()});
  }
  CHECK(false, "no kernel %s %s", name, nameOf(dtype));
}

}  // namespace tenfold::test
