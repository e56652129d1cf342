// The steps of recurrent layers on every instruction set against their formulas in float64; gradients against
// differences of the forward; on one thread and on three.
#include <cmath>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"
#include "threads/pool.h"

namespace {

using namespace tenfold;
using namespace tenfold::test;

enum Cell : int { kTanh = 0, kRelu = 1, kLstm = 2, kGru = 3 };
struct Size {
  int64_t steps, n, h;
};
const Size kSizes[] = {{1, 1, 1}, {3, 2, 5}, {4, 7, 16}, {2, 33, 70}, {3, 5, 130}};

int64_t gatesOf(int cell) { return cell == kLstm ? 4 : cell == kGru ? 3 : 1; }
int64_t keptOf(int cell) { return cell >= kLstm ? 4 : 0; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Inputs {
  Doubles gates, weight, bias, h0, c0;
};
struct Results {
  Doubles y, cells;
};

Results forward(int cell, bool reverse, const Size& z, const Inputs& x) {
  const int64_t gates = gatesOf(cell), h = z.h;
  Results r{Doubles(static_cast<size_t>(z.steps * z.n * h)), Doubles(static_cast<size_t>(z.steps * z.n * h))};
  Doubles state = x.h0, cells = x.c0;
  for (int64_t i = 0; i < z.steps; ++i) {
    const int64_t t = reverse ? z.steps - 1 - i : i;
    Doubles next = state;
    for (int64_t row = 0; row < z.n; ++row) {
      const auto share = [&](int64_t g, int64_t j) {
        double sum = x.bias[static_cast<size_t>(g * h + j)];
        for (int64_t k = 0; k < h; ++k)
          sum += state[static_cast<size_t>(row * h + k)] * x.weight[static_cast<size_t>((g * h + j) * h + k)];
        return sum;
      };
      const auto in = [&](int64_t g, int64_t j) {
        return x.gates[static_cast<size_t>((t * z.n + row) * gates * h + g * h + j)];
      };
      for (int64_t j = 0; j < h; ++j) {
        const size_t at = static_cast<size_t>(row * h + j);
        if (cell == kTanh) next[at] = std::tanh(in(0, j) + share(0, j));
        if (cell == kRelu) next[at] = std::fmax(0, in(0, j) + share(0, j));
        if (cell == kLstm) {
          cells[at] = sigmoid(in(1, j) + share(1, j)) * cells[at] +
                      sigmoid(in(0, j) + share(0, j)) * std::tanh(in(2, j) + share(2, j));
          next[at] = sigmoid(in(3, j) + share(3, j)) * std::tanh(cells[at]);
        }
        if (cell == kGru) {
          const double reset = sigmoid(in(0, j) + share(0, j)), update = sigmoid(in(1, j) + share(1, j));
          const double fresh = std::tanh(in(2, j) + reset * share(2, j));
          next[at] = (1 - update) * fresh + update * state[at];
        }
      }
    }
    state = next;
    for (int64_t k = 0; k < z.n * h; ++k) {
      r.y[static_cast<size_t>(t * z.n * h + k)] = state[static_cast<size_t>(k)];
      r.cells[static_cast<size_t>(t * z.n * h + k)] = cells[static_cast<size_t>(k)];
    }
  }
  return r;
}

template <class T>
void expect(const char* what, const Buffer<T>& got, const Doubles& want, double tolerance, int cell, const Size& z,
            int64_t target) {
  double scale = 1;
  for (const double v : want) scale = std::fmax(scale, std::fabs(v));
  int wrong = got.data[want.size()] != T(77);  // what lies behind is untouched
  for (size_t i = 0; i < want.size(); ++i)
    wrong += !(std::fabs(static_cast<double>(got.data[i]) - want[i]) <= tolerance * scale);
  CHECK(wrong == 0, "%s of cell %d, %d bits, steps %d n %d h %d on %s: %d of %d", what, cell,
        static_cast<int>(sizeof(T)) * 8, static_cast<int>(z.steps), static_cast<int>(z.n), static_cast<int>(z.h),
        targetName(target), wrong, static_cast<int>(want.size()));
}

double loss(const Results& r, const Doubles& gradY, const Doubles& gradCells) {
  double sum = 0;
  for (size_t i = 0; i < r.y.size(); ++i) sum += r.y[i] * gradY[i] + r.cells[i] * gradCells[i];
  return sum;
}

// The derivative of the loss by a few of an input's numbers; the others are NaN.
Doubles differences(int cell, bool reverse, const Size& z, Inputs x, Doubles Inputs::*which, const Doubles& gradY,
                    const Doubles& gradCells) {
  Doubles out((x.*which).size(), NAN);
  const size_t step = out.size() / 40 + 1;
  for (size_t i = 0; i < out.size(); i += step) {
    const double eps = 1e-5, before = (x.*which)[i];
    (x.*which)[i] = before + eps;
    const double above = loss(forward(cell, reverse, z, x), gradY, gradCells);
    (x.*which)[i] = before - eps;
    const double below = loss(forward(cell, reverse, z, x), gradY, gradCells);
    (x.*which)[i] = before;
    out[i] = (above - below) / (2 * eps);
  }
  return out;
}

template <class T>
void expectSome(const char* what, const Buffer<T>& got, const Doubles& want, int cell, const Size& z, int64_t target) {
  Doubles all = want;
  for (size_t i = 0; i < all.size(); ++i)
    if (std::isnan(all[i])) all[i] = static_cast<double>(got.data[i]);
  expect(what, got, all, sizeof(T) == 4 ? 2e-5 : 1e-8, cell, z, target);
}

template <class T>
void run(const std::vector<Kernel>& all, int64_t target, int cell, bool reverse, const Size& z) {
  const int64_t gates = gatesOf(cell), count = z.steps * z.n * z.h;
  Inputs in{numbers(count * gates, 1), numbers(gates * z.h * z.h, 2), numbers(gates * z.h, 3), numbers(z.n * z.h, 4),
            numbers(z.n * z.h, 5)};
  for (double& w : in.weight) w = static_cast<double>(static_cast<float>(w / std::sqrt(static_cast<double>(z.h))));
  const Doubles gradY = numbers(count, 6);
  Doubles gradCells = numbers(count, 7);
  if (cell != kLstm) gradCells.assign(gradCells.size(), 0);
  const Results want = forward(cell, reverse, z, in);
  const Buffer<T> input(in.gates), weight(in.weight), bias(in.bias), h0(in.h0), c0(in.c0), gy(gradY), gc(gradCells);
  const Doubles head{static_cast<double>(cell), static_cast<double>(gates),   static_cast<double>(keptOf(cell)),
                     reverse ? 1.0 : 0.0,       static_cast<double>(z.steps), static_cast<double>(z.n),
                     static_cast<double>(z.h)};
  const bool lstm = cell == kLstm, gru = cell == kGru;
  const int before = numThreads();
  std::vector<Buffer<T>> first;
  for (const int threads : {1, 3}) {
    setNumThreads(threads);
    Buffer<T> y(count), cells(count), kept(count * keptOf(cell)), lastCells(z.n * z.h), again(count);
    Doubles frame = head;
    const auto add = [&frame](std::initializer_list<double> more) { frame.insert(frame.end(), more); };
    add({input.address(), weight.address(), bias.address(), h0.address(), lstm ? c0.address() : 0, y.address(),
         lstm ? cells.address() : 0, 1, keptOf(cell) ? kept.address() : 0});
    launch(all, "recurrent", DTypeOf<T>::value, frame);
    const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-14;
    expect("y", y, want.y, tolerance, cell, z, target);
    if (lstm) expect("cells", cells, want.cells, tolerance, cell, z, target);
    // Without what the backward pass wants.
    frame = head;
    add({input.address(), weight.address(), bias.address(), h0.address(), lstm ? c0.address() : 0, again.address(),
         lstm ? lastCells.address() : 0, 0, 0});
    launch(all, "recurrent", DTypeOf<T>::value, frame);
    CHECK(again.data == y.data, "cell %d without gradients on %s", cell, targetName(target));

    Buffer<T> gradInput(count * gates), gradHidden(count * gates), gradH0(z.n * z.h), gradC0(z.n * z.h);
    frame = head;
    add({gy.address(), lstm ? gc.address() : 0, weight.address(), h0.address(), lstm ? c0.address() : 0, y.address(),
         lstm ? cells.address() : 0, keptOf(cell) ? kept.address() : 0, gradInput.address(),
         gru ? gradHidden.address() : 0, gradH0.address(), lstm ? gradC0.address() : 0});
    launch(all, "recurrentBackward", DTypeOf<T>::value, frame);
    if (threads == 1) {
      const auto slope = [&](Doubles Inputs::*which) {
        return differences(cell, reverse, z, in, which, gradY, gradCells);
      };
      expectSome("gradInput", gradInput, slope(&Inputs::gates), cell, z, target);
      expectSome("gradH0", gradH0, slope(&Inputs::h0), cell, z, target);
      if (lstm) expectSome("gradC0", gradC0, slope(&Inputs::c0), cell, z, target);
      if (gru) {  // the bias' gradient is gradHidden's sum
        const Doubles want0 = slope(&Inputs::bias);
        Buffer<T> sums(gates * z.h);
        for (int64_t j = 0; j < gates * z.h; ++j) {
          sums.data[static_cast<size_t>(j)] = 0;
          for (int64_t i = 0; i < z.steps * z.n; ++i)
            sums.data[static_cast<size_t>(j)] += gradHidden.data[static_cast<size_t>(i * gates * z.h + j)];
        }
        expectSome("gradBias", sums, want0, cell, z, target);
      }
      first = {y, gradInput, gradH0};
    } else {
      CHECK(first[0].data == y.data && first[1].data == gradInput.data && first[2].data == gradH0.data,
            "threads show in cell %d on %s", cell, targetName(target));
    }
  }
  setNumThreads(before);
}

TEST(recurrent_steps_and_their_backward) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    for (const Size& z : kSizes) {
      for (int cell = kTanh; cell <= kGru; ++cell) {
        for (const bool reverse : {false, true}) {
          if (z.h > 100 && reverse) continue;  // differences of many steps take long
          run<float>(all, target, cell, reverse, z);
          run<double>(all, target, cell, reverse, z);
        }
      }
    }
  }
}

}  // namespace
