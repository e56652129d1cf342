// Optimizer steps, on every instruction set that this machine has and in both dtypes: against the formulas in a wider
// type, at every length around a vector's, with rows that threads cut, misaligned and at different steps; and nothing
// outside the rows is written.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "simd/cpu.h"
#include "threads/pool.h"

using namespace tenfold;

namespace {

constexpr size_t kRow = 16;  // doubles of a row; see kernels/optimizer.cc

const Kernel* find(int64_t target, const char* name, DType dtype) {
  const KernelTable table = optimizerKernels(target);
  for (size_t i = 0; i < table.count; ++i) {
    if (table.kernels[i].dtype == dtype && !std::strcmp(table.kernels[i].name, name)) return &table.kernels[i];
  }
  return nullptr;
}

double address(const void* p) { return static_cast<double>(reinterpret_cast<uintptr_t>(p)); }
double value(size_t seed, size_t i) { return static_cast<double>((seed * 7919 + i * 104729) % 2003) / 1001 - 1; }

// One parameter in memory that starts at an odd element, between guards.
template <class T>
struct Row {
  static constexpr size_t kGuard = 8;
  size_t n;
  std::vector<T> memory[5];  // param, grad, three states
  float step, muProduct = 1;

  Row(size_t n_, size_t seed, float step_) : n(n_), step(step_) {
    for (size_t k = 0; k < 5; ++k) {
      memory[k].assign(n + 2 * kGuard + 1, T(77));
      for (size_t i = 0; i < n; ++i)
        at(k)[i] = static_cast<T>(k < 2 ? value(seed + k, i) : std::fabs(value(seed + k, i)));
    }
  }
  T* at(size_t k) { return memory[k].data() + kGuard + 1; }
  bool guarded() {
    for (const auto& m : memory) {
      for (size_t i = 0; i <= kGuard; ++i) {
        if (m[i] != T(77) || (i < kGuard && m[m.size() - 1 - i] != T(77))) return false;
      }
    }
    return true;
  }
  void write(double* row) {
    row[0] = static_cast<double>(n);
    for (size_t k = 0; k < 5; ++k) row[1 + k] = address(at(k));
    row[6] = address(&step);
    row[7] = address(&muProduct);
  }
};

using Wide = long double;
struct Element {
  Wide p, g, s[3];
};
// What a step makes of one element; `step` is the raised counter, h are the frame's numbers from lr on.
using Formula = Element (*)(Element, Wide step, const double* h);

// Bias corrections are PyTorch's, which are computed in double.
Wide correction(double beta, Wide step) { return 1 - std::pow(beta, static_cast<double>(step)); }
Wide withDecay(const Element& e, const double* h) { return (h[2] ? -e.g : e.g) + h[1] * e.p; }

Element adam(Element e, Wide step, const double* h) {
  const Wide b1 = h[3], b2 = h[4];
  const bool decoupled = h[6] != 0;
  const Wide g = decoupled ? (h[2] ? -e.g : e.g) : withDecay(e, h);
  if (decoupled) e.p *= 1 - static_cast<Wide>(h[0]) * h[1];
  e.s[0] = b1 * e.s[0] + (1 - b1) * g;
  e.s[1] = b2 * e.s[1] + (1 - b2) * g * g;
  const Wide denom = std::sqrt(e.s[1]) / std::sqrt(correction(h[4], step)) + h[5];
  e.p -= h[0] / correction(h[3], step) * e.s[0] / denom;
  return e;
}
Element sgd(Element e, Wide, const double* h) {
  e.p -= h[0] * withDecay(e, h);
  return e;
}
Element sgdMomentum(Element e, Wide, const double* h) {
  const Wide g = withDecay(e, h);
  e.s[0] = h[3] * e.s[0] + (1 - static_cast<Wide>(h[4])) * g;
  e.p -= h[0] * (h[5] ? g + h[3] * e.s[0] : e.s[0]);
  return e;
}
Element rmspropBoth(Element e, Wide, const double* h) {
  const Wide g = withDecay(e, h), alpha = h[3];
  e.s[0] = alpha * e.s[0] + (1 - alpha) * g * g;
  e.s[2] = alpha * e.s[2] + (1 - alpha) * g;
  const Wide avg = std::sqrt(e.s[0] - e.s[2] * e.s[2]) + h[4];
  e.s[1] = h[5] * e.s[1] + g / avg;
  e.p -= h[0] * e.s[1];
  return e;
}
Element adagrad(Element e, Wide step, const double* h) {
  const Wide g = withDecay(e, h);
  e.s[0] += g * g;
  e.p -= h[0] / (1 + (step - 1) * h[3]) * g / (std::sqrt(e.s[0]) + h[4]);
  return e;
}
Element adamax(Element e, Wide step, const double* h) {
  const Wide g = withDecay(e, h), b1 = h[3];
  e.s[0] = b1 * e.s[0] + (1 - b1) * g;
  e.s[1] = std::fmax(h[4] * e.s[1], std::fabs(g) + h[5]);
  e.p -= h[0] / correction(h[3], step) * e.s[0] / e.s[1];
  return e;
}

struct Case {
  const char* name;
  Formula formula;
  std::vector<double> numbers;  // lr, weightDecay, maximize, then the rule's
  bool counts;                  // whether the step column is a counter
};
const Case kCases[] = {
    {"sgdStep", sgd, {0.1, 0.01, 0, 0, 0, 0}, false},
    {"sgdMomentumStep", sgdMomentum, {0.1, 0.01, 1, 0.9, 0.2, 0}, false},
    {"sgdMomentumStep", sgdMomentum, {0.1, 0.01, 0, 0.9, 0, 1}, false},
    {"adamStep", adam, {0.01, 0, 0, 0.9, 0.999, 1e-8, 0}, true},
    {"adamStep", adam, {0.01, 0.1, 1, 0.8, 0.9, 1e-6, 1}, true},
    {"rmspropCenteredMomentumStep", rmspropBoth, {0.01, 0.05, 0, 0.9, 1, 0.7}, true},
    {"adagradStep", adagrad, {0.1, 0.05, 0, 0.1, 1e-6}, true},
    {"adamaxStep", adamax, {0.01, 0.05, 0, 0.9, 0.99, 1e-6}, true},
};

template <class T>
void run(int64_t target, const Case& c, const std::vector<size_t>& sizes) {
  const Kernel* kernel = find(target, c.name, DTypeOf<T>::value);
  CHECK(kernel, "%s has no kernel", c.name);
  if (!kernel) return;
  std::vector<Row<T>> rows;
  for (size_t r = 0; r < sizes.size(); ++r) {
    rows.emplace_back(sizes[r], 10 * r, static_cast<float>(r % 3));
    // A centered average takes the square of the mean from the mean of squares: keep it positive.
    for (size_t i = 0; i < sizes[r]; ++i) rows[r].at(2)[i] += T(2);
  }
  const std::vector<Row<T>> before = rows;
  std::vector<double> table(kRow * rows.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    rows[r].write(&table[kRow * r]);
    if (!c.counts) table[kRow * r + 6] = 0;
  }
  std::vector<double> frame = {static_cast<double>(rows.size()), address(table.data())};
  frame.insert(frame.end(), c.numbers.begin(), c.numbers.end());
  frame.resize(32);
  kernel->run(*kernel, Frame{frame.data()});

  const double epsilon = std::numeric_limits<T>::epsilon();
  for (size_t r = 0; r < rows.size(); ++r) {
    Row<T> old = before[r];
    const float step = old.step + (c.counts ? 1 : 0);
    CHECK(rows[r].step == step, "%s: step %g, want %g", c.name, double(rows[r].step), double(step));
    CHECK(rows[r].guarded(), "%s %s row of %zu: wrote outside", c.name, targetName(target), rows[r].n);
    double worst = 0;
    for (size_t i = 0; i < old.n; ++i) {
      const Element e = {old.at(0)[i], old.at(1)[i], {old.at(2)[i], old.at(3)[i], old.at(4)[i]}};
      const Element want = c.formula(e, step, c.numbers.data());
      const double change = std::fmax(1.0, static_cast<double>(std::fabs(want.p - e.p)));
      worst = std::fmax(worst, static_cast<double>(std::fabs(rows[r].at(0)[i] - want.p)) / change);
      for (int k = 0; k < 3; ++k) {
        const double scale = std::fmax(1.0, static_cast<double>(std::fabs(want.s[k])));
        worst = std::fmax(worst, static_cast<double>(std::fabs(rows[r].at(2 + k)[i] - want.s[k])) / scale);
      }
      CHECK(rows[r].at(1)[i] == old.at(1)[i], "%s: the gradient was changed", c.name);
    }
    // Sums of a few terms near 1, each rounded a few times.
    CHECK(worst <= 8 * epsilon, "%s %s %s row of %zu: off by %.3g", c.name, nameOf(DTypeOf<T>::value),
          targetName(target), old.n, worst);
  }
}

template <class F>
void onEveryTarget(F body) {
  for (const int64_t target : kTargets) {
    if (supports(target)) body(target);
  }
}

}  // namespace

