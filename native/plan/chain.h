// A chain: several elementwise kernels as one pass over memory. What one step makes goes to the next in a tile that
// stays in the first-level cache, and only what somebody reads later is written to memory. An interpreter of tiles: no
// compiler is needed at run time, and each step is the very tile function that the kernel runs outside a chain, so
// results are the same to the last bit.
//
// A chain computes `rows` x `inner` elements, which are dense in every step. Frame, behind the kernel's id:
//   rows, inner, M operands, S steps, R registers
//   M times  address (or the immediate value), dtype, stride from row to row, stride within a row, mode
//   S times  kernel's id, where its result goes, number of its inputs, 5 inputs, 8 scalars
// A place is a register's number, or -1 - the number of an operand. A step of the kernel "copy" casts.
#pragma once
#include "kernel.h"

namespace tenfold {

namespace chainAt {
constexpr int rows = 0, inner = 1, operands = 2, steps = 3, registers = 4, first = 5;
constexpr int operandLength = 5, stepLength = 16;
constexpr int stepOut = 1, stepInputs = 2, stepIn = 3, stepParams = 8;
constexpr int maxOperands = 32, maxSteps = 64, maxRegisters = 16;
}  // namespace chainAt

// What a frame holds, as other kernels declare theirs.
constexpr char kChainFrame[] =
    "rows, inner, operands, steps, registers, (in? at: any strided, dtype, row, column, mode)[operands], "
    "program[16*steps]";

constexpr int kChainReads = 0, kChainWrites = 1, kChainImmediate = 2;  // modes of operands

// Runs the chain that the frame describes. KernelError for a frame that describes none.
void runChain(const Kernel& self, Frame frame);

}  // namespace tenfold
