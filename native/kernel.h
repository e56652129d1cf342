// What a kernel is: a name, the dtype it is chosen by, and a function that reads all it needs from a frame of doubles.
// The one list of kernels is the tables that native/kernels/*.cc, native/random and native/gemm export; JavaScript
// resolves names to ids at load (native/node/addon.cc).
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "dtype.h"

namespace tenfold {

// Thrown by kernels for what only they can see (an index out of range inside a tensor, out of memory).
// code is 'RangeError', 'TypeError' or a TenfoldError's code.
struct KernelError : std::runtime_error {
  KernelError(const char* code_, const std::string& message) : std::runtime_error(message), code(code_) {}
  const char* code;
};

// Reads a frame in order. Addresses, sizes, strides and scalars are all doubles: addresses are below 2^53.
struct Frame {
  const double* at;
  int64_t i64() { return static_cast<int64_t>(*at++); }
  // How many numbers follow, for an array that has room for `most`: what doesn't fit would overwrite the stack.
  int count(int most) {
    const double n = *at++;
    if (!(n >= 0 && n <= most)) {
      throw KernelError("shape", "more dimensions or operands than the " + std::to_string(most) + " there is room for");
    }
    return static_cast<int>(n);
  }
  double f64() { return *at++; }
  bool flag() { return *at++ != 0; }
  template <class T>
  T* ptr() {
    return reinterpret_cast<T*>(static_cast<uintptr_t>(*at++));
  }  // 0 gives nullptr
};

struct Kernel;
using RunFn = void (*)(const Kernel& self, Frame frame);

// Elementwise kernels are written as tile functions: n elements of dense memory, out[i] from in[0][i], in[1][i], ….
// out may be the same memory as an input. params are the scalars of the call. The driver (native/loops/elementwise.cc)
// deals with layouts, broadcasting, dtypes and threads, so a tile function never sees any of them.
using TileFn = void (*)(void* out, const void* const* in, size_t n, const double* params);
constexpr int kMaxInputs = 5;

struct Kernel {
  const char* name;  // PyTorch's name in camelCase, the same word in C++, TypeScript, tests and docs
  DType dtype;       // the dtype it computes in, which is what a caller asks for
  RunFn run;         // nullptr for an elementwise kernel: the driver runs it
  // What stands in the frame, place by place: what run reads, in its order (lib/launch/declaration.ts has the
  // notation). Elementwise kernels have the driver's frame, and no declaration.
  const char* frame = nullptr;
  TileFn tile = nullptr;  // elementwise only …
  int inputs = 0;
  DType in[kMaxInputs] = {};  // … what tile expects; the driver casts whatever differs, tile by tile
  DType out = DType::f32;
  int cost = 1;  // rough ns per 4 elements; decides from which size threads pay
};

struct KernelTable {
  const Kernel* kernels;
  size_t count;
};

}  // namespace tenfold
