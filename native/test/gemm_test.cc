// Products on every instruction set that the machine has, against a reference in a wider type. The padding of every
// matrix holds NaN (in c: a mark), so that a read or a write outside shows.
#include "gemm/gemm.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "check.h"
#include "kernel.h"
#include "kernels/all.h"
#include "threads/pool.h"

using namespace tenfold;

namespace {

constexpr double kMark = -12345;

struct Random {
  uint32_t state = 12345;
  double operator()() {  // (-1, 1)
    state = state * 1664525 + 1013904223;
    return static_cast<double>(state >> 8) / (1 << 23) - 1;
  }
};

template <class T>
struct Matrix {  // rows x columns, with `pad` more columns, and one row in front and one behind
  Matrix(int64_t rows_, int64_t columns_, int64_t pad, double padding)
      : rows(rows_), columns(columns_), ld(columns_ + pad) {
    data.assign(static_cast<size_t>((rows + 2) * ld + 1), static_cast<T>(padding));
  }
  T* at() { return data.data() + ld; }
  T& operator()(int64_t i, int64_t j) { return at()[i * ld + j]; }
  int64_t rows, columns, ld;
  std::vector<T> data;
};

template <class T>
struct Case {
  int64_t m, n, k;
  bool transA = false, transB = false, accumulate = false;
  Bias bias = Bias::none;
  Activation activation = Activation::none;
  int64_t batch = 1;
  bool shareA = false, shareB = false;
  int64_t pad = 3;
};

template <class T>
std::string describe(const Case<T>& x, int64_t target) {
  return std::string(targetName(target)) + " " + std::to_string(sizeof(T) * 8) + " bits, batch " +
         std::to_string(x.batch) + " of " + std::to_string(x.m) + "x" + std::to_string(x.n) + "x" +
         std::to_string(x.k) + (x.transA ? " T" : " N") + (x.transB ? "T" : "N") + (x.accumulate ? " accumulate" : "") +
         " bias " + std::to_string(static_cast<int>(x.bias)) + (x.activation == Activation::relu ? " relu" : "");
}

// Runs one case, and checks values, padding, and that the number of threads changes no bit.
template <class T>
void check(const Case<T>& x, int64_t target) {
  constexpr bool floating = std::is_floating_point_v<T>;
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  Random random;
  const auto value = [&] { return floating ? static_cast<T>(random()) : static_cast<T>(random() * 100); };
  const double poison = floating ? NAN : 99;
  const int64_t as = x.shareA ? 1 : x.batch, bs = x.shareB ? 1 : x.batch;
  Matrix<T> a((x.transA ? x.k : x.m) * as, x.transA ? x.m : x.k, x.pad, poison);
  Matrix<T> b((x.transB ? x.n : x.k) * bs, x.transB ? x.k : x.n, x.pad, poison);
  Matrix<T> c(x.m * x.batch, x.n, x.pad, kMark);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j) a(i, j) = value();
  for (int64_t i = 0; i < b.rows; ++i)
    for (int64_t j = 0; j < b.columns; ++j) b(i, j) = value();
  for (int64_t i = 0; i < c.rows; ++i)
    for (int64_t j = 0; j < c.columns; ++j) c(i, j) = x.accumulate ? value() : static_cast<T>(poison);
  std::vector<T> bias(static_cast<size_t>(x.m + x.n));
  for (T& v : bias) v = value();
  Matrix<T> start = c;

  Gemm<T> g;
  g.m = x.m, g.n = x.n, g.k = x.k, g.transA = x.transA, g.transB = x.transB, g.accumulate = x.accumulate;
  g.a = a.at(), g.lda = a.ld, g.b = b.at(), g.ldb = b.ld, g.c = c.at(), g.ldc = c.ld;
  g.batch = x.batch, g.aStride = x.shareA ? 0 : (x.transA ? x.k : x.m) * a.ld,
  g.bStride = x.shareB ? 0 : (x.transB ? x.n : x.k) * b.ld;
  g.cStride = x.m * c.ld;
  g.biasKind = x.bias, g.bias = x.bias == Bias::none ? nullptr : bias.data(), g.activation = x.activation;
  gemm(g, target);

