// Factorizations and solves on every instruction set: what the factors multiply to, and residuals, against float64;
// sizes around the panels and halves of native/kernels/linalg.cc, batches, and that threads change nothing.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"
#include "threads/pool.h"

namespace {

using namespace tenfold;
using namespace tenfold::test;

const int64_t kOrders[] = {0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 64, 100, 257};

size_t at(int64_t i) { return static_cast<size_t>(i); }

template <class F>
void everywhere(F f) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    for (const int64_t n : kOrders) {
      f(all, target, n, float{}, 1e-6);
      f(all, target, n, double{}, 2e-15);
    }
  }
}

// |got - want| <= tolerance * n * size, for every element; what lies behind is untouched.
template <class T>
void expect(const char* what, const std::vector<T>& got, const Doubles& want, double size, int64_t n, double tolerance,
            int64_t target) {
  int wrong = got.size() > want.size() && got[want.size()] != T(77);
  for (size_t i = 0; i < want.size(); ++i)
    wrong += !(std::fabs(static_cast<double>(got[i]) - want[i]) <= tolerance * static_cast<double>(n + 4) * size);
  CHECK(wrong == 0, "%s of order %d in %d bits on %s: %d wrong", what, static_cast<int>(n),
        static_cast<int>(sizeof(T)) * 8, targetName(target), wrong);
}

// a [batch, n, k] @ b [batch, k, m]
Doubles multiply(const Doubles& a, const Doubles& b, int64_t batch, int64_t n, int64_t k, int64_t m) {
  Doubles c(at(batch * n * m), 0);
  for (int64_t q = 0; q < batch; ++q)
    for (int64_t i = 0; i < n; ++i)
      for (int64_t p = 0; p < k; ++p)
        for (int64_t j = 0; j < m; ++j)
          c[at((q * n + i) * m + j)] += a[at((q * n + i) * k + p)] * b[at((q * k + p) * m + j)];
  return c;
}

template <class T>
Doubles doubles(const std::vector<T>& x, int64_t count) {
  return Doubles(x.begin(), x.begin() + count);
}

// Matrices with 3 on the diagonal, so that what is solved with them is about as large.
Doubles matrices(int64_t batch, int64_t n) {
  Doubles a = numbers(batch * n * n, 5);
  for (double& v : a) v /= static_cast<double>(n + 1);
  for (int64_t q = 0; q < batch; ++q)
    for (int64_t i = 0; i < n; ++i) a[at((q * n + i) * n + (i * 7 + 3) % n)] += 3;
  for (double& v : a) v = static_cast<double>(static_cast<float>(v));
  return a;
}

template <class T>
struct Factored {
  Buffer<T> lu, parity;
  std::vector<int64_t> permutation, zeroPivot;
  Factored(const std::vector<Kernel>& all, const Doubles& a, int64_t batch, int64_t n)
      : lu(a), parity(batch), permutation(at(batch * n + 1), 77), zeroPivot(at(batch + 1), 77) {
    lu.data.push_back(T(77));
    launch(all, "luFactor", DTypeOf<T>::value,
           {double(batch), double(n), lu.address(), address(permutation), parity.address(), address(zeroPivot)});
  }
  static double address(const std::vector<int64_t>& x) {
    return static_cast<double>(reinterpret_cast<uintptr_t>(x.data()));
  }
};

