// Singular values and vectors on every instruction set: against matrices whose values are known, by what the factors
// multiply to, on numbers that overflow or vanish when squared; and that threads change nothing.
#include <cmath>
#include <cstring>
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

struct Shape {
  int64_t rows, columns;
};
// Around the panels, with and without QR in front, wide and tall.
const Shape kShapes[] = {{1, 1},   {1, 7},   {7, 1},   {2, 2},   {3, 5},    {5, 3},   {15, 16},  {17, 17},
                         {32, 32}, {33, 20}, {36, 20}, {64, 65}, {40, 130}, {100, 3}, {130, 97}, {160, 90}};

size_t at(int64_t i) { return static_cast<size_t>(i); }
double address(const std::vector<int64_t>& x) { return static_cast<double>(reinterpret_cast<uintptr_t>(x.data())); }

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
struct Decomposed {
  int64_t batch, rows, columns, n, left, right;  // u is [rows, left], vh is [right, columns]
  Buffer<T> s, u, vh;
  std::vector<int64_t> trouble;
  Decomposed(const std::vector<Kernel>& all, const Doubles& a, int64_t batch_, Shape shape, int vectors)
      : batch(batch_),
        rows(shape.rows),
        columns(shape.columns),
        n(rows < columns ? rows : columns),
        left(vectors == 2 ? rows : n),
        right(vectors == 2 ? columns : n),
        s(batch * n),
        u(vectors == 0 ? 0 : batch * rows * left),
        vh(vectors == 0 ? 0 : batch * right * columns),
        trouble(at(batch + 1), 77) {
    const Buffer<T> given(a);
    launch(all, "svd", DTypeOf<T>::value,
           {double(batch), double(rows), double(columns), double(vectors), given.address(), s.address(), u.address(),
            vh.address(), address(trouble)});
    CHECK(s.data.back() == T(77) && u.data.back() == T(77) && vh.data.back() == T(77) && trouble.back() == 77,
          "wrote behind the end");
  }

  // Largest of |u diag(s) vh - a|, of |u^T u - 1| and of |vh vh^T - 1|, the first as a part of `size`.
  double error(const Doubles& a, double size) const {
    double worst = 0;
    const auto see = [&](double x) { worst = std::fabs(x) <= worst ? worst : std::fabs(x); };
    for (int64_t q = 0; q < batch; ++q) {
      const T *const su = u.data.data() + q * rows * left, *const sv = vh.data.data() + q * right * columns;
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) {
          double sum = -a[at((q * rows + i) * columns + j)];
          for (int64_t k = 0; k < n; ++k)
            sum += double(su[i * left + k]) * double(s.data[at(q * n + k)]) * double(sv[k * columns + j]);
          see(sum / size);
        }
      for (int64_t i = 0; i < left; ++i)
        for (int64_t j = 0; j <= i; ++j) {
          double sum = i == j ? -1 : 0;
          for (int64_t k = 0; k < rows; ++k) sum += double(su[k * left + i]) * double(su[k * left + j]);
          see(sum);
        }
      for (int64_t i = 0; i < right; ++i)
        for (int64_t j = 0; j <= i; ++j) {
          double sum = i == j ? -1 : 0;
          for (int64_t k = 0; k < columns; ++k) sum += double(sv[i * columns + k]) * double(sv[j * columns + k]);
          see(sum);
        }
    }
    return worst;
  }
};

template <class T>
double epsilon(int64_t rows, int64_t columns) {
  return static_cast<double>(std::numeric_limits<T>::epsilon()) * (6 + std::sqrt(static_cast<double>(rows + columns)));
}