  int wrong = 0;
  for (int64_t q = 0; q < x.batch; ++q) {
    for (int64_t i = 0; i < x.m; ++i) {
      for (int64_t j = 0; j < x.n; ++j) {
        Wide sum = 0, size = 0;
        for (int64_t p = 0; p < x.k; ++p) {
          const int64_t qa = x.shareA ? 0 : q, qb = x.shareB ? 0 : q;
          const Wide term = static_cast<Wide>(x.transA ? a(qa * x.k + p, i) : a(qa * x.m + i, p)) *
                            static_cast<Wide>(x.transB ? b(qb * x.n + j, p) : b(qb * x.k + p, j));
          sum += term;
          size += term < 0 ? -term : term;
        }
        if (x.accumulate) sum += start(q * x.m + i, j), size += std::fabs(static_cast<double>(start(q * x.m + i, j)));
        if (g.bias) {
          const T v = bias[static_cast<size_t>(x.bias == Bias::row ? i : j)];
          sum += v, size += std::fabs(static_cast<double>(v));
        }
        if (x.activation == Activation::relu && sum < 0) sum = 0;
        const Wide error = static_cast<Wide>(c(q * x.m + i, j)) - sum;
        // Rounding errors of random signs: half an ulp of the terms' size for the root of the number of terms.
        const Wide bound =
            floating ? (2 + std::sqrt(static_cast<double>(x.k))) * std::numeric_limits<T>::epsilon() / 2 * size : 0;
        wrong += !((error < 0 ? -error : error) <= bound);
      }
    }
  }
  CHECK(wrong == 0, "%s: %d wrong", describe(x, target).c_str(), wrong);
  int touched = 0;
  for (size_t i = 0; i < c.data.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / c.ld - 1, column = static_cast<int64_t>(i) % c.ld;
    if (row < 0 || row >= c.rows || column >= c.columns) touched += c.data[i] != static_cast<T>(kMark);
  }
  CHECK(touched == 0, "%s: %d elements outside were written", describe(x, target).c_str(), touched);

  Matrix<T> again = start;
  g.c = again.at();
  const int before = numThreads();
  setNumThreads(before == 1 ? 3 : 1);
  gemm(g, target);
  setNumThreads(before);
  CHECK(std::memcmp(c.data.data(), again.data.data(), c.data.size() * sizeof(T)) == 0, "%s: other bits with %d threads",
        describe(x, target).c_str(), before == 1 ? 3 : 1);
}

template <class F>
void onEveryTarget(const F& f) {
  int ran = 0;
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    f(target);
    ++ran;
  }
  CHECK(ran > 0);
}

template <class T>
void shapes(int64_t target) {
  constexpr int64_t sizes[] = {0, 1, 2, 3, 4, 7, 16, 17, 33};
  for (const int64_t m : sizes) {
    for (const int64_t n : sizes) {
      for (const int64_t k : sizes) {
        for (int t = 0; t < 4; ++t) check(Case<T>{m, n, k, (t & 1) != 0, (t & 2) != 0}, target);
      }
    }
  }
  if (!std::is_floating_point_v<T>) return;
  // More than one thread's work, long and thin, vectors.
  constexpr int64_t large[][3] = {{131, 127, 139}, {37, 47, 797},  {5, 1409, 61}, {1409, 5, 61},
                                  {1, 257, 401},   {257, 1, 401},  {3, 130, 130}, {130, 3, 130},
                                  {4, 50, 200},    {20, 100, 400}, {40, 400, 385}};
  for (const auto& s : large) {
    for (int t = 0; t < 4; ++t) check(Case<T>{s[0], s[1], s[2], (t & 1) != 0, (t & 2) != 0}, target);
  }
}

// Several groups of rows: with panels of b that each group packs, over two sections of k, and with panels that the
// first group packs for all.
template <class T>
void groups(int64_t target) {
  constexpr int64_t sizes[][3] = {{300, 130, 1100}, {280, 701, 470}};
  for (const auto& s : sizes) {
    for (int t = 0; t < 4; ++t) check(Case<T>{s[0], s[1], s[2], (t & 1) != 0, (t & 2) != 0}, target);
  }
}

