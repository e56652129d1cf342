#include "plan/chain.h"

#include "simd/targets.h"  // before anything of Highway's

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/all.h"
#include "loops/elementwise.h"
#include "loops/strided.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "workspace.h"

namespace tenfold {
namespace {

using namespace chainAt;

// Elements of a tile: what is live of a chain (registers and its parts of the operands) stays in 32 KB.
constexpr int64_t kLiveBytes = 32768, kLongestTile = 2048, kShortestTile = 128;
constexpr int64_t kElementBytes = 8;
// n elements times their cost on one thread; as for single kernels, see loops/elementwise.cc.
constexpr int64_t kWorthAThread = 16384;

struct Operand {
  char* at;
  DType type;
  int64_t bytes;
  int64_t row, inner;  // strides in elements
  int mode;
  bool direct;  // its elements lie as the chain's own do
  int slot;     // the tile that it is brought to, where it isn't
  uint64_t value;
};

struct Step {
  const Kernel* kernel;
  int inputs;
  int out;
  int in[kMaxInputs];
  DType from;  // of a cast
  DType to;
  const double* params;
};

struct Chain {
  int64_t rows, inner;
  int operands, steps, registers, tiles;
  Operand operand[maxOperands];
  Step step[maxSteps];
  DType held[maxRegisters];  // dtype that a register has at the end, for casts
  int64_t tile;              // elements
  int64_t rowsEach;          // rows in a tile, where it has whole ones
  int64_t pieces;            // tiles in all
  int64_t perRow;            // tiles in a row, where it has parts of one
  CastTileFn cast;
};

int whole(double x) { return static_cast<int>(x); }

[[noreturn]] void refuse(const char* what) { throw KernelError("native", std::string("chain: ") + what); }

void readOperands(Chain& c, const double* at) {
  c.tiles = c.registers;
  for (int m = 0; m < c.operands; ++m, at += operandLength) {
    Operand& o = c.operand[m];
    o.type = static_cast<DType>(whole(at[1]));
    o.bytes = static_cast<int64_t>(sizeOf(o.type));
    o.row = static_cast<int64_t>(at[2]);
    o.inner = static_cast<int64_t>(at[3]);
    o.mode = whole(at[4]);
    o.slot = -1;
    if (o.mode == kChainImmediate) {
      c.cast(o.type, &o.value, DType::f64, &at[0], 1);
      o.at = reinterpret_cast<char*>(&o.value);
      o.row = o.inner = 0;
    } else {
      o.at = reinterpret_cast<char*>(static_cast<intptr_t>(at[0]));
    }
    o.direct = o.mode != kChainImmediate && (c.inner == 1 || o.inner == 1) && (c.rows == 1 || o.row == c.inner);
    if (o.mode == kChainWrites && !o.direct) refuse("a result must be dense");
    if (!o.direct) o.slot = c.tiles++;
  }
}

DType typeAt(const Chain& c, int place) { return place < 0 ? c.operand[-1 - place].type : c.held[place]; }

void checkPlace(const Chain& c, int place, bool writes) {
  const bool there = place >= 0 ? place < c.registers : -1 - place < c.operands;
  if (!there) refuse("a place that isn't there");
  if (place < 0 && (c.operand[-1 - place].mode == kChainWrites) < writes) refuse("writes an operand that is read");
}

void readSteps(Chain& c, const double* at) {
  const std::vector<Kernel>& table = kernelTable();
  for (int s = 0; s < c.steps; ++s, at += stepLength) {
    Step& step = c.step[s];
    const double id = at[0];
    if (!(id >= 0 && id < static_cast<double>(table.size()))) refuse("no such kernel");
    step.kernel = &table[static_cast<size_t>(id)];
    step.out = whole(at[stepOut]);
    step.inputs = whole(at[stepInputs]);
    step.params = at + stepParams;
    if (step.kernel->run || step.inputs != step.kernel->inputs) refuse("a step that is no elementwise kernel");
    for (int k = 0; k < step.inputs; ++k) checkPlace(c, step.in[k] = whole(at[stepIn + k]), false);
    checkPlace(c, step.out, true);
    if (!step.kernel->tile) {  // a copy: from any dtype to the result's
      step.from = typeAt(c, step.in[0]);
      step.to = step.out < 0 ? c.operand[-1 - step.out].type : static_cast<DType>(whole(step.params[0]));
    } else {
      step.to = step.kernel->out;
      for (int k = 0; k < step.inputs; ++k) {
        if (typeAt(c, step.in[k]) != step.kernel->in[k]) refuse("an operand of another dtype than its kernel's");
      }
      if (step.out < 0 && c.operand[-1 - step.out].type != step.to) refuse("a result of another dtype");
    }
    if (step.out >= 0) c.held[step.out] = step.to;
  }
}

void chooseTiles(Chain& c) {
  int64_t tile = kLiveBytes / (4 * std::max<int64_t>(1, c.tiles + c.operands));
  tile = std::min(kLongestTile, std::max(kShortestTile, tile & -64));
  tile = std::min(tile, (c.rows * c.inner + 63) & -64);
  c.tile = tile;
  if (c.inner >= tile) {
    c.rowsEach = 0;
    c.perRow = (c.inner + tile - 1) / tile;
    c.pieces = c.rows * c.perRow;
  } else {
    c.rowsEach = std::max<int64_t>(1, tile / c.inner);
    c.perRow = 0;
    c.pieces = (c.rows + c.rowsEach - 1) / c.rowsEach;
  }
}

template <class F>
void bySize(int64_t bytes, const F& f) {
  strided::bySize(static_cast<size_t>(bytes), f);
}

// One thread's run over tiles.
class Worker {
 public:
  explicit Worker(const Chain& chain) : c(chain) {
    const auto bytes = static_cast<size_t>(chain.tiles * chain.tile * kElementBytes);
    tiles_ = bytes <= sizeof small_ ? small_ : static_cast<char*>(workspace(Workspace::chain, bytes));
  }

