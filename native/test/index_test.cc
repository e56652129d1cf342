// Gathers, scatters and masks beside plain loops: every size of element and length around a vector's, indices side by
// side and strided, counted from the end or not, on one thread and several; and what is refused writes nothing.
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"
#include "threads/pool.h"

using namespace tenfold;
using namespace tenfold::test;

namespace {

std::vector<Kernel> kernels() {
  const KernelTable table = indexKernels(0);
  return {table.kernels, table.kernels + table.count};
}
template <class T>
double address(const std::vector<T>& x) {
  return static_cast<double>(reinterpret_cast<uintptr_t>(x.data()));
}
uint32_t next(uint32_t& seed) { return seed = seed * 1664525u + 1013904223u, seed >> 8; }

// Rows of x [rows, limit] that are indexed one element at a time by index [rows, n], `step` apart.
struct Elements {
  int64_t rows, n, limit, step;
  bool wrap;
  std::vector<int64_t> index;
  Elements(int64_t rows_, int64_t n_, int64_t limit_, int64_t step_, bool wrap_)
      : rows(rows_), n(n_), limit(limit_), step(step_), wrap(wrap_) {
    uint32_t seed = 7;
    for (int64_t i = 0; i < rows * n * step; ++i) {
      index.push_back(static_cast<int64_t>(next(seed)) % limit - (wrap && i % 3 == 0 ? limit : 0));
    }
  }
  int64_t at(int64_t r, int64_t j) const {
    const int64_t i = index[static_cast<size_t>((r * n + j) * step)];
    return r * limit + (i < 0 ? i + limit : i);
  }
  Doubles frame(size_t bytes, double x, double y) const {
    const auto d = [](auto v) { return static_cast<double>(v); };
    return {d(bytes),       1,       0,           d(rows), d(n),     1, d(limit), 1,   d(wrap), 5,
            address(index), d(step), d(n * step), x,       d(limit), y, 1,        d(n)};
  }
};

template <class T>
bool refuses(const std::vector<Kernel>& all, const char* name, const Doubles& frame, int64_t bad) {
  try {
    launch(all, name, DType::i64, frame);
  } catch (const KernelError& e) {
    return std::string(e.code) == "RangeError" &&
           std::string(e.what()).find("index " + std::to_string(bad) + " is out of range for dim 5") == 0;
  }
  return false;
}

template <class T>
void elementsOf(const std::vector<Kernel>& all, Elements e) {
  const size_t count = static_cast<size_t>(e.rows * e.limit), picked = static_cast<size_t>(e.rows * e.n);
  std::vector<T> x(count), y(picked + 16, T(77)), source(picked);
  for (size_t i = 0; i < count; ++i) x[i] = static_cast<T>(i * 31 + 5);
  for (size_t i = 0; i < picked; ++i) source[i] = static_cast<T>(i * 17 + 3);

  launch(all, "gather", DType::i64, e.frame(sizeof(T), address(x), address(y)));
  bool right = true;
  for (int64_t r = 0; r < e.rows; ++r) {
    for (int64_t j = 0; j < e.n; ++j)
      right &= y[static_cast<size_t>(r * e.n + j)] == x[static_cast<size_t>(e.at(r, j))];
  }
  for (size_t i = picked; i < y.size(); ++i) right &= y[i] == T(77);
  CHECK(right, "gather of %d bytes, n %d, step %d, wrap %d", int(sizeof(T)), int(e.n), int(e.step), int(e.wrap));

  std::vector<T> set = x, expected = x;
  launch(all, "scatterSet", DType::i64, e.frame(sizeof(T), address(set), address(source)));
  for (int64_t r = 0; r < e.rows; ++r) {
    for (int64_t j = 0; j < e.n; ++j)
      expected[static_cast<size_t>(e.at(r, j))] = source[static_cast<size_t>(r * e.n + j)];
  }
  CHECK(set == expected, "scatterSet of %d bytes, n %d, step %d", int(sizeof(T)), int(e.n), int(e.step));

  if (picked == 0) return;
  const std::vector<int64_t> wrong = {e.limit, -1 - (e.wrap ? e.limit : 0), INT64_MAX, INT64_MIN + 1 + e.limit};
  for (const int64_t bad : wrong) {
    e.index[static_cast<size_t>((e.rows * e.n - 1) * e.step)] = bad;
    set = x;
    CHECK(refuses<T>(all, "gather", e.frame(sizeof(T), address(x), address(y)), bad), "gather at %lld",
          static_cast<long long>(bad));
    CHECK(refuses<T>(all, "scatterSet", e.frame(sizeof(T), address(set), address(source)), bad) && set == x,
          "scatterSet at %lld", static_cast<long long>(bad));
  }
}

TEST(index_elements) {
  const auto all = kernels();
  const int threads = numThreads();
  for (const int t : {1, 3}) {
    setNumThreads(t);
    for (const int64_t n : {0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 1023, 1024, 1025, 9001}) {
      for (const int64_t step : {1, 2}) {
        for (const bool wrap : {false, true}) {
          for (const int64_t rows : {1, 5}) {
            const Elements e(rows, n, 1 + n % 100 * 3, step, wrap);
            elementsOf<uint8_t>(all, e);
            elementsOf<uint16_t>(all, e);
            elementsOf<uint32_t>(all, e);
            elementsOf<uint64_t>(all, e);
          }
        }
      }
    }
  }
  setNumThreads(threads);
}

// Sums of floats come out the same, whatever the number of threads: in order of the index.
TEST(index_scatter_order) {
  const auto all = kernels();
  const int threads = numThreads();
  const Elements e(40, 3001, 100, 1, false);
  const Doubles values = numbers(e.rows * e.n, 11);
  const std::vector<float> y(values.begin(), values.end());
  std::vector<float> expected(static_cast<size_t>(e.rows * e.limit));
  for (int64_t r = 0; r < e.rows; ++r) {
    for (int64_t j = 0; j < e.n; ++j)
      expected[static_cast<size_t>(e.at(r, j))] += y[static_cast<size_t>(r * e.n + j)] * 1.1f;
  }
  std::vector<float> scaled = y;
  for (float& v : scaled) v *= 1.1f;
  for (const int t : {1, 2, 5}) {
    setNumThreads(t);
    std::vector<float> x(expected.size());
    launch(all, "scatterAdd", DType::f32, e.frame(0, address(x), address(scaled)));
    CHECK(x == expected, "scatterAdd on %d threads", t);
  }
  setNumThreads(threads);
}

template <class T>
void masked(const std::vector<Kernel>& all, const std::vector<uint8_t>& mask) {
  const size_t n = mask.size();
  std::vector<T> spread(n), packed, expected;
  for (size_t i = 0; i < n; ++i) {
    spread[i] = static_cast<T>(i * 31 + 5);
    if (mask[i]) expected.push_back(spread[i]);
  }
  packed.assign(expected.size() + 9, T(77));
  const auto d = [](auto v) { return static_cast<double>(v); };
  Doubles frame = {d(sizeof(T)), address(mask), d(n), address(spread), address(packed), d(expected.size()), 1};
  launch(all, "moveMasked", DType::b8, frame);
  bool right = true;
  for (size_t i = 0; i < packed.size(); ++i) right &= packed[i] == (i < expected.size() ? expected[i] : T(77));
  CHECK(right, "pack %d of %d elements of %d bytes", int(expected.size()), int(n), int(sizeof(T)));

  std::vector<T> back(n, T(99));
  frame[3] = address(back), frame[6] = 0;
  launch(all, "moveMasked", DType::b8, frame);
  for (size_t i = 0; i < n; ++i) right &= back[i] == (mask[i] ? spread[i] : T(99));
  CHECK(right, "unpack %d of %d elements of %d bytes", int(expected.size()), int(n), int(sizeof(T)));
}

TEST(index_masks) {
  const auto all = kernels();
  const auto d = [](auto v) { return static_cast<double>(v); };
  for (const int64_t n : {0, 1, 7, 8, 9, 63, 64, 65, 127, 16383, 16384, 16385, 16320 * 3 + 70, 100000}) {
    for (const uint32_t density : {0, 1, 50, 99, 100}) {
      std::vector<uint8_t> mask(static_cast<size_t>(n));
      uint32_t seed = 3;
      for (uint8_t& m : mask) m = static_cast<uint8_t>(next(seed) % 100 < density ? 1 + next(seed) % 255 : 0);
      int64_t count = 0;
      for (const uint8_t m : mask) count += m != 0;
      double total = -1;
      const Doubles frame = {address(mask), d(n), static_cast<double>(reinterpret_cast<uintptr_t>(&total))};
      launch(all, "countTrue", DType::b8, frame);
      CHECK(total == d(count), "countTrue of %d: %g, not %d", int(n), total, int(count));

      std::vector<std::vector<int64_t>> shapes = {{n}};
      for (const int64_t w : {1, 3, 5, 1000}) {
        if (n % w == 0) shapes.push_back({n / w, w});
        if (n % (w * 2) == 0) shapes.push_back({n / w / 2, w, 2}), shapes.push_back({n / w / 2, 1, 2, w});
      }
      for (const auto& shape : shapes) {
        const size_t dims = shape.size();
        std::vector<int64_t> out(static_cast<size_t>(count) * dims + 4, 77), expected;
        for (int64_t p = 0; p < n; ++p) {
          if (!mask[static_cast<size_t>(p)]) continue;
          expected.resize(expected.size() + dims);
          int64_t rest = p;
          for (size_t k = 1; k <= dims; ++k) {
            expected[expected.size() - k] = rest % shape[dims - k];
            rest /= shape[dims - k];
          }
        }
        expected.insert(expected.end(), 4, 77);
        Doubles at = {address(mask), d(n), d(dims)};
        for (const int64_t s : shape) at.push_back(d(s));
        at.push_back(address(out));
        launch(all, "nonzero", DType::b8, at);
        CHECK(out == expected, "nonzero of %d in %d dims, %u%%", int(n), int(dims), density);
      }
      masked<uint8_t>(all, mask);
      masked<uint16_t>(all, mask);
      masked<uint32_t>(all, mask);
      masked<uint64_t>(all, mask);
    }
  }
}

}  // namespace