// x -= 2 p (p^T x) / (p^T p), on rows or on columns of a matrix.
void reflect(Doubles& a, int64_t outer, int64_t n, int64_t inner, uint32_t seed) {
  const Doubles p = numbers(n, seed);
  double norm = 0;
  for (const double x : p) norm += x * x;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      double dot = 0;
      for (int64_t k = 0; k < n; ++k) dot += p[at(k)] * a[at((o * n + k) * inner + i)];
      for (int64_t k = 0; k < n; ++k) a[at((o * n + k) * inner + i)] -= 2 * dot / norm * p[at(k)];
    }
}

// A matrix with these singular values.
Doubles matrixOf(const Doubles& values, Shape shape) {
  Doubles a(at(shape.rows * shape.columns), 0);
  for (size_t i = 0; i < values.size(); ++i) a[i * at(shape.columns) + i] = values[i];
  for (uint32_t seed = 1; seed < 3; ++seed) {
    reflect(a, 1, shape.rows, shape.columns, seed);
    reflect(a, shape.rows, shape.columns, 1, seed + 10);
  }
  return a;
}

TEST(singular_values_are_those_the_matrix_was_made_of) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, auto unit) {
    using T = decltype(unit);
    for (const Shape shape : kShapes) {
      const int64_t n = shape.rows < shape.columns ? shape.rows : shape.columns;
      for (int kind = 0; kind < 4; ++kind) {
        Doubles values(at(n));  // falling, of few kinds, of low rank, from 1 to 1e-30
        for (int64_t i = 0; i < n; ++i) {
          const auto x = static_cast<double>(n - i);
          values[at(i)] = kind == 0   ? x
                          : kind == 1 ? 1 + std::floor(3 * x / static_cast<double>(n + 1))
                          : kind == 2 ? (2 * i < n ? x : 0)
                                      : static_cast<double>(n) *
                                            std::pow(10, -30 * static_cast<double>(i) / static_cast<double>(n));
        }
        const Doubles a = matrixOf(values, shape);
        const double size = values[0], bound = epsilon<T>(shape.rows, shape.columns);
        for (int vectors = 0; vectors < 3; ++vectors) {
          const Decomposed<T> x(all, a, 1, shape, vectors);
          double worst = 0;
          for (int64_t i = 0; i < n; ++i) {
            const auto s = static_cast<double>(x.s.data[at(i)]);
            worst = std::fmax(worst, std::fabs(s - values[at(i)]) / size);
            CHECK(s >= 0 && (i == 0 || x.s.data[at(i)] <= x.s.data[at(i - 1)]), "values don't fall");
          }
          const double error = vectors == 0 ? 0 : x.error(a, size);
          CHECK(x.trouble[0] == 0 && worst <= 2 * bound && error <= 2 * bound,
                "%d x %d, kind %d, vectors %d, %d bits on %s: values off by %g, vectors by %g", int(shape.rows),
                int(shape.columns), kind, vectors, int(sizeof(T)) * 8, targetName(target), worst / bound,
                error / bound);
        }
      }
    }
  });
}

TEST(singular_values_of_batches_and_of_special_matrices) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, auto unit) {
    using T = decltype(unit);
    for (const int64_t n : {int64_t{2}, int64_t{5}, int64_t{33}, int64_t{70}}) {
      Doubles a;
      for (int kind = 0; kind < 9; ++kind)
        for (int64_t i = 0; i < n; ++i)
          for (int64_t j = 0; j < n; ++j) {
            const double zero = 0, one = 1;
            a.push_back(kind == 0   ? zero
                        : kind == 1 ? one
                        : kind == 2 ? (j == (7 * i + 3) % n ? -one : zero)  // a permutation where 7 doesn't divide n
                        : kind == 3 ? (j == i + 1 ? one : zero)
                        : kind == 4 ? (j == i || j == i + 1 ? one : zero)
                        : kind == 5 ? (j == i       ? (i % 4 == 1 ? zero : one)
                                       : j == i + 1 ? one
                                                    : zero)
                        : kind == 6 ? (j > i    ? zero
                                       : j == i ? one
                                                : -one)
                        : kind == 7 ? one / static_cast<double>(i + j + 1)
                                    : (j == i       ? one
                                       : j == i + 1 ? 0x1p-26
                                                    : zero));
          }
      for (double& x : a) x = static_cast<double>(static_cast<T>(x));
      const Decomposed<T> x(all, a, 9, {n, n}, 1), none(all, a, 9, {n, n}, 0);
      const double error = x.error(a, static_cast<double>(n)) / epsilon<T>(n, n);
      CHECK(error <= 4, "order %d, %d bits on %s: %g", int(n), int(sizeof(T)) * 8, targetName(target), error);
      for (int kind = 0; kind < 9; ++kind) CHECK(x.trouble[at(kind)] == 0, "trouble with kind %d", kind);
      CHECK(x.s.data == none.s.data, "other values without vectors");
      for (int64_t i = 0; i < n * n; ++i)  // of 0 they are those of the identity
        CHECK(x.u.data[at(i)] == T(i % (n + 1) == 0), "vectors of 0");
    }
  });
}

