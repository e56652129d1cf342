// QR factorizations and eigenvalues of symmetric matrices on every instruction set: by what the factors multiply to,
// against values that a matrix was made of, on numbers that overflow or vanish when squared; and that threads change
// nothing.
#include <cmath>
#include <limits>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"
#include "threads/pool.h"

namespace {

using namespace tenfold;
using namespace tenfold::test;

size_t at(int64_t i) { return static_cast<size_t>(i); }

template <class F>
void everywhere(F f) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    f(all, target, float{});
    f(all, target, double{});
  }
}
template <class T>
double epsilon(int64_t rows, int64_t columns) {
  return static_cast<double>(std::numeric_limits<T>::epsilon()) * (6 + std::sqrt(static_cast<double>(rows + columns)));
}
struct Worst {
  double value = 0;
  void see(double x) { value = std::fabs(x) <= value ? value : std::fabs(x); }
};
// The largest of |q^T q - 1|, q [rows, columns].
template <class T>
double skew(const T* q, int64_t rows, int64_t columns) {
  Worst worst;
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double sum = i == j ? -1 : 0;
      for (int64_t k = 0; k < rows; ++k) sum += double(q[k * columns + i]) * double(q[k * columns + j]);
      worst.see(sum);
    }
  return worst.value;
}

// ---- QR -------------------------------------------------------------------------------------------------------------

template <class T>
struct Factored {
  Buffer<T> a, tau, q;
  Factored(const std::vector<Kernel>& all, const Doubles& from, int64_t batch, int64_t m, int64_t n, int64_t width)
      : a(from), tau(batch * (m < n ? m : n)), q(batch * m * width) {
    const double items = double(batch), rows = double(m), columns = double(n), k = double(m < n ? m : n);
    launch(all, "geqrf", DTypeOf<T>::value, {items, rows, columns, a.address(), tau.address()});
    launch(all, "householder", DTypeOf<T>::value,
           {items, rows, columns, k, double(width), a.address(), tau.address(), q.address()});
    CHECK(tau.data.back() == T(77) && q.data.back() == T(77), "wrote behind the end");
  }
};

TEST(qr_factors_multiply_to_the_matrix) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, auto unit) {
    using T = decltype(unit);
    const int64_t shapes[][2] = {{1, 1},   {1, 7},   {7, 1},   {3, 5},   {5, 3},
                                 {32, 32}, {33, 33}, {31, 70}, {100, 3}, {130, 97}};
    for (const auto& [m, n] : shapes) {
      const Doubles a = numbers(2 * m * n, 5);
      const Factored<T> f(all, a, 2, m, n, m);
      Worst worst;
      for (int64_t item = 0; item < 2; ++item) {
        const T *const q = f.q.data.data() + item * m * m, *const r = f.a.data.data() + item * m * n;
        worst.see(skew(q, m, m));
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            double sum = -a[at((item * m + i) * n + j)];
            for (int64_t k = 0; k <= j && k < m; ++k) sum += double(q[i * m + k]) * double(r[k * n + j]);
            worst.see(sum / 8);
          }
      }
      CHECK(worst.value <= 2 * epsilon<T>(m, n), "%d x %d: %g on %s", int(m), int(n), worst.value, targetName(target));
    }
  });
}

// ---- eigenvalues ----------------------------------------------------------------------------------------------------

template <class T>
struct Solved {
  Buffer<T> values, vectors;
  std::vector<int64_t> trouble;
  Solved(const std::vector<Kernel>& all, const Doubles& from, int64_t batch, int64_t n, bool upper, bool wanted = true)
      : values(batch * n), vectors(wanted ? batch * n * n : 0), trouble(at(batch + 1), 77) {
    const Buffer<T> a(from);
    launch(all, "eigh", DTypeOf<T>::value,
           {double(batch), double(n), double(upper), double(wanted), a.address(), values.address(),
            wanted ? vectors.address() : 0, double(reinterpret_cast<uintptr_t>(trouble.data()))});
    CHECK(values.data.back() == T(77) && vectors.data.back() == T(77) && trouble.back() == 77, "wrote behind the end");
  }
};
// x -= 2 p (p^T x) / (p^T p) on rows and on columns: a matrix with the same eigenvalues.
void turn(Doubles& a, int64_t n, uint32_t seed) {
  const Doubles p = numbers(n, seed);
  double norm = 0;
  for (const double x : p) norm += x * x;
  for (const int64_t step : {int64_t{1}, n}) {
    const int64_t other = step == 1 ? n : 1;
    for (int64_t o = 0; o < n; ++o) {
      double dot = 0;
      for (int64_t k = 0; k < n; ++k) dot += p[at(k)] * a[at(o * other + k * step)];
      for (int64_t k = 0; k < n; ++k) a[at(o * other + k * step)] -= 2 * dot / norm * p[at(k)];
    }
  }
}
Doubles symmetricOf(const Doubles& values) {
  const auto n = static_cast<int64_t>(values.size());
  Doubles a(at(n * n), 0);
  for (int64_t i = 0; i < n; ++i) a[at(i * n + i)] = values[at(i)];
  for (uint32_t seed = 1; seed < 4; ++seed) turn(a, n, seed);
  return a;
}

