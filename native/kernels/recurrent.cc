// The steps of a recurrent layer in one direction: h W^T of a step, and what the cell makes of it while it is in cache.
// The weight is packed once for all steps; the threads share the hidden units, so that none waits but at a step's end.
//
// gates [steps, n, G h] hold the inputs' share with its bias, G = 1 (RNN), 4 (LSTM: i, f, g, o) or 3 (GRU: r, z, n).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/recurrent.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>

#include "gemm/micro-inl.h"
#include "gemm/pack-inl.h"
#include "kernel.h"
#include "kernels/all.h"
#include "kernels/math-inl.h"
#include "kernels/tile-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "workspace.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

enum class Cell : int { tanh = 0, relu = 1, lstm = 2, gru = 3 };
constexpr int64_t gatesOf(Cell c) { return c == Cell::lstm ? 4 : c == Cell::gru ? 3 : 1; }
// What the backward pass wants of a step: the gates, and of a GRU W h of n. (An RNN's result is all it wants.)
constexpr int64_t kept(Cell c) { return c == Cell::lstm || c == Cell::gru ? 4 : 0; }

constexpr int kWide = kSums < 24 ? 2 : 4;  // vectors of a tile
constexpr int64_t kHigh = maxRows(kWide);
template <class T>
constexpr int64_t kUnits = kWide* kLanes<T>;  // hidden units of a block
constexpr int64_t kGrainWork = 1 << 19;       // multiply-adds that are worth a thread
constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
struct Steps {
  bool reverse;
  int64_t steps, n, h;
  const T *gates, *weight, *bias, *h0, *c0;
  T *y, *cells;
  bool allCells;  // cells are [steps, n, h]; else [n, h], those of the last step
  T* kept;        // [steps, n, kept * h], or nullptr
  // Of the backward pass.
  const T *gradY, *gradCells;
  T *gradGates, *gradHidden;  // of gates, and of W h + bias: another memory for a GRU only
  T *gradH0, *gradC0;

  int64_t blocks() const { return ceilDiv(h, kUnits<T>); }
  // The time of the i-th step, and what was before it.
  int64_t time(int64_t i) const { return reverse ? steps - 1 - i : i; }
  const T* hidden(int64_t i) const { return i == 0 ? h0 : y + time(i - 1) * n * h; }
  T* cellsAt(int64_t i) const { return allCells ? cells + time(i) * n * h : cells; }
  const T* cellsBefore(int64_t i) const { return i == 0 ? c0 : cellsAt(i - 1); }
};

// Up to a vector of the elements at `from`.
template <class D, class T>
HWY_INLINE hn::Vec<D> load(D d, const T* from, int64_t rest) {
  return HWY_LIKELY(rest >= kLanes<T>) ? hn::LoadU(d, from) : LoadFirst(d, from, static_cast<size_t>(rest));
}
template <class D, class T>
HWY_INLINE void store(hn::Vec<D> v, D d, T* to, int64_t rest) {
  if (HWY_LIKELY(rest >= kLanes<T>))
    hn::StoreU(v, d, to);
  else
    StoreFirst(v, d, to, static_cast<size_t>(rest));
}

// to[n, width] = a [n, depth] b, b a packed panel [depth, width].
template <class T>
void multiply(int64_t n, int64_t width, int64_t depth, const T* a, const T* b, T* to, int64_t toRow) {
  for (int64_t i = 0; i < n; i += kHigh) {
    tile(static_cast<int>(least(kHigh, n - i)), static_cast<int>(width / kLanes<T>), width, depth, a + i * depth, depth,
         1, b, width, TileOut<T>{to + i * toRow, toRow, 1, false, nullptr, nullptr, false});
  }
}

template <class T>
constexpr int64_t padded(int64_t n) {
  return ceilDiv(n, kLanes<T>) * kLanes<T>;
}

// ---- forward --------------------------------------------------------------------------------------------------------