TEST(singular_values_scale_with_the_matrix) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, auto unit) {
    using T = decltype(unit);
    using Limits = std::numeric_limits<T>;
    const Shape shape{9, 6};
    const Doubles a = numbers(54, 21);
    const Decomposed<T> plain(all, a, 1, shape, 1);
    const int top = Limits::max_exponent - 8, bottom = Limits::min_exponent + Limits::digits;
    for (const int scale : {top, bottom, bottom / 2, top / 2}) {
      Doubles b = a;
      for (double& x : b) x = std::ldexp(x, scale);
      const Decomposed<T> scaled(all, b, 1, shape, 1);
      for (size_t i = 0; i < 6; ++i) {
        const double ratio = std::ldexp(double(scaled.s.data[i]), -scale) / double(plain.s.data[i]) - 1;
        CHECK(std::fabs(ratio) <= 4 * double(Limits::epsilon()), "by 2^%d: off by %g on %s", scale, ratio,
              targetName(target));
      }
    }
    const Doubles small(54, double(Limits::denorm_min()));  // sqrt(54) of them
    const Decomposed<T> tiny(all, small, 1, shape, 1);
    CHECK(tiny.s.data[0] == 7 * Limits::denorm_min() && tiny.s.data[1] == 0, "denormal numbers");
  });
}

TEST(singular_values_of_what_is_not_finite) {
  everywhere([](const std::vector<Kernel>& all, int64_t, auto unit) {
    using T = decltype(unit);
    const double inf = std::numeric_limits<double>::infinity();
    const Decomposed<T> x(all, {1, 2, 3, 4, inf, 0, 0, 1, 1, NAN, inf, 2, 0, 0, 0, 3}, 4, {2, 2}, 1);
    CHECK(x.trouble[0] == 0 && x.trouble[1] == 0 && x.trouble[2] == 1 && x.trouble[3] == 0, "trouble");
    CHECK(x.s.data[0] > 0 && x.s.data[2] != x.s.data[2] && x.u.data[4] != x.u.data[4] && x.s.data[6] == 3, "values");
  });
}

TEST(singular_values_do_not_depend_on_threads) {
  const std::vector<Kernel> all = allKernels(chosenTarget());
  const int threads = numThreads();
  for (const Shape shape : {Shape{12, 20}, Shape{400, 180}, Shape{650, 600}}) {
    const int64_t batch = shape.rows < 100 ? 60 : 1;
    const Doubles a = numbers(batch * shape.rows * shape.columns, 13);
    setNumThreads(1);
    const Decomposed<float> one(all, a, batch, shape, 2);
    setNumThreads(5);
    const Decomposed<float> many(all, a, batch, shape, 2);
    CHECK(one.s.data == many.s.data && one.u.data == many.u.data && one.vh.data == many.vh.data, "%d rows",
          static_cast<int>(shape.rows));
  }
  setNumThreads(threads);
}

}  // namespace
