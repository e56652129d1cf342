// OpenBLAS's product against ours on the same matrices: every transposition, leading dimensions wider than the rows,
// accumulation, batches, NaN and infinity. Compiled where OpenBLAS is linked (TENFOLD_BLAS).
#include "gemm/blas.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "threads/pool.h"

using namespace tenfold;

namespace {

template <class T>
std::vector<T> values(int64_t count, uint32_t seed) {
  std::vector<T> v(static_cast<size_t>(count));
  for (T& x : v) {
    seed = seed * 1664525 + 1013904223;
    x = static_cast<T>(seed >> 8) / (1 << 23) - 1;
  }
  return v;
}

// Runs g with ours and with OpenBLAS, on one thread and on three, into copies of c.
template <class T>
void compare(Gemm<T> g, const std::vector<T>& c, const std::string& what) {
  std::vector<T> own = c, blas = c, blasThreaded = c;
  const int before = numThreads();
  setNumThreads(1);
  g.c = own.data(), packedGemm(g);
  g.c = blas.data(), openblasProduct(g);
  setNumThreads(3);
  g.c = blasThreaded.data(), openblasProduct(g);
  setNumThreads(before);
  CHECK(std::memcmp(blas.data(), blasThreaded.data(), c.size() * sizeof(T)) == 0, "%s: other bits with 3 threads",
        what.c_str());
  // Rounding of two orders of addition; terms are at most 1.
  const double bound =
      4 * std::sqrt(static_cast<double>(g.k + 1)) * static_cast<double>(std::numeric_limits<T>::epsilon());
  int wrong = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    const double x = static_cast<double>(own[i]), y = static_cast<double>(blas[i]);
    wrong += std::isnan(x) ? !std::isnan(y) : std::isinf(x) ? x != y : !(std::fabs(x - y) <= bound);
  }
  CHECK(wrong == 0, "%s: %d of %d differ", what.c_str(), wrong, static_cast<int>(c.size()));
}

template <class T>
void compareAll() {
  constexpr int64_t shapes[][3] = {{1, 1, 1},     {3, 5, 0},     {1, 40, 33},   {40, 1, 33},
                                   {7, 9, 11},    {16, 16, 16},  {64, 48, 100}, {100, 84, 72},
                                   {130, 70, 90}, {520, 40, 30}, {33, 1030, 7}, {600, 530, 50}};
  for (const auto& s : shapes) {
    const int64_t m = s[0], n = s[1], k = s[2], batch = m * n * k < 100'000 ? 3 : 1, pad = 3;
    for (int bits = 0; bits < 16; ++bits) {
      Gemm<T> g;
      g.m = m, g.n = n, g.k = k, g.batch = batch;
      g.transA = bits & 1, g.transB = bits & 2, g.accumulate = bits & 4;
      g.lda = (g.transA ? m : k) + pad, g.ldb = (g.transB ? k : n) + pad, g.ldc = n + pad;
      g.aStride = (g.transA ? k : m) * g.lda, g.bStride = (g.transB ? n : k) * g.ldb, g.cStride = m * g.ldc;
      std::vector<T> a = values<T>(batch * g.aStride + 1, 1), b = values<T>(batch * g.bStride + 1, 2);
      std::vector<T> c = values<T>(batch * g.cStride, 3);
      if (bits & 8) {  // in factors, as in what c holds before: there it must not be seen unless c is added to
        a[a.size() / 2] = static_cast<T>(NAN), b[b.size() / 3] = static_cast<T>(INFINITY);
        for (size_t i = 0; i < c.size(); i += 7) c[i] = static_cast<T>(NAN);
      }
      g.a = a.data(), g.b = b.data();
      compare(g, c,
              std::to_string(sizeof(T) * 8) + " bits, " + std::to_string(m) + "x" + std::to_string(n) + "x" +
                  std::to_string(k) + (g.transA ? " T" : " N") + (g.transB ? "T" : "N") +
                  (g.accumulate ? " accumulate" : "") + (bits & 8 ? " NaN" : ""));
    }
  }
}

}  // namespace

TEST(blas_agrees_with_ours_f32) { compareAll<float>(); }
TEST(blas_agrees_with_ours_f64) { compareAll<double>(); }

TEST(blas_runs_the_kernels_of_our_target) {
  const std::string target = targetName(chosenTarget()), name = blasName();
  if (target == "avx512") CHECK(name == "openblas SkylakeX", "%s", name.c_str());
  if (target == "avx2") CHECK(name == "openblas Haswell", "%s", name.c_str());
}

TEST(blas_computes_what_it_is_faster_at) {
  if (chosenTarget() != HWY_AVX3) return;
  const int64_t n = 100;
  const std::vector<float> a = values<float>(n * n, 1), b = values<float>(n * n, 2), bias(static_cast<size_t>(n));
  std::vector<float> routed(a.size()), blas(a.size()), own(a.size());
  Gemm<float> g;
  g.m = g.n = g.k = g.lda = g.ldb = g.ldc = n;
  g.a = a.data(), g.b = b.data();
  const auto equal = [&](const std::vector<float>& x) {
    return std::memcmp(routed.data(), x.data(), x.size() * sizeof(float)) == 0;
  };
  g.c = blas.data(), openblasProduct(g);
  g.c = own.data(), packedGemm(g);
  g.c = routed.data(), gemm(g);
  CHECK(equal(blas) && !equal(own), "100 x 100 x 100 is not OpenBLAS's");
  g.bias = bias.data(), g.biasKind = Bias::column, gemm(g);  // zeros
  CHECK(equal(own), "with a bias it is not ours");
}