template <class T, Cell kCell>
struct PackForward {
  const Steps<T>& x;
  T* packed;  // for each block and gate a panel [h, units]
  void operator()(int64_t begin, int64_t end) const {
    constexpr int64_t gates = gatesOf(kCell);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t j0 = block * kUnits<T>, units = least(kUnits<T>, x.h - j0);
      for (int64_t g = 0; g < gates; ++g)
        packTurned(packed + (block * gates + g) * x.h * kUnits<T>, padded<T>(units), x.weight + (g * x.h + j0) * x.h,
                   x.h, x.h, units);
    }
  }
};

template <class T, Cell kCell>
struct ForwardStep {
  const Steps<T>& x;
  const T* packed;
  int64_t i;

  void operator()(int64_t begin, int64_t end) const {
    constexpr int64_t gates = gatesOf(kCell);
    T* const sums =
        static_cast<T*>(workspace(Workspace::left, static_cast<size_t>(x.n * gates * kUnits<T>) * sizeof(T)));
    for (int64_t block = begin; block < end; ++block) {
      const int64_t j0 = block * kUnits<T>, units = least(kUnits<T>, x.h - j0);
      for (int64_t g = 0; g < gates; ++g)
        multiply(x.n, padded<T>(units), x.h, x.hidden(i), packed + (block * gates + g) * x.h * kUnits<T>,
                 sums + g * kUnits<T>, gates * kUnits<T>);
      for (int64_t row = 0; row < x.n; ++row) cell(sums + row * gates * kUnits<T>, row, j0, units);
    }
  }

  void cell(const T* sums, int64_t row, int64_t j0, int64_t units) const {
    constexpr int64_t gates = gatesOf(kCell);
    const hn::ScalableTag<T> d;
    const int64_t t = x.time(i), h = x.h;
    const T* const in = x.gates + (t * x.n + row) * gates * h + j0;
    const T* const bias = x.bias ? x.bias + j0 : nullptr;
    const T* const before = x.hidden(i) + row * h + j0;
    T* const y = x.y + (t * x.n + row) * h + j0;
    T* const keep = x.kept ? x.kept + (t * x.n + row) * kept(kCell) * h + j0 : nullptr;
    const T* const c0 = kCell == Cell::lstm ? x.cellsBefore(i) + row * h + j0 : nullptr;
    T* const c = kCell == Cell::lstm ? x.cellsAt(i) + row * h + j0 : nullptr;
    for (int64_t j = 0; j < units; j += kLanes<T>) {
      const int64_t rest = units - j;
      const auto hiddenShare = [&](int64_t g) HWY_ATTR {
        const auto sum = hn::LoadU(d, sums + g * kUnits<T> + j);
        return bias ? hn::Add(sum, load(d, bias + g * h + j, rest)) : sum;
      };
      const auto both = [&](int64_t g) HWY_ATTR { return hn::Add(load(d, in + g * h + j, rest), hiddenShare(g)); };
      const auto save = [&](int64_t g, hn::Vec<decltype(d)> v) HWY_ATTR {
        if (keep) store(v, d, keep + g * h + j, rest);
      };
      if constexpr (kCell == Cell::tanh) {
        store(Tanh(d, both(0)), d, y + j, rest);
      } else if constexpr (kCell == Cell::relu) {
        store(Greater(hn::Zero(d), both(0)), d, y + j, rest);
      } else if constexpr (kCell == Cell::lstm) {
        const auto in0 = Sigmoid(d, both(0)), forget = Sigmoid(d, both(1)), fresh = Tanh(d, both(2)),
                   out = Sigmoid(d, both(3));
        const auto state = hn::Add(hn::Mul(forget, load(d, c0 + j, rest)), hn::Mul(in0, fresh));
        store(state, d, c + j, rest);
        store(hn::Mul(out, Tanh(d, state)), d, y + j, rest);
        save(0, in0), save(1, forget), save(2, fresh), save(3, out);
      } else {
        const auto reset = Sigmoid(d, both(0)), update = Sigmoid(d, both(1)), share = hiddenShare(2);
        const auto fresh = Tanh(d, hn::Add(load(d, in + 2 * h + j, rest), hn::Mul(reset, share)));
        store(hn::Add(hn::Mul(hn::Sub(load(d, before + j, rest), fresh), update), fresh), d, y + j, rest);
        save(0, reset), save(1, update), save(2, fresh), save(3, share);
      }
    }
  }
};