TEST(optimizer_lengths) {
  std::vector<size_t> sizes;
  for (size_t n = 0; n < 70; ++n) sizes.push_back(n);
  sizes.push_back(1021);
  onEveryTarget([&](int64_t target) {
    for (const Case& c : kCases) {
      run<float>(target, c, sizes);
      run<double>(target, c, sizes);
    }
  });
}

TEST(optimizer_threads) {
  const int threads = numThreads();
  setNumThreads(4);
  onEveryTarget([&](int64_t target) {
    for (const Case& c : kCases) {
      run<float>(target, c, {100003, 0, 5, 16384, 1, 65537, 33});
      run<double>(target, c, {3, 70001});
    }
  });
  setNumThreads(threads);
}

TEST(optimizer_fresh_momentum_takes_the_gradient) {
  onEveryTarget([&](int64_t target) {
    const Kernel* kernel = find(target, "sgdMomentumStep", DType::f32);
    Row<float> row(19, 1, 0);
    for (size_t i = 0; i < 19; ++i) row.at(2)[i] = std::nanf("");  // memory that was never filled
    double table[kRow];
    row.write(table);
    table[6] = 1;
    const double frame[32] = {1, address(table), 0.5, 0, 0, 0.9, 0.3, 0};
    kernel->run(*kernel, Frame{frame});
    for (size_t i = 0; i < 19; ++i) CHECK(row.at(2)[i] == row.at(1)[i], "element %zu", i);
  });
}

TEST(optimizer_keeps_nan) {
  onEveryTarget([&](int64_t target) {
    for (const char* name : {"adamAmsgradStep", "adamaxStep"}) {
      const Kernel* kernel = find(target, name, DType::f64);
      Row<double> row(5, 1, 0);
      row.at(1)[3] = std::nan("");
      double table[kRow];
      row.write(table);
      const double frame[32] = {1, address(table), 0.01, 0, 0, 0.9, 0.99, 1e-8, 0};
      kernel->run(*kernel, Frame{frame});
      for (size_t i = 0; i < 5; ++i) {
        CHECK(std::isnan(row.at(0)[i]) == (i == 3), "%s element %zu is %g", name, i, row.at(0)[i]);
      }
    }
  });
}
