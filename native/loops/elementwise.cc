#include "loops/elementwise.h"

#include <algorithm>
#include <cstring>

#include "loops/strided.h"
#include "threads/pool.h"

namespace tenfold {
namespace {

// One buffer: a tile of 512 to 4096 elements. Two inputs, an output and their casts stay in the first-level cache.
constexpr int64_t kTileBytes = 4096;
// Lines of this many elements are worth a call of their own; shorter ones are gathered, several to a tile.
constexpr int64_t kLineWorthACall = 128;
// … but from here on a call costs less than a copy of its results.
constexpr int64_t kShortLine = 32;
// Elements of a line that goes straight from memory to memory, and of the lines that one box copies.
constexpr int64_t kDirectElements = 16384, kCopied = 4096;
constexpr int64_t kCacheLine = 64;

struct Operand {
  char* at;
  DType dtype;  // in memory
  DType tile;   // as the tile function has it
  int64_t strides[kMaxDims];
};

// What is computed, cut into boxes: a box is a run of each dimension, and at most a tile of elements where anything
// has to be gathered or cast. Dimensions are ordered by the output's strides, outermost first.
struct Plan {
  TileFn tile;  // nullptr: copy
  const double* params;
  CastTileFn cast;
  int operands;
  Operand operand[kMaxInputs + 1];
  int dims;
  int64_t size[kMaxDims];
  int64_t block[kMaxDims];      // extent of a box
  int64_t blocks[kMaxDims];     // number of boxes along the dimension
  bool direct[kMaxInputs + 1];  // the operand's part of every box is dense
  bool lines;                   // a copy whose lines are dense on both sides: its boxes may be larger than a tile
  int64_t boxes;
};

// Through a signed integer: to an unsigned one, x86-64 converts with a branch.
char* pointer(double address) { return reinterpret_cast<char*>(static_cast<intptr_t>(address)); }
int integer(double x) { return static_cast<int>(x); }

bool casts(const Operand& o) { return o.dtype != o.tile; }
int64_t bytesOf(const Operand& o) { return static_cast<int64_t>(std::max(sizeOf(o.dtype), sizeOf(o.tile))); }

// An immediate is kept in the dtype that the tile has.
void storeImmediate(double value, DType type, void* to, CastTileFn cast) {
  switch (type) {  // the four that kernels compute in, without a call
    case DType::f32: {
      const float x = static_cast<float>(value);
      std::memcpy(to, &x, sizeof x);
      return;
    }
    case DType::f64:
      std::memcpy(to, &value, sizeof value);
      return;
    default:
      cast(type, to, DType::f64, &value, 1);
  }
}

void readOperands(const Kernel& kernel, const double* frame, Plan& plan, uint64_t* immediates) {
  const bool copies = kernel.tile == nullptr;
  for (int k = 0; k < plan.operands; ++k) {
    const double* at = frame + frameAt::operand + 3 * k;
    Operand& o = plan.operand[k];
    const int kind = static_cast<int>(at[2]);
    o.dtype = static_cast<DType>(static_cast<int>(at[1]));
    // A copy computes in the input's dtype, which the output then casts; an immediate is made in the output's.
    o.tile = copies ? (k == 0               ? o.dtype
                       : kind == kImmediate ? plan.operand[0].dtype
                                            : o.dtype)
                    : (k == 0 ? kernel.out : kernel.in[k - 1]);
    if (copies && k == 1) plan.operand[0].tile = o.tile;
    if (kind == kImmediate) {
      storeImmediate(at[0], o.tile, &immediates[k], plan.cast);
      o.dtype = o.tile;
      o.at = reinterpret_cast<char*>(&immediates[k]);
    } else {
      o.at = pointer(at[0]);
    }
    if (plan.dims == 0) {
      o.strides[0] = kind == kMemory;
    } else {
      const double* strides = frame + frameAt::strides + kMaxDims * k;
      for (int d = 0; d < plan.dims; ++d) o.strides[d] = kind == kMemory ? static_cast<int64_t>(strides[d]) : 0;
    }
  }
}

int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

void swapDims(Plan& p, int a, int b) {
  std::swap(p.size[a], p.size[b]);
  for (int k = 0; k < p.operands; ++k) std::swap(p.operand[k].strides[a], p.operand[k].strides[b]);
}

// Whether dimension a should be outside dimension b: by the output's strides, then by the inputs'.
bool belongsOutside(const Plan& p, int a, int b) {
  for (int k = 0; k < p.operands; ++k) {
    const int64_t sa = magnitude(p.operand[k].strides[a]), sb = magnitude(p.operand[k].strides[b]);
    if (sa != sb && sa != 0 && sb != 0) return sa > sb;
  }
  return true;
}

// Drops dimensions of size 1, orders the rest by strides, and joins those that every operand steps through as one.
void simplify(Plan& p) {
  int n = 0;
  for (int d = 0; d < p.dims; ++d) {
    if (p.size[d] == 1) continue;
    if (n != d) {
      p.size[n] = p.size[d];
      for (int k = 0; k < p.operands; ++k) p.operand[k].strides[n] = p.operand[k].strides[d];
    }
    ++n;
  }
  p.dims = n;
  for (int d = 1; d < p.dims; ++d) {
    for (int e = d; e > 0 && !belongsOutside(p, e - 1, e); --e) swapDims(p, e - 1, e);
  }
  n = 0;
  for (int d = 1; d < p.dims; ++d) {
    bool joins = true;
    for (int k = 0; k < p.operands && joins; ++k) {
      const int64_t* s = p.operand[k].strides;
      joins = s[n] == s[d] * p.size[d];
    }
    if (joins) {
      p.size[n] *= p.size[d];
    } else {
      ++n;
      p.size[n] = p.size[d];
    }
    for (int k = 0; k < p.operands; ++k) p.operand[k].strides[n] = p.operand[k].strides[d];
  }
  p.dims = n + 1;
  if (p.dims > 0 && p.size[0] == 1 && n == 0) {  // one element: any stride is dense
    for (int k = 0; k < p.operands; ++k) p.operand[k].strides[0] = 1;
  }
}

// The dimension along which some operand is (nearly) dense while it strides along the innermost one; -1 where none is.
// Both then go into a box, so that each cache line of that operand is used whole.
int transposedAlong(const Plan& p) {
  const int inner = p.dims - 1;
  for (int k = 0; k < p.operands; ++k) {
    const Operand& o = p.operand[k];
    const int64_t step = magnitude(o.strides[inner]);
    if (step <= 1) continue;
    int best = -1;
    for (int d = 0; d < inner; ++d) {
      const int64_t s = magnitude(o.strides[d]);
      if (s == 0 || s >= step || s * static_cast<int64_t>(sizeOf(o.dtype)) >= kCacheLine || p.size[d] < 4) continue;
      if (best < 0 || s < magnitude(o.strides[best])) best = d;
    }
    if (best >= 0) return best;
  }
  return -1;
}

bool isDirect(const Plan& p, const Operand& o) {
  int64_t expected = 1;
  for (int d = p.dims - 1; d >= 0; --d) {
    if (p.block[d] == 1) continue;
    if (o.strides[d] != expected) return false;
    expected *= p.block[d];
  }
  return true;
}

void chooseBoxes(Plan& p) {
  int64_t bytes = 1, smallest = 8;
  for (int k = 0; k < p.operands; ++k) {
    bytes = std::max(bytes, bytesOf(p.operand[k]));
    smallest = std::min<int64_t>(smallest, sizeOf(p.operand[k].dtype));
  }
  const int64_t tile = kTileBytes / bytes;
  const int inner = p.dims - 1;
  for (int d = 0; d < p.dims; ++d) p.block[d] = 1;
  p.lines = false;

  int along;
  if (p.dims > 1 && (along = transposedAlong(p)) >= 0) {
    for (int d = along; d + 1 < inner; ++d) swapDims(p, d, d + 1);
    const int64_t lines = std::min(p.size[inner - 1], kCacheLine / smallest);
    p.block[inner] = std::min(p.size[inner], std::min<int64_t>(tile / lines, 64));
    p.block[inner - 1] = p.block[inner] == p.size[inner] ? std::min(p.size[inner - 1], tile / p.block[inner]) : lines;
  } else {
    bool linesAreDirect = true;
    for (int k = 0; k < p.operands; ++k) {
      linesAreDirect = linesAreDirect && p.operand[k].strides[inner] == 1 && !casts(p.operand[k]);
    }
    p.lines = linesAreDirect && !p.tile && p.dims > 1;
    if (p.lines || (linesAreDirect && (p.dims == 1 || p.size[inner] >= kLineWorthACall))) {
      p.block[inner] = std::min<int64_t>(p.size[inner], kDirectElements);
      if (p.lines) p.block[inner - 1] = std::min(p.size[inner - 1], std::max<int64_t>(1, kCopied / p.block[inner]));
    } else {
      int64_t room = tile;
      for (int d = inner; d >= 0 && room > 0; --d) {
        p.block[d] = std::min(p.size[d], room);
        if (p.block[d] < p.size[d]) break;
        room /= p.block[d];
      }
    }
  }
  p.boxes = 1;
  for (int d = 0; d < p.dims; ++d) {
    p.blocks[d] = (p.size[d] + p.block[d] - 1) / p.block[d];
    p.boxes *= p.blocks[d];
  }
  for (int k = 0; k < p.operands; ++k) p.direct[k] = isDirect(p, p.operand[k]);
}

// One thread's run over boxes [begin, end).
class Worker {
 public:
  explicit Worker(const Plan& plan) : p(plan) {}