template <class T, Cell kCell>
void forward(const Steps<T>& x) {
  constexpr int64_t gates = gatesOf(kCell);
  T* const packed = static_cast<T*>(
      workspace(Workspace::right, static_cast<size_t>(x.blocks() * gates * x.h * kUnits<T>) * sizeof(T)));
  parallelFor(x.blocks(), most(1, kGrainWork / (gates * x.h * kUnits<T>)), PackForward<T, kCell>{x, packed}, 1);
  const int64_t grain = most(1, kGrainWork / most(1, x.n * gates * x.h * kUnits<T>));
  for (int64_t i = 0; i < x.steps; ++i) parallelFor(x.blocks(), grain, ForwardStep<T, kCell>{x, packed, i}, 1);
}

// ---- backward -------------------------------------------------------------------------------------------------------

template <class T, Cell kCell>
struct PackBackward {
  const Steps<T>& x;
  T* packed;  // for each block a panel [gates h, units]
  void operator()(int64_t begin, int64_t end) const {
    constexpr int64_t gates = gatesOf(kCell);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t j0 = block * kUnits<T>, units = least(kUnits<T>, x.h - j0);
      packStraight(packed + block * gates * x.h * kUnits<T>, padded<T>(units), x.weight + j0, x.h, gates * x.h, units);
    }
  }
};

// The gradient that arrives at step i's result from step i + 1, and step i's gates from it. i = -1 ends at h0.
template <class T, Cell kCell>
struct BackwardStep {
  const Steps<T>& x;
  const T* packed;
  T* direct;    // [n, h]: of a GRU, the gradient that goes to the state before without the product
  T* gradCell;  // [n, h]: of an LSTM
  int64_t i;

  void operator()(int64_t begin, int64_t end) const {
    constexpr int64_t gates = gatesOf(kCell);
    T* const sums = static_cast<T*>(workspace(Workspace::left, static_cast<size_t>(x.n * kUnits<T>) * sizeof(T)));
    for (int64_t block = begin; block < end; ++block) {
      const int64_t j0 = block * kUnits<T>, units = least(kUnits<T>, x.h - j0);
      const bool last = i == x.steps - 1;
      if (!last)
        multiply(x.n, padded<T>(units), gates * x.h, x.gradHidden + x.time(i + 1) * x.n * gates * x.h,
                 packed + block * gates * x.h * kUnits<T>, sums, kUnits<T>);
      for (int64_t row = 0; row < x.n; ++row) {
        const T* const from = last ? nullptr : sums + row * kUnits<T>;
        if (i < 0) {
          start(from, row, j0, units);
        } else {
          cell(from, row, j0, units);
        }
      }
    }
  }

  void start(const T* from, int64_t row, int64_t j0, int64_t units) const {
    const int64_t at = row * x.h + j0;
    for (int64_t j = 0; j < units; ++j) {
      x.gradH0[at + j] = from[j] + (kCell == Cell::gru ? direct[at + j] : T{0});
      if (kCell == Cell::lstm) x.gradC0[at + j] = gradCell[at + j];
    }
  }