TEST(lu_factors_multiply_to_the_matrix) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, int64_t n, auto unit, double tolerance) {
    using T = decltype(unit);
    const int64_t batch = n > 64 ? 1 : 3;
    const Doubles a = n % 2 ? numbers(batch * n * n, 3) : matrices(batch, n);
    const Factored<T> f(all, a, batch, n);
    Doubles l(a.size(), 0), u(a.size(), 0), want(a.size());
    for (int64_t q = 0; q < batch; ++q) {
      int64_t exchanges = 0;
      std::vector<int64_t> cycle(f.permutation.begin() + q * n, f.permutation.begin() + (q + 1) * n);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const auto v = static_cast<double>(f.lu.data[at((q * n + i) * n + j)]);
          if (j < i) CHECK(std::fabs(v) <= 1.0001, "a multiplier %g: not the largest pivot", v);
          (j < i ? l : u)[at((q * n + i) * n + j)] = v;
          want[at((q * n + i) * n + j)] = a[at((q * n + f.permutation[at(q * n + i)]) * n + j)];
        }
        l[at((q * n + i) * n + i)] = 1;
        for (; cycle[at(i)] != i; ++exchanges) std::swap(cycle[at(cycle[at(i)])], cycle[at(i)]);
      }
      CHECK(f.parity.data[at(q)] == (exchanges % 2 ? T(-1) : T(1)), "parity");
      CHECK(f.zeroPivot[at(q)] == 0, "zero pivot %d", static_cast<int>(f.zeroPivot[at(q)]));
    }
    const Doubles got = multiply(l, u, batch, n, n, n);
    expect("LU", std::vector<double>(got), want, 4, n, tolerance, target);
    CHECK(f.permutation.back() == 77 && f.zeroPivot.back() == 77 && f.lu.data.back() == T(77), "wrote behind the end");
  });
}

TEST(lu_says_which_pivot_is_zero) {
  everywhere([](const std::vector<Kernel>& all, int64_t, int64_t n, auto unit, double) {
    using T = decltype(unit);
    if (n < 2) return;
    Doubles a(at(n * n), 0);  // the identity but for one row and column
    for (int64_t i = 0; i < n; ++i) a[at(i * n + i)] = i == n / 2 ? 0 : 1;
    const Factored<T> f(all, a, 1, n);
    CHECK(f.zeroPivot[0] == n / 2 + 1, "pivot %d of %d", static_cast<int>(f.zeroPivot[0]), static_cast<int>(n));
    for (const T v : f.lu.data) CHECK(v == 0 || v == 1 || v == 77, "elimination by a zero pivot");
  });
}

TEST(lu_solves_and_inverts) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, int64_t n, auto unit, double tolerance) {
    using T = decltype(unit);
    const int64_t batch = n > 64 ? 1 : 3;
    const Doubles a = matrices(batch, n);
    const Factored<T> f(all, a, batch, n);
    for (const int64_t columns : {int64_t{1}, int64_t{5}, int64_t{40}}) {
      const Doubles b = numbers(batch * n * columns, 9);
      const Buffer<T> right(b);
      Buffer<T> x(batch * n * columns);
      launch(all, "luSolve", DTypeOf<T>::value,
             {double(batch), double(n), double(columns), f.lu.address(), double(n * n),
              Factored<T>::address(f.permutation), double(n), right.address(), double(n * columns), x.address()});
      CHECK(x.data.back() == T(77), "wrote behind the end");
      expect("solution", multiply(a, doubles(x.data, batch * n * columns), batch, n, n, columns), b, 2, n, tolerance,
             target);
    }
    Buffer<T> inverse(batch * n * n);
    launch(all, "luSolve", DTypeOf<T>::value,
           {double(batch), double(n), double(n), f.lu.address(), double(n * n), Factored<T>::address(f.permutation),
            double(n), 0, 0, inverse.address()});
    Doubles identity(a.size(), 0);
    for (int64_t q = 0; q < batch; ++q)
      for (int64_t i = 0; i < n; ++i) identity[at((q * n + i) * n + i)] = 1;
    CHECK(inverse.data.back() == T(77), "wrote behind the end");
    expect("inverse", multiply(a, doubles(inverse.data, batch * n * n), batch, n, n, n), identity, 1, n, tolerance,
           target);
  });
}

