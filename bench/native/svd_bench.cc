// The svd kernel beside the method that it doesn't use: one-sided Jacobi, which turns pairs of columns until all are
// orthogonal, the largest remaining one first. One thread, milliseconds, the best of three, values and vectors.
//
//   cmake -S . -B build/bench -DTENFOLD_BENCH=ON && cmake --build build/bench --target svd_bench &&
//   build/bench/svd_bench
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/all.h"
#include "simd/cpu.h"
#include "threads/pool.h"

using namespace tenfold;

namespace {

template <class F>
double best(F f) {
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    least =
        std::min(least, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

// Columns lie as rows of a [n, n]; v gathers what was done to them. Returns the number of sweeps.
template <class T>
int jacobi(int64_t n, std::vector<T>& a, std::vector<T>& v) {
  const auto row = [n](std::vector<T>& x, int64_t i) { return x.data() + i * n; };
  const T small = std::numeric_limits<T>::epsilon() * std::sqrt(static_cast<T>(n));
  std::vector<T> squares(static_cast<size_t>(n));
  for (int sweep = 1; sweep <= 30; ++sweep) {
    bool turned = false;
    for (int64_t i = 0; i < n; ++i) {
      T sum = 0;
      for (int64_t k = 0; k < n; ++k) sum += row(a, i)[k] * row(a, i)[k];
      squares[i] = sum;
    }
    for (int64_t i = 0; i + 1 < n; ++i) {
      const int64_t largest = std::max_element(squares.begin() + i, squares.end()) - squares.begin();
      std::swap_ranges(row(a, i), row(a, i) + n, row(a, largest));
      std::swap_ranges(row(v, i), row(v, i) + n, row(v, largest));
      std::swap(squares[i], squares[largest]);
      for (int64_t j = i + 1; j < n; ++j) {
        T *const x = row(a, i), *const y = row(a, j), *const p = row(v, i), *const q = row(v, j);
        T dot = 0;
        for (int64_t k = 0; k < n; ++k) dot += x[k] * y[k];
        if (std::fabs(dot) <= small * std::sqrt(squares[i] * squares[j])) continue;
        turned = true;
        const T z = (squares[j] - squares[i]) / (2 * dot);
        const T t = std::copysign(T{1}, z) / (std::fabs(z) + std::sqrt(1 + z * z)), c = 1 / std::sqrt(1 + t * t);
        const T s = c * t;
        for (int64_t k = 0; k < n; ++k) {
          const T left = x[k], right = y[k];
          x[k] = c * left - s * right, y[k] = s * left + c * right;
        }
        for (int64_t k = 0; k < n; ++k) {
          const T left = p[k], right = q[k];
          p[k] = c * left - s * right, q[k] = s * left + c * right;
        }
        squares[i] -= t * dot, squares[j] += t * dot;
      }
    }
    if (!turned) return sweep;
  }
  return 30;
}

template <class T>
void compare(int64_t n) {
  const auto size = static_cast<size_t>(n * n);
  std::mt19937 generator(1);
  std::normal_distribution<double> normal;
  std::vector<T> a(size), s(static_cast<size_t>(n)), u(size), vh(size);
  for (T& x : a) x = static_cast<T>(normal(generator));
  int64_t trouble = 0;
  const auto address = [](const auto* x) { return static_cast<double>(reinterpret_cast<uintptr_t>(x)); };
  double kernelTimes[2] = {};
  for (const Kernel& k : allKernels(chosenTarget())) {
    if (std::strcmp(k.name, "svd") || k.dtype != DTypeOf<T>::value) continue;
    for (int vectors = 0; vectors < 2; ++vectors) {
      const double frame[] = {1,
                              double(n),
                              double(n),
                              double(vectors),
                              address(a.data()),
                              address(s.data()),
                              address(u.data()),
                              address(vh.data()),
                              address(&trouble)};
      kernelTimes[vectors] = best([&] { k.run(k, Frame{frame}); });
    }
  }
  int sweeps = 0;
  const double jacobiTime = best([&] {
    std::vector<T> columns = a, v(size, 0);
    for (int64_t i = 0; i < n; ++i) v[static_cast<size_t>(i * n + i)] = 1;
    sweeps = jacobi(n, columns, v);
  });
  std::printf("float%d %5d   values %8.3f   vectors %8.3f   Jacobi %8.3f (%d sweeps)\n", int(sizeof(T)) * 8, int(n),
              kernelTimes[0], kernelTimes[1], jacobiTime, sweeps);
}

}  // namespace

int main() {
  setNumThreads(1);
  for (const int64_t n : {8, 16, 64, 256, 512}) {
    compare<float>(n);
    compare<double>(n);
  }
}