  void cell(const T* from, int64_t row, int64_t j0, int64_t units) const {
    constexpr int64_t gates = gatesOf(kCell);
    const hn::ScalableTag<T> d;
    const int64_t t = x.time(i), h = x.h, at = (t * x.n + row) * h + j0, here = row * h + j0;
    const T* const keep = x.kept + (t * x.n + row) * kept(kCell) * h + j0;
    T* const gradGates = x.gradGates + (t * x.n + row) * gates * h + j0;
    T* const gradHidden = x.gradHidden + (t * x.n + row) * gates * h + j0;
    const auto one = hn::Set(d, T{1});
    for (int64_t j = 0; j < units; j += kLanes<T>) {
      const int64_t rest = units - j;
      auto grad = load(d, x.gradY + at + j, rest);
      if (from) grad = hn::Add(grad, hn::LoadU(d, from + j));
      const auto give = [&](int64_t g, hn::Vec<decltype(d)> v) HWY_ATTR { store(v, d, gradGates + g * h + j, rest); };
      if constexpr (kCell == Cell::tanh) {
        const auto y = load(d, x.y + at + j, rest);
        give(0, hn::Mul(grad, hn::NegMulAdd(y, y, one)));
      } else if constexpr (kCell == Cell::relu) {
        give(0, hn::IfThenZeroElse(hn::Le(load(d, x.y + at + j, rest), hn::Zero(d)), grad));
      } else if constexpr (kCell == Cell::lstm) {
        const auto in = load(d, keep + j, rest), forget = load(d, keep + h + j, rest),
                   fresh = load(d, keep + 2 * h + j, rest), out = load(d, keep + 3 * h + j, rest);
        const auto bent = Tanh(d, load(d, x.cellsAt(i) + here + j, rest));
        auto cell = hn::Mul(hn::Mul(grad, out), hn::NegMulAdd(bent, bent, one));
        if (from) cell = hn::Add(cell, load(d, gradCell + here + j, rest));
        if (x.gradCells) cell = hn::Add(cell, load(d, x.gradCells + at + j, rest));
        const auto before = load(d, x.cellsBefore(i) + here + j, rest);
        give(0, hn::Mul(hn::Mul(cell, fresh), hn::Mul(in, hn::Sub(one, in))));
        give(1, hn::Mul(hn::Mul(cell, before), hn::Mul(forget, hn::Sub(one, forget))));
        give(2, hn::Mul(hn::Mul(cell, in), hn::NegMulAdd(fresh, fresh, one)));
        give(3, hn::Mul(hn::Mul(grad, bent), hn::Mul(out, hn::Sub(one, out))));
        store(hn::Mul(cell, forget), d, gradCell + here + j, rest);
      } else {
        const auto reset = load(d, keep + j, rest), update = load(d, keep + h + j, rest),
                   fresh = load(d, keep + 2 * h + j, rest), share = load(d, keep + 3 * h + j, rest);
        if (from) grad = hn::Add(grad, load(d, direct + here + j, rest));
        const auto before = load(d, x.hidden(i) + here + j, rest);
        const auto gradFresh = hn::Mul(hn::Mul(grad, hn::Sub(one, update)), hn::NegMulAdd(fresh, fresh, one));
        const auto gradReset = hn::Mul(hn::Mul(gradFresh, share), hn::Mul(reset, hn::Sub(one, reset)));
        const auto gradUpdate = hn::Mul(hn::Mul(grad, hn::Sub(before, fresh)), hn::Mul(update, hn::Sub(one, update)));
        give(0, gradReset), give(1, gradUpdate), give(2, gradFresh);
        store(gradReset, d, gradHidden + j, rest);
        store(gradUpdate, d, gradHidden + h + j, rest);
        store(hn::Mul(gradFresh, reset), d, gradHidden + 2 * h + j, rest);
        store(hn::Mul(grad, update), d, direct + here + j, rest);
      }
    }
  }
};

template <class T, Cell kCell>
void backward(const Steps<T>& x) {
  constexpr int64_t gates = gatesOf(kCell);
  const int64_t panels = x.blocks() * gates * x.h * kUnits<T>;
  T* const packed =
      static_cast<T*>(workspace(Workspace::right, static_cast<size_t>(panels + 2 * x.n * x.h) * sizeof(T)));
  T *const direct = packed + panels, *const gradCell = direct + x.n * x.h;
  parallelFor(x.blocks(), most(1, kGrainWork / (gates * x.h * kUnits<T>)), PackBackward<T, kCell>{x, packed}, 1);
  const int64_t grain = most(1, kGrainWork / most(1, x.n * gates * x.h * kUnits<T>));
  for (int64_t i = x.steps - 1; i >= -1; --i)
    parallelFor(x.blocks(), grain, BackwardStep<T, kCell>{x, packed, direct, gradCell, i}, 1);
}