TEST(triangles_are_solved_every_way_round) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, int64_t n, auto unit, double tolerance) {
    using T = decltype(unit);
    const int64_t columns = n == 33 ? 1 : 19;
    for (int way = 0; way < 8; ++way) {
      const bool turned = way & 1, upper = way & 2, ones = way & 4;
      Doubles memory(at(n * n)), triangle(at(n * n), 0);  // what must not be read is NaN
      const Doubles values = numbers(n * n, 7);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const size_t place = at(turned ? j * n + i : i * n + j);
          const bool read = i == j ? !ones : (j > i) == upper;
          memory[place] = !read    ? NAN
                          : i == j ? 2 + 0.25 * static_cast<double>(i % 3)
                                   : values[place] / static_cast<double>(n + 1);
          memory[place] = static_cast<double>(static_cast<float>(memory[place]));
          triangle[at(i * n + j)] = read ? memory[place] : i == j ? 1 : 0;
        }
      }
      const Doubles b = numbers(2 * n * columns, 11);
      const Buffer<T> a(memory);
      Buffer<T> x(b);
      x.data.push_back(T(77));
      launch(all, "solveTriangular", DTypeOf<T>::value,
             {2, double(n), double(columns), a.address(), 0, double(n), double(turned), double(upper), double(ones),
              x.address()});
      CHECK(x.data.back() == T(77), "wrote behind the end");
      Doubles both = triangle;
      both.insert(both.end(), triangle.begin(), triangle.end());
      expect("triangular solution", multiply(both, doubles(x.data, 2 * n * columns), 2, n, n, columns), b, 4, n,
             tolerance, target);
    }
  });
}

TEST(cholesky_factors_multiply_to_the_matrix) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, int64_t n, auto unit, double tolerance) {
    using T = decltype(unit);
    const int64_t batch = n > 64 ? 1 : 3;
    const Doubles values = matrices(batch, n);
    for (const bool upper : {false, true}) {
      Doubles given(at(batch * n * n), NAN), want(given.size());  // the other triangle is NaN: not read
      for (int64_t q = 0; q < batch; ++q)
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = i; j < n; ++j) {
            const size_t above = at((q * n + i) * n + j), below = at((q * n + j) * n + i);
            const double v = i == j ? 8 : values[above] / static_cast<double>(n);
            given[upper ? above : below] = want[above] = want[below] = static_cast<double>(static_cast<float>(v));
          }
      Buffer<T> factor(given);
      factor.data.push_back(T(77));
      std::vector<int64_t> minor(at(batch), 77);
      const auto run = [&](int64_t items, const Buffer<T>& a) {
        launch(all, "cholesky", DTypeOf<T>::value,
               {double(items), double(n), double(upper), a.address(), Factored<T>::address(minor)});
      };
      run(batch, factor);
      for (const int64_t m : minor) CHECK(m == 0, "minor %d", static_cast<int>(m));
      CHECK(factor.data.back() == T(77), "wrote behind the end");
      const Doubles own = doubles(factor.data, batch * n * n);
      Doubles turned(own.size());
      for (int64_t q = 0; q < batch; ++q)
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = 0; j < n; ++j) {
            turned[at((q * n + i) * n + j)] = own[at((q * n + j) * n + i)];
            if (upper ? j < i : j > i) CHECK(own[at((q * n + i) * n + j)] == 0, "no zero beside the triangle");
          }
      expect(upper ? "U^T U" : "L L^T",
             upper ? multiply(turned, own, batch, n, n, n) : multiply(own, turned, batch, n, n, n), want, 8, n,
             tolerance, target);
      if (n == 0) continue;
      given[at((n - 1) * n + n - 1)] = -1;  // only the whole determinant is negative
      run(1, Buffer<T>(given));
      CHECK(minor[0] == n, "minor %d of %d", static_cast<int>(minor[0]), static_cast<int>(n));
    }
  });
}

TEST(factors_do_not_depend_on_threads) {
  const std::vector<Kernel> all = allKernels(chosenTarget());
  const int threads = numThreads();
  for (const int64_t batch : {int64_t{1}, int64_t{50}}) {
    const int64_t n = batch == 1 ? 400 : 20;
    const Doubles a = numbers(batch * n * n, 13);
    setNumThreads(1);
    const Factored<float> one(all, a, batch, n);
    setNumThreads(5);
    const Factored<float> many(all, a, batch, n);
    CHECK(one.lu.data == many.lu.data && one.permutation == many.permutation, "batch %d", static_cast<int>(batch));
  }
  setNumThreads(threads);
}

}  // namespace
