// The one driver of all elementwise kernels: layouts × broadcasting × dtypes × threads, so that a tile function is
// plain arithmetic over dense memory. It is also what "copy" and "fill" are made of: a kernel whose tile is nullptr.
//
// Frame, in fixed places:
//   [0] kernel id   [1] ndim; 0 = every operand is dense in one order, or of kind 1 or 2   [2] numel
//   [3] number of operands, the output first
//   [4+3k ..]  operand k: address (or the immediate value), dtype code, kind
//   [24..31] params   [32..47] sizes   [48+16k ..] strides of operand k, in elements
// An input may be the very memory of the output (same address, strides and dtype); other overlaps are the caller's to
// resolve with a copy.
#pragma once
#include "kernel.h"

namespace tenfold {

namespace frameAt {
constexpr int ndim = 1, numel = 2, operands = 3, operand = 4, params = 24, sizes = 32, strides = 48;
}
constexpr int kMaxDims = 16;
constexpr int kFrameLength = frameAt::strides + kMaxDims * (kMaxInputs + 1);

constexpr int kMemory = 0, kOneElement = 1, kImmediate = 2;  // kinds of operands

// out[i] = in[i] converted as PyTorch converts; any dtype to any dtype (kernels/cast.cc).
using CastTileFn = void (*)(DType outType, void* out, DType inType, const void* in, size_t n);

void runElementwise(const Kernel& kernel, const double* frame, CastTileFn cast);

}  // namespace tenfold