// ---- frames ---------------------------------------------------------------------------------------------------------

template <class T>
Cell readSteps(Frame& f, Steps<T>& x) {
  const Cell cell = static_cast<Cell>(f.i64());
  f.i64();  // gates, for the declaration
  f.i64();  // kept
  x.reverse = f.flag();
  x.steps = f.i64(), x.n = f.i64(), x.h = f.i64();
  return cell;
}

template <class T>
void recurrent(const Kernel&, Frame f) {
  Steps<T> x{};
  const Cell cell = readSteps(f, x);
  x.gates = f.ptr<const T>(), x.weight = f.ptr<const T>(), x.bias = f.ptr<const T>();
  x.h0 = f.ptr<const T>(), x.c0 = f.ptr<const T>();
  x.y = f.ptr<T>(), x.cells = f.ptr<T>();
  x.allCells = f.flag();
  x.kept = f.ptr<T>();
  if (x.n <= 0 || x.h <= 0) return;
  switch (cell) {
    case Cell::tanh:
      return forward<T, Cell::tanh>(x);
    case Cell::relu:
      return forward<T, Cell::relu>(x);
    case Cell::lstm:
      return forward<T, Cell::lstm>(x);
    case Cell::gru:
      return forward<T, Cell::gru>(x);
  }
}

template <class T>
void recurrentBackward(const Kernel&, Frame f) {
  Steps<T> x{};
  const Cell cell = readSteps(f, x);
  x.gradY = f.ptr<const T>(), x.gradCells = f.ptr<const T>();
  x.weight = f.ptr<const T>(), x.h0 = f.ptr<const T>(), x.c0 = f.ptr<const T>();
  x.y = f.ptr<T>(), x.cells = f.ptr<T>(), x.kept = f.ptr<T>();
  x.allCells = true;
  x.gradGates = f.ptr<T>(), x.gradHidden = f.ptr<T>();
  if (!x.gradHidden) x.gradHidden = x.gradGates;
  x.gradH0 = f.ptr<T>(), x.gradC0 = f.ptr<T>();
  if (x.n <= 0 || x.h <= 0) return;
  switch (cell) {
    case Cell::tanh:
      return backward<T, Cell::tanh>(x);
    case Cell::relu:
      return backward<T, Cell::relu>(x);
    case Cell::lstm:
      return backward<T, Cell::lstm>(x);
    case Cell::gru:
      return backward<T, Cell::gru>(x);
  }
}

constexpr const char* kForwardFrame =
    "cell, gates, kept, reverse, steps, n, h, in input[steps*n*gates*h], in weight[gates*h*h], in? bias[gates*h], "
    "in h0[n*h], in? c0[n*h], out y[steps*n*h], inout? cells[n*h], allCells, out? keptGates[steps*n*kept*h]";
constexpr const char* kBackwardFrame =
    "cell, gates, kept, reverse, steps, n, h, in gradY[steps*n*h], in? gradCells[steps*n*h], in weight[gates*h*h], "
    "in h0[n*h], in? c0[n*h], in y[steps*n*h], in? cells[steps*n*h], in? keptGates[steps*n*kept*h], "
    "out gradInput[steps*n*gates*h], out? gradHidden[steps*n*gates*h], out gradH0[n*h], out? gradC0[n*h]";

}  // namespace

extern const Kernel kRecurrentKernels[];
const Kernel kRecurrentKernels[] = {
    {"recurrent", DType::f32, recurrent<float>, kForwardFrame},
    {"recurrent", DType::f64, recurrent<double>, kForwardFrame},
    {"recurrentBackward", DType::f32, recurrentBackward<float>, kBackwardFrame},
    {"recurrentBackward", DType::f64, recurrentBackward<double>, kBackwardFrame},
};

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable recurrentKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kRecurrentKernels), 4}; }
}  // namespace tenfold
#endif
