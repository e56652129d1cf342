// Our product against OpenBLAS, interleaved, one thread each, in GFLOP/s of processor time (so that other programs on
// the machine disturb it little), then ours with all threads in wall time.
//
//   cmake -S . -B build/bench -DTENFOLD_BENCH=ON && cmake --build build/bench --target gemm_bench
//   build/bench/gemm_bench [square|transposed|thin|vector|batch|all] [f32|f64]
//
// TENFOLD_TARGET chooses our instruction set, and OpenBLAS's core is made to match.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "gemm/gemm.h"
#include "threads/pool.h"

extern "C" {
void cblas_sgemm(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
void cblas_dgemm(int, int, int, int, int, int, double, const double*, int, const double*, int, double, double*, int);
char* openblas_get_corename();
}

using namespace tenfold;

namespace {

double processorMicroseconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
}
double wallMicroseconds() {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class T> void openblas(const Gemm<T>& g, T* c) {
  const int order = 101, a = g.transA ? 112 : 111, b = g.transB ? 112 : 111;
  const int m = static_cast<int>(g.m), n = static_cast<int>(g.n), k = static_cast<int>(g.k);
  const int lda = static_cast<int>(g.lda), ldb = static_cast<int>(g.ldb), ldc = static_cast<int>(g.ldc);
  for (int64_t i = 0; i < g.batch; ++i) {
    const T *x = g.a + i * g.aStride, *y = g.b + i * g.bStride;
    if constexpr (sizeof(T) == 4) {
      cblas_sgemm(order, a, b, m, n, k, 1, x, lda, y, ldb, 0, c + i * g.cStride, ldc);
    } else {
      cblas_dgemm(order, a, b, m, n, k, 1, x, lda, y, ldb, 0, c + i * g.cStride, ldc);
    }
  }
}

template <class Clock, class F> double perCall(Clock clock, int calls, const F& f) {
  const double begin = clock();
  for (int i = 0; i < calls; ++i) f();
  return (clock() - begin) / calls;
}

template <class T> void measure(int64_t m, int64_t n, int64_t k, int transposes, int64_t batch = 1) {
  Gemm<T> g;
  g.m = m, g.n = n, g.k = k, g.batch = batch;
  g.transA = transposes & 1, g.transB = transposes & 2;
  g.aStride = m * k, g.bStride = k * n, g.cStride = m * n;
  std::vector<T> a(static_cast<size_t>(batch * m * k)), b(static_cast<size_t>(batch * k * n)), c(static_cast<size_t>(batch * m * n)), reference(c);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<T>(std::sin(static_cast<double>(i)));
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<T>(std::cos(static_cast<double>(i)));
  g.a = a.data(), g.lda = g.transA ? m : k;
  g.b = b.data(), g.ldb = g.transB ? k : n;
  g.c = c.data(), g.ldc = n;
  const double flop = 2.0 * static_cast<double>(batch * m * n * k);
  const int calls = static_cast<int>(std::clamp(2e8 / flop, 1.0, 1e5));
  const int threads = numThreads();
  double own = INFINITY, blas = INFINITY, threaded = INFINITY;
  for (int round = 0; round < (flop > 2e9 ? 6 : 15); ++round) {
    setNumThreads(1);
    own = std::min(own, perCall(processorMicroseconds, calls, [&] { gemm(g); }));
    blas = std::min(blas, perCall(processorMicroseconds, calls, [&] { openblas(g, reference.data()); }));
    setNumThreads(threads);
    threaded = std::min(threaded, perCall(wallMicroseconds, calls, [&] { gemm(g); }));
  }
  double worst = 0, largest = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::fabs(c[i] - reference[i])));
    largest = std::max(largest, static_cast<double>(std::fabs(reference[i])));
  }
  std::printf("%3d x %5dx%5dx%5d %c%c  own %9.2f us %6.1f   openblas %9.2f us %6.1f   ratio %5.2f   %d threads %6.1f   difference %.0e\n",
              static_cast<int>(batch), static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), g.transA ? 'T' : 'N',
              g.transB ? 'T' : 'N', own, flop / own / 1e3, blas, flop / blas / 1e3, blas / own, threads, flop / threaded / 1e3,
              worst / largest);
}

template <class T> void run(const std::string& set) {
  const auto is = [&](const char* name) { return set == "all" || set == name; };
  if (is("square")) {
    for (const int64_t n : {2, 4, 8, 16, 32, 48, 64, 100, 128, 192, 256, 384, 512, 1024, 2048}) measure<T>(n, n, n, 0);
  }
  for (int t = 0; t < 4; ++t) {
    if (is("transposed")) {
      measure<T>(128, 512, 784, t);
      for (const int64_t n : {32, 64, 128, 256, 512, 1024}) measure<T>(n, n, n, t);
    }
    if (is("thin")) {
      constexpr int64_t shapes[][3] = {{128, 10, 512}, {4, 512, 512},   {16, 512, 512}, {512, 16, 512},
                                       {784, 512, 128}, {2048, 64, 64}, {64, 2048, 64}, {64, 64, 4096}};
      for (const auto& s : shapes) measure<T>(s[0], s[1], s[2], t);
    }
    if (is("vector")) {
      for (const int64_t n : {16, 64, 512, 2048}) {
        measure<T>(1, n, n, t);
        measure<T>(n, 1, n, t);
      }
    }
    if (is("batch")) {
      measure<T>(128, 128, 64, t, 32);
      measure<T>(16, 16, 16, t, 256);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (!getenv("TENFOLD_GEMM_BENCH")) {  // OpenBLAS reads its environment before main
    const std::string target = targetName(chosenTarget());
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    setenv("OPENBLAS_CORETYPE", target == "avx512" ? "SkylakeX" : target == "avx2" ? "Haswell" : target == "sse4" ? "Nehalem" : "ARMV8", 1);
    unsetenv("OPENBLAS_L2_SIZE");
    setenv("TENFOLD_GEMM_BENCH", "1", 1);
    execv("/proc/self/exe", argv);
  }
  std::printf("own: %s, OpenBLAS: %s; GFLOP/s\n", targetName(chosenTarget()), openblas_get_corename());
  const std::string set = argc > 1 ? argv[1] : "all";
  if (argc > 2 && std::string(argv[2]) == "f64") {
    run<double>(set);
  } else {
    run<float>(set);
  }
}