template <class T>
void epilogues(int64_t target) {
  constexpr int64_t sizes[][3] = {{1, 1, 1},   {5, 7, 0},   {2, 2, 4},    {1, 37, 40},   {37, 1, 40},
                                  {3, 50, 64}, {50, 3, 64}, {33, 45, 20}, {40, 70, 800}, {64, 64, 64}};
  for (const auto& s : sizes) {
    for (int bits = 0; bits < 48; ++bits) {
      Case<T> x{s[0], s[1], s[2], (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
      x.activation = bits & 8 ? Activation::relu : Activation::none;
      x.bias = static_cast<Bias>(bits >> 4);
      check(x, target);
    }
  }
}

template <class T>
void batches(int64_t target) {
  constexpr int64_t sizes[][3] = {{1, 1, 3}, {5, 1, 40}, {1, 9, 40}, {17, 19, 23}, {64, 64, 64}, {150, 200, 130}};
  for (const auto& s : sizes) {
    for (int bits = 0; bits < 16; ++bits) {
      Case<T> x{s[0], s[1], s[2], (bits & 1) != 0, (bits & 2) != 0};
      x.batch = 5;
      x.shareA = bits & 4, x.shareB = bits & 8;
      x.pad = bits & 1 ? 0 : 5;
      check(x, target);
    }
  }
  check(Case<T>{4, 4, 4, false, false, false, Bias::none, Activation::none, 0}, target);
}

template <class T>
struct PatchSource {  // a factor known to a function only
  const T* at;
  int64_t ld, stride;
  static void pack(const void* context, int64_t batch, T* out, int64_t width, int64_t p0, int64_t p1, int64_t i0,
                   int64_t i1) {
    const auto& s = *static_cast<const PatchSource*>(context);
    for (int64_t p = p0; p < p1; ++p) {
      for (int64_t i = 0; i < width; ++i) {
        out[(p - p0) * width + i] = i0 + i < i1 ? s.at[batch * s.stride + p * s.ld + i0 + i] : T{0};
      }
    }
  }
};

}  // namespace

TEST(gemm_f32_shapes) {
  onEveryTarget([](int64_t t) { shapes<float>(t); });
}
TEST(gemm_f64_shapes) {
  onEveryTarget([](int64_t t) { shapes<double>(t); });
}
TEST(gemm_integer_shapes) {
  onEveryTarget([](int64_t t) {
    shapes<int64_t>(t);
    shapes<int32_t>(t);
  });
}
TEST(gemm_groups_of_rows) {
  onEveryTarget(groups<float>);
  onEveryTarget(groups<double>);
}
TEST(gemm_epilogues) {
  onEveryTarget([](int64_t t) {
    epilogues<float>(t);
    epilogues<double>(t);
    epilogues<int64_t>(t);
    epilogues<int32_t>(t);
  });
}
TEST(gemm_batches) {
  onEveryTarget([](int64_t t) {
    batches<float>(t);
    batches<double>(t);
    batches<int32_t>(t);
  });
}

TEST(gemm_small_products_sum_in_order_of_k) {
  onEveryTarget([](int64_t target) {
    if (std::string(targetName(target)) == "sse4") return;  // has no fused multiply-add
    Random random;
    std::vector<float> a(20 * 30), b(30 * 25), c(20 * 25);
    for (float& v : a) v = static_cast<float>(random());
    for (float& v : b) v = static_cast<float>(random());
    Gemm<float> g;
    g.m = 20, g.n = 25, g.k = 30, g.a = a.data(), g.lda = 30, g.b = b.data(), g.ldb = 25, g.c = c.data(), g.ldc = 25;
    gemm(g, target);
    int wrong = 0;
    for (size_t i = 0; i < 20; ++i) {
      for (size_t j = 0; j < 25; ++j) {
        float sum = 0;
        for (size_t p = 0; p < 30; ++p) sum = std::fma(a[i * 30 + p], b[p * 25 + j], sum);
        wrong += sum != c[i * 25 + j];
      }
    }
    CHECK(wrong == 0, "%s: %d of 500", targetName(target), wrong);
  });
}

TEST(gemm_infinities_and_nans_stay_in_their_row_and_column) {
  onEveryTarget([](int64_t target) {
    for (const int64_t n : {1, 3, 17, 64, 100}) {
      std::vector<float> a(static_cast<size_t>(n * n), 1), b(a), c(a);
      a[0] = INFINITY;                          // row 0 is inf …
      b[static_cast<size_t>(n * n - 1)] = NAN;  // … and the last column NaN
      Gemm<float> g;
      g.m = g.n = g.k = g.lda = g.ldb = g.ldc = n;
      g.a = a.data(), g.b = b.data(), g.c = c.data();
      g.activation = Activation::relu;  // keeps NaN
      gemm(g, target);
      int wrong = 0;
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const float v = c[static_cast<size_t>(i * n + j)];
          wrong += !(j == n - 1 ? std::isnan(v) : i == 0 ? std::isinf(v) : v == static_cast<float>(n));
        }
      }
      CHECK(wrong == 0, "%s n = %d: %d wrong", targetName(target), static_cast<int>(n), wrong);
    }
  });
}

