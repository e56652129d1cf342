// OpenBLAS, linked statically and called for one tile at a time, on one thread, from threads of our pool.
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>

#include "gemm/blas.h"
#include "threads/pool.h"

// cblas.h differs from system to system; these are the same everywhere.
extern "C" {
void cblas_sgemm(int order, int transA, int transB, int m, int n, int k, float alpha, const float* a, int lda,
                 const float* b, int ldb, float beta, float* c, int ldc);
void cblas_dgemm(int order, int transA, int transB, int m, int n, int k, double alpha, const double* a, int lda,
                 const double* b, int ldb, double beta, double* c, int ldc);
void gotoblas_init();
char* openblas_get_corename();
}

namespace tenfold {
namespace {

// OpenBLAS initialises itself when it is loaded: it would start a thread for each core, and take its kernels and the
// sizes of its blocks from the environment. We call it first (its own call then does nothing), and show it another
// environment meanwhile: one thread, and the kernels of our target, so that results follow TENFOLD_TARGET.
// The environment is exchanged and not changed: setenv would move it under other threads that read it.
[[gnu::constructor(101)]] void startOpenblas() {
  static char oneThread[] = "OPENBLAS_NUM_THREADS=1";
  static char skylakeX[] = "OPENBLAS_CORETYPE=SkylakeX", haswell[] = "OPENBLAS_CORETYPE=Haswell";
  char** const users = environ;
  size_t count = 0;
  while (users && users[count]) ++count;
  [[gnu::used]] static char** ours;  // kept: a thread may be reading it
  ours = static_cast<char**>(std::malloc((count + 3) * sizeof(char*)));
  if (!ours) return;
  size_t n = 0;
  ours[n++] = oneThread;
  if (const int64_t target = chosenTarget(); target == HWY_AVX3 || target == HWY_AVX2)
    ours[n++] = target == HWY_AVX3 ? skylakeX : haswell;
  for (size_t i = 0; i < count; ++i) {
    if (std::strncmp(users[i], "OPENBLAS_", 9) != 0) ours[n++] = users[i];
  }
  ours[n] = nullptr;
  environ = ours;
  gotoblas_init();
  environ = users;
}

constexpr int64_t kTile = 512;

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t cut(int64_t n, int64_t parts, int64_t i) { return n / parts * i + least(i, n % parts); }

constexpr int kRowMajor = 101, kPlain = 111, kTransposed = 112;

void call(int transA, int transB, int m, int n, int k, const float* a, int lda, const float* b, int ldb, float beta,
          float* c, int ldc) {
  cblas_sgemm(kRowMajor, transA, transB, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}
void call(int transA, int transB, int m, int n, int k, const double* a, int lda, const double* b, int ldb, double beta,
          double* c, int ldc) {
  cblas_dgemm(kRowMajor, transA, transB, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

// Not where the product asked for is of another instruction set than the process's (tests only).
bool runsKernelsOf(int64_t target) {
  static const int64_t chosen = chosenTarget();
  return target == chosen;
}

}  // namespace

const char* blasName() {
  static const std::string name = std::string("openblas ") + openblas_get_corename();
  return name.c_str();
}

// Tiles are cut by shape alone, as OpenBLAS's rounding may depend on the cut.
template <class T>
void openblasProduct(const Gemm<T>& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  const int64_t rows = ceilDiv(g.m, kTile), columns = ceilDiv(g.n, kTile);
  parallelFor(
      g.batch * rows * columns, 1,
      [&](int64_t begin, int64_t end) {
        for (int64_t tile = begin; tile < end; ++tile) {
          const int64_t item = tile / (rows * columns), row = tile / columns % rows, column = tile % columns;
          const int64_t i = cut(g.m, rows, row), j = cut(g.n, columns, column);
          call(g.transA ? kTransposed : kPlain, g.transB ? kTransposed : kPlain,
               static_cast<int>(cut(g.m, rows, row + 1) - i), static_cast<int>(cut(g.n, columns, column + 1) - j),
               static_cast<int>(g.k), g.a + item * g.aStride + (g.transA ? i : i * g.lda), static_cast<int>(g.lda),
               g.b + item * g.bStride + (g.transB ? j * g.ldb : j), static_cast<int>(g.ldb), g.accumulate ? T{1} : T{0},
               g.c + item * g.cStride + i * g.ldc + j, static_cast<int>(g.ldc));
        }
      },
      1);
}
template void openblasProduct(const Gemm<float>&);
template void openblasProduct(const Gemm<double>&);

// What OpenBLAS 0.3.21 computes faster than we do, measured with bench/native/gemm_bench.cc (docs/architecture.md has
// the figures): products that its AVX-512 kernels for up to 100^3 compute, of float32 where the last vector of a row of
// c holds 1 to 4 columns (by 6 to 23 %), and of two transposed factors where m is a whole number of vectors (by 0 to 33
// %).
template <class T>
bool blasProduct(const Gemm<T>& g, int64_t target) {
  const auto measured = [](int64_t x) { return x >= 32 && x <= 256; };
  if (target != HWY_AVX3 || !measured(g.m) || !measured(g.n) || !measured(g.k)) return false;
  const bool faster = g.transB ? g.transA && g.m % 16 == 0 : sizeof(T) == 4 && g.n > 64 && (g.n - 1) % 16 < 4;
  if (!faster || g.m * g.n * g.k > 1'000'000 || g.packA || g.packB) return false;
  if (g.biasKind != Bias::none || g.activation != Activation::none || !runsKernelsOf(target)) return false;
  openblasProduct(g);
  return true;
}
template bool blasProduct(const Gemm<float>&, int64_t);
template bool blasProduct(const Gemm<double>&, int64_t);

}  // namespace tenfold