  void run(int64_t begin, int64_t end) {
    int64_t at[kMaxDims];  // which box, along each dimension
    int64_t rest = begin;
    for (int d = p.dims - 1; d >= 0; --d) {
      at[d] = rest % p.blocks[d];
      rest /= p.blocks[d];
    }
    for (int64_t b = begin; b < end; ++b) {
      box(at);
      for (int d = p.dims - 1; d >= 0 && ++at[d] == p.blocks[d]; --d) at[d] = 0;
    }
  }

 private:
  const Plan& p;
  alignas(64) char tiles[kMaxInputs + 1][kTileBytes];
  alignas(64) char raw[kTileBytes];           // an operand in its own dtype, on its way through a cast
  const char* heldFrom[kMaxInputs + 1] = {};  // what tiles[k] was filled from, to fill it once for a broadcast operand
  int64_t heldCount[kMaxInputs + 1];
  int64_t heldLine[kMaxInputs + 1];

  void box(const int64_t* at) {
    Box shape;
    int64_t n = 1;
    for (int d = 0; d < p.dims; ++d) {
      const int64_t extent = std::min(p.block[d], p.size[d] - at[d] * p.block[d]);
      n *= extent;
      if (p.block[d] > 1 || d == p.dims - 1) {
        shape.dim[shape.dims] = d;
        shape.extent[shape.dims++] = extent;
      }
    }
    char* out = origin(p.operand[0], at);
    if (!p.tile) return copyBox(out, origin(p.operand[1], at), shape, n);
    const void* in[kMaxInputs];
    for (int k = 1; k < p.operands; ++k) in[k - 1] = input(k, origin(p.operand[k], at), shape, n);
    const Operand& o = p.operand[0];
    const bool straight = p.direct[0] && !casts(o);
    if (!straight && !casts(o) && shape.dims == 2 && o.strides[shape.dim[1]] == 1 && shape.extent[1] >= kShortLine) {
      return lineByLine(out, in, shape);
    }
    void* result = straight ? out : tiles[0];
    p.tile(result, in, static_cast<size_t>(n), p.params);
    if (!straight) output(out, result, shape, n);
  }