  void run(int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t row, column = 0, rows = 1, n;
      if (c.rowsEach > 0) {
        row = t * c.rowsEach;
        rows = std::min(c.rowsEach, c.rows - row);
        n = rows * c.inner;
      } else {
        row = t / c.perRow;
        column = (t % c.perRow) * c.tile;
        n = std::min(c.tile, c.inner - column);
      }
      tile(row, column, rows, n);
    }
  }

 private:
  const Chain& c;
  alignas(64) char small_[4096];  // for the chains of small programs
  char* tiles_;
  int64_t filled_[maxOperands] = {};  // elements of a tile that are as they will stay

  char* slot(int number) { return tiles_ + number * c.tile * kElementBytes; }

  void tile(int64_t row, int64_t column, int64_t rows, int64_t n) {
    char* place[maxOperands];
    for (int m = 0; m < c.operands; ++m) {
      const Operand& o = c.operand[m];
      place[m] = o.direct ? o.at + (row * c.inner + column) * o.bytes : bring(m, row, column, rows, n);
    }
    for (int s = 0; s < c.steps; ++s) {
      const Step& step = c.step[s];
      const void* in[kMaxInputs];
      for (int k = 0; k < step.inputs; ++k) in[k] = step.in[k] < 0 ? place[-1 - step.in[k]] : slot(step.in[k]);
      void* out = step.out < 0 ? place[-1 - step.out] : slot(step.out);
      if (step.kernel->tile) {
        step.kernel->tile(out, in, static_cast<size_t>(n), step.params);
      } else if (step.from != step.to) {
        c.cast(step.to, out, step.from, in[0], static_cast<size_t>(n));
      } else {
        std::memcpy(out, in[0], static_cast<size_t>(n) * sizeOf(step.to));
      }
    }
  }

  // An operand's part of a tile: one number, a row that all rows share, a number for each row, or strided rows.
  char* bring(int m, int64_t row, int64_t column, int64_t rows, int64_t n) {
    const Operand& o = c.operand[m];
    char* to = slot(o.slot);
    const bool constant = o.inner == 0 && o.row == 0;
    const bool sameRows = o.row == 0 && c.rowsEach > 0;
    if ((constant || sameRows) && filled_[m] >= n) return to;
    const char* from = o.at + (row * o.row + column * o.inner) * o.bytes;
    if (o.inner == 1 && c.rowsEach == 0) return const_cast<char*>(from);  // a part of one row, where it lies
    bySize(o.bytes, [&](auto unit) {
      using T = decltype(unit);
      T* out = reinterpret_cast<T*>(to);
      const T* in = reinterpret_cast<const T*>(from);
      const int64_t line = n / rows;
      for (int64_t r = 0; r < rows; ++r, out += line, in += o.row) {
        if (o.inner == 0) {
          strided::repeat(out, *in, line);
        } else if (o.inner == 1) {
          std::memcpy(out, in, static_cast<size_t>(line) * sizeof(T));
        } else {
          for (int64_t i = 0; i < line; ++i) out[i] = in[i * o.inner];
        }
      }
    });
    filled_[m] = constant || sameRows ? n : 0;
    return to;
  }
};

}  // namespace

void runChain(const Kernel&, Frame frame) {
  const double* at = frame.at;
  Chain c;
  c.rows = static_cast<int64_t>(at[rows]);
  c.inner = static_cast<int64_t>(at[inner]);
  c.operands = whole(at[operands]);
  c.steps = whole(at[steps]);
  c.registers = whole(at[registers]);
  if (c.rows <= 0 || c.inner <= 0) return;
  if (c.operands < 1 || c.operands > maxOperands || c.steps < 1 || c.steps > maxSteps || c.registers < 0 ||
      c.registers > maxRegisters) {
    refuse("more operands, steps or registers than there is room for");
  }
  static const CastTileFn cast = castTileFor(chosenTarget());
  c.cast = cast;
  readOperands(c, at + first);
  readSteps(c, at + first + operandLength * c.operands);
  chooseTiles(c);
  int64_t cost = 0;
  for (int s = 0; s < c.steps; ++s) cost += std::max(c.step[s].kernel->cost, 1);
  const int64_t work = c.rows * c.inner * cost;
  if (work <= kWorthAThread || c.pieces == 1) {
    Worker(c).run(0, c.pieces);
    return;
  }
  const int64_t grain = std::max<int64_t>(1, kWorthAThread * c.pieces / work);
  parallelFor(
      c.pieces, grain, [&](int64_t begin, int64_t end) { Worker(c).run(begin, end); }, 1);
}

}  // namespace tenfold