TEST(eigenvalues_are_those_the_matrix_was_made_of) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, auto unit) {
    using T = decltype(unit);
    for (const int64_t n : {1, 2, 3, 5, 16, 31, 32, 33, 65, 130}) {
      for (int kind = 0; kind < 4; ++kind) {
        Doubles values(at(n));  // rising: all different, of few kinds, of low rank, from 1e-30 to 1
        for (int64_t i = 0; i < n; ++i) {
          const double x = double(i + 1);
          values[at(i)] = kind == 0   ? x - double(n) / 3
                          : kind == 1 ? std::floor(x / 4)
                          : kind == 2 ? (i + 3 < n ? 0 : x)
                                      : std::pow(10, -30 * double(n - 1 - i) / double(n));
        }
        const double size =
            std::fabs(values.back()) > std::fabs(values[0]) ? std::fabs(values.back()) : std::fabs(values[0]);
        Doubles a = symmetricOf(values);
        // The other triangle is not read.
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = 0; j < i; ++j) a[at(kind % 2 == 0 ? i * n + j : j * n + i)] = NAN;
        const Solved<T> x(all, a, 1, n, kind % 2 == 0), plain(all, a, 1, n, kind % 2 == 0, false);
        Worst worst;
        for (int64_t i = 0; i < n; ++i) {
          worst.see((double(x.values.data[at(i)]) - values[at(i)]) / (size + 1e-300));
          worst.see((double(plain.values.data[at(i)]) - values[at(i)]) / (size + 1e-300));
        }
        worst.see(skew(x.vectors.data.data(), n, n));
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = 0; j < n; ++j) {
            const auto element = [&](int64_t r, int64_t c) {
              return a[at((kind % 2 == 0) == (r <= c) || r == c ? r * n + c : c * n + r)];
            };
            double sum = -double(x.vectors.data[at(i * n + j)]) * double(x.values.data[at(j)]);
            for (int64_t k = 0; k < n; ++k) sum += element(i, k) * double(x.vectors.data[at(k * n + j)]);
            worst.see(sum / (size + 1e-300));
          }
        CHECK(x.trouble[0] == 0 && worst.value <= 6 * epsilon<T>(n, n), "n %d, kind %d: %g on %s", int(n), kind,
              worst.value, targetName(target));
      }
    }
  });
}

TEST(eigenvalues_scale_with_the_matrix) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, auto unit) {
    using T = decltype(unit);
    using Limits = std::numeric_limits<T>;
    const Doubles a = symmetricOf({-3, 1, 2, 5, 9});
    const Solved<T> plain(all, a, 1, 5, false);
    for (const int scale : {Limits::max_exponent - 8, Limits::min_exponent + Limits::digits}) {
      Doubles b = a;
      for (double& x : b) x = std::ldexp(x, scale);
      const Solved<T> scaled(all, b, 1, 5, false);
      for (size_t i = 0; i < 5; ++i) {
        const double ratio = std::ldexp(double(scaled.values.data[i]), -scale) / double(plain.values.data[i]) - 1;
        CHECK(std::fabs(ratio) <= 16 * double(Limits::epsilon()), "by 2^%d: off by %g on %s", scale, ratio,
              targetName(target));
      }
    }
  });
}

TEST(eigenvalues_of_what_is_not_finite_are_refused) {
  everywhere([](const std::vector<Kernel>& all, int64_t, auto unit) {
    const double inf = std::numeric_limits<double>::infinity();
    const Solved<decltype(unit)> x(all, {1, NAN, 2, 3, NAN, 0, 0, 1, 1, 0, inf, 2}, 3, 2, false);
    CHECK(x.trouble[0] == 0 && x.trouble[1] == 1 && x.trouble[2] == 1, "trouble");
  });
}

TEST(orthogonal_factors_do_not_depend_on_threads) {
  const std::vector<Kernel> all = allKernels(chosenTarget());
  const int threads = numThreads();
  for (const int64_t n : {12, 300, 500}) {
    const int64_t batch = n < 100 ? 60 : 1;
    const Doubles a = numbers(batch * n * n, 13);
    setNumThreads(1);
    const Solved<float> one(all, a, batch, n, false);
    const Factored<float> oneQ(all, a, batch, n, n, n);
    setNumThreads(5);
    const Solved<float> many(all, a, batch, n, false);
    const Factored<float> manyQ(all, a, batch, n, n, n);
    CHECK(one.values.data == many.values.data && one.vectors.data == many.vectors.data, "eigh of %d", int(n));
    CHECK(oneQ.a.data == manyQ.a.data && oneQ.q.data == manyQ.q.data, "qr of %d", int(n));
  }
  setNumThreads(threads);
}

}  // namespace