TEST(gemm_packers_in_place_of_factors) {
  onEveryTarget([](int64_t target) {
    for (const int64_t m : {1, 5, 40}) {
      for (const int64_t n : {1, 6, 150}) {
        const int64_t k = 500, batch = 2;
        Random random;
        std::vector<double> a(static_cast<size_t>(batch * k * m)), b(static_cast<size_t>(batch * k * n)),
            c(static_cast<size_t>(batch * m * n)), d(c);
        for (double& v : a) v = random();
        for (double& v : b) v = random();
        Gemm<double> g;
        g.m = m, g.n = n, g.k = k, g.batch = batch, g.aStride = k * m, g.bStride = k * n, g.cStride = m * n;
        g.a = a.data(), g.lda = m, g.transA = true, g.b = b.data(), g.ldb = n, g.c = c.data(), g.ldc = n;
        gemm(g, target);
        const PatchSource<double> left{a.data(), m, k * m}, right{b.data(), n, k * n};
        for (int which = 1; which < 4; ++which) {
          Gemm<double> h = g;
          h.c = d.data();
          if (which & 1) h.a = nullptr, h.packA = {PatchSource<double>::pack, &left};
          if (which & 2) h.b = nullptr, h.packB = {PatchSource<double>::pack, &right};
          gemm(h, target);
          double worst = 0;
          for (size_t i = 0; i < c.size(); ++i) worst = std::fmax(worst, std::fabs(c[i] - d[i]));
          CHECK(worst < 1e-12, "%s %dx%d: %g", targetName(target), static_cast<int>(m), static_cast<int>(n), worst);
        }
      }
    }
  });
}

TEST(gemm_matmul_kernel_reads_its_frame) {
  onEveryTarget([](int64_t target) {
    const KernelTable table = gemmKernels(target);
    int found = 0;
    for (size_t i = 0; i < table.count; ++i) {
      const Kernel& kernel = table.kernels[i];
      if (kernel.dtype != DType::f32) continue;
      ++found;
      // two products of [1, 2; 3, 4] by the transpose of [5, 6; 7, 8] and of its double, + row bias, relu
      const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8, 10, 12, 14, 16}, bias[] = {-20, 1};
      float c[] = {0, 0, 0, 0, 100, 0, 0, 0};
      const auto address = [](const void* p) { return static_cast<double>(reinterpret_cast<uintptr_t>(p)); };
      const double frame[] = {2,          2, 2, 2, address(a),    0, 2, 0, address(b), 4, 2, 1,
                              address(c), 4, 2, 1, address(bias), 2, 1};
      kernel.run(kernel, Frame{frame});
      const float expected[] = {0, 3, 40, 54, 114, 26, 79, 107};
      for (int e = 0; e < 8; ++e)
        CHECK(c[e] == expected[e], "%s element %d: %g", targetName(target), e, static_cast<double>(c[e]));
    }
    CHECK(found == 1);
  });
}