  // The lines of the output are dense, if not the box: no tile of results.
  void lineByLine(char* out, const void** in, const Box& shape) {
    const Operand& o = p.operand[0];
    const int64_t n = shape.extent[1], step = o.strides[shape.dim[0]] * static_cast<int64_t>(sizeOf(o.dtype));
    for (int64_t l = 0; l < shape.extent[0]; ++l, out += step) {
      p.tile(out, in, static_cast<size_t>(n), p.params);
      for (int k = 1; k < p.operands; ++k) {
        in[k - 1] = static_cast<const char*>(in[k - 1]) + n * static_cast<int64_t>(sizeOf(p.operand[k].tile));
      }
    }
  }

  char* origin(const Operand& o, const int64_t* at) const {
    int64_t offset = 0;
    for (int d = 0; d < p.dims; ++d) offset += at[d] * p.block[d] * o.strides[d];
    return o.at + offset * static_cast<int64_t>(sizeOf(o.dtype));
  }

  // Operand k's part of the box, dense and in the tile's dtype.
  const void* input(int k, const char* from, const Box& shape, int64_t n) {
    const Operand& o = p.operand[k];
    if (p.direct[k] && !casts(o)) return from;
    const int64_t line = shape.extent[shape.dims - 1];
    if (heldFrom[k] == from && heldLine[k] == line && n <= heldCount[k]) return tiles[k];
    heldFrom[k] = from, heldLine[k] = line, heldCount[k] = n;
    if (p.direct[k]) {
      p.cast(o.tile, tiles[k], o.dtype, from, static_cast<size_t>(n));
    } else if (!casts(o)) {
      gather(tiles[k], from, sizeOf(o.dtype), shape, o.strides);
    } else {
      gather(raw, from, sizeOf(o.dtype), shape, o.strides);
      p.cast(o.tile, tiles[k], o.dtype, raw, static_cast<size_t>(n));
    }
    return tiles[k];
  }

  // Brings a dense result in the tile's dtype to the output's part of the box.
  void output(char* out, const void* result, const Box& shape, int64_t n) {
    const Operand& o = p.operand[0];
    if (!casts(o)) return scatter(out, result, sizeOf(o.dtype), shape, o.strides);
    void* to = p.direct[0] ? out : raw;
    p.cast(o.dtype, to, o.tile, result, static_cast<size_t>(n));
    if (!p.direct[0]) scatter(out, raw, sizeOf(o.dtype), shape, o.strides);
  }

  void copyLines(char* out, const char* from, const Box& shape) const {
    const int inner = p.dims - 1;
    const int64_t bytes = static_cast<int64_t>(sizeOf(p.operand[0].dtype));
    const int64_t lines = shape.dims > 1 ? shape.extent[0] : 1;
    const int64_t outStep = p.operand[0].strides[inner - 1] * bytes, step = p.operand[1].strides[inner - 1] * bytes;
    const size_t n = static_cast<size_t>(shape.extent[shape.dims - 1] * bytes);
    if (out == from && outStep == step) return;
    for (int64_t l = 0; l < lines; ++l) std::memcpy(out + l * outStep, from + l * step, n);
  }

  void copyBox(char* out, const char* from, const Box& shape, int64_t n) {
    const Operand& o = p.operand[0];
    const Operand& i = p.operand[1];
    if (p.lines) return copyLines(out, from, shape);
    if (!casts(o) && p.direct[0]) {
      if (p.direct[1]) {
        if (out != from) std::memcpy(out, from, static_cast<size_t>(n) * sizeOf(o.dtype));
      } else {
        gather(out, from, sizeOf(i.dtype), shape, i.strides);
      }
      return;
    }
    const void* source = input(1, from, shape, n);
    if (p.direct[0] || casts(o) || source != out) output(out, source, shape, n);
  }
};

// From twice this n * cost on another thread pays, where one waits: 65,536 additions take 5.5 µs on one, 3.8 on two.
// Where none does, the pool decides whether to wake one.
constexpr int64_t kWorthAThread = 16384;

// n copies of a value.
void fill(void* to, const void* value, size_t bytes, int64_t n) {
  strided::bySize(bytes, [=](auto unit) {
    std::memcpy(&unit, value, sizeof unit);
    strided::repeat(static_cast<decltype(unit)*>(to), unit, n);
  });
}

// A number copied into all of a dense tensor. False where the call is something else.
bool runFill(const double* frame, int64_t n, CastTileFn cast) {
  const double *out = frame + frameAt::operand, *in = out + 3;
  if (integer(out[2]) != kMemory || integer(in[2]) != kImmediate) return false;
  const DType type = static_cast<DType>(integer(out[1]));
  const size_t bytes = sizeOf(type);
  uint64_t value;
  storeImmediate(in[0], type, &value, cast);
  parallelFor(n, kWorthAThread, [&](int64_t begin, int64_t end) {
    fill(pointer(out[0]) + begin * static_cast<int64_t>(bytes), &value, bytes, end - begin);
  });
  return true;
}

// The calls that small programs are made of, without a plan: dense operands in the tile's own dtypes and, up to a tile,
// scalars. False where the call is none of them.
bool runDense(const Kernel& kernel, const double* frame, int64_t n, CastTileFn cast) {
  const double* at = frame + frameAt::operand;
  if (integer(at[1]) != static_cast<int>(kernel.out) || integer(at[2]) != kMemory) return false;
  char* out = pointer(at[0]);
  alignas(64) char scalars[kMaxInputs][kTileBytes];
  const void* in[kMaxInputs];
  bool all = true;
  for (int k = 0; k < kernel.inputs; ++k) {
    at += 3;
    const size_t bytes = sizeOf(kernel.in[k]);
    const int kind = integer(at[2]);
    const bool immediate = kind == kImmediate;
    if (!immediate && integer(at[1]) != static_cast<int>(kernel.in[k])) return false;
    in[k] = pointer(at[0]);
    if (kind == kMemory || (kind == kOneElement && n == 1)) continue;
    if (n * static_cast<int64_t>(bytes) > kTileBytes) return false;
    uint64_t value;
    if (immediate) storeImmediate(at[0], kernel.in[k], &value, cast);
    fill(scalars[k], immediate ? &value : in[k], bytes, n);
    in[k] = scalars[k];
    all = false;
  }
  const double* params = frame + frameAt::params;
  if (n * kernel.cost <= kWorthAThread || !all) {
    kernel.tile(out, in, static_cast<size_t>(n), params);
    return true;
  }
  parallelFor(n, kWorthAThread / std::max(kernel.cost, 1), [&](int64_t begin, int64_t end) {
    const void* from[kMaxInputs];
    for (int k = 0; k < kernel.inputs; ++k) {
      from[k] = static_cast<const char*>(in[k]) + begin * static_cast<int64_t>(sizeOf(kernel.in[k]));
    }
    kernel.tile(out + begin * static_cast<int64_t>(sizeOf(kernel.out)), from, static_cast<size_t>(end - begin), params);
  });
  return true;
}

}  // namespace

void runElementwise(const Kernel& kernel, const double* frame, CastTileFn cast) {
  const int64_t n = static_cast<int64_t>(frame[frameAt::numel]);
  if (n <= 0) return;
  const int operands = kernel.inputs + 1;
  if (integer(frame[frameAt::operands]) != operands) {
    throw KernelError("TypeError", std::string(kernel.name) + ": expected " + std::to_string(operands) +
                                       " operands, got " + std::to_string(integer(frame[frameAt::operands])));
  }
  const int dims = Frame{frame + frameAt::ndim}.count(kMaxDims);
  if (dims == 0 && (kernel.tile ? runDense(kernel, frame, n, cast) : runFill(frame, n, cast))) return;

  Plan plan;
  uint64_t immediates[kMaxInputs + 1];
  plan.tile = kernel.tile;
  plan.params = frame + frameAt::params;
  plan.cast = cast;
  plan.operands = operands;
  plan.dims = dims;
  readOperands(kernel, frame, plan, immediates);
  if (dims == 0) {
    plan.dims = 1;
    plan.size[0] = n;
  } else {
    for (int d = 0; d < dims; ++d) plan.size[d] = static_cast<int64_t>(frame[frameAt::sizes + d]);
    simplify(plan);
  }
  if (plan.dims == 0) plan.dims = 1, plan.size[0] = 1;
  chooseBoxes(plan);

  int64_t extra = 0;
  for (int k = 0; k < operands; ++k) extra += !plan.direct[k] || casts(plan.operand[k]);
  const int64_t cost = std::max(kernel.cost, 1) + extra;
  if (n * cost <= kWorthAThread) {
    Worker(plan).run(0, plan.boxes);
  } else {
    const int64_t grain = std::max<int64_t>(1, kWorthAThread * plan.boxes / (cost * n));
    parallelFor(
        plan.boxes, grain, [&](int64_t begin, int64_t end) { Worker(plan).run(begin, end); }, 1);
  }
}

}  // namespace tenfold
