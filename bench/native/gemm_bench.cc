// Our product against OpenBLAS, or MKL, interleaved, one thread each, in GFLOP/s of processor time (so that other
// programs on the machine disturb it little), then with all threads in wall time.
//
//   cmake -S . -B build/bench -DTENFOLD_BENCH=ON && cmake --build build/bench --target gemm_bench
//   build/bench/gemm_bench [square|transposed|uneven|middle|large|thin|vector|batch|models|all|MxNxK] [f32|f64]
//
// TENFOLD_NUM_THREADS=1 leaves the second part out. TENFOLD_TARGET chooses our instruction set, and OpenBLAS's core is
// made to match. TENFOLD_MKL=…/libmkl_rt.so.2 (of the PyPI package mkl) measures against MKL.
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "gemm/blas.h"
#include "gemm/gemm.h"
#include "threads/pool.h"

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

template <class Clock, class F>
double perCall(Clock clock, int calls, const F& f) {
  const double begin = clock();
  for (int i = 0; i < calls; ++i) f();
  return (clock() - begin) / calls;
}

// cblas_sgemm, cblas_dgemm and MKL_Set_Num_Threads of MKL, where TENFOLD_MKL names it.
template <class T>
using Cblas = void (*)(int, int, int, int, int, int, T, const T*, int, const T*, int, T, T*, int);
template <class T>
Cblas<T> mklProduct = nullptr;
void (*setMklThreads)(int) = nullptr;

bool loadMkl() {
  const char* const path = std::getenv("TENFOLD_MKL");
  if (!path) return false;
  setenv("MKL_THREADING_LAYER", "GNU", 0);
  void* const library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (!library) {
    std::printf("TENFOLD_MKL: %s\n", dlerror());
    std::exit(1);
  }
  mklProduct<float> = reinterpret_cast<Cblas<float>>(dlsym(library, "cblas_sgemm"));
  mklProduct<double> = reinterpret_cast<Cblas<double>>(dlsym(library, "cblas_dgemm"));
  setMklThreads = reinterpret_cast<void (*)(int)>(dlsym(library, "MKL_Set_Num_Threads"));
  return true;
}

// The other product, of all items one after the other.
template <class T>
void otherProduct(const Gemm<T>& g) {
  if (!mklProduct<T>) return openblasProduct(g);
  for (int64_t i = 0; i < g.batch; ++i) {
    mklProduct<T>(101, g.transA ? 112 : 111, g.transB ? 112 : 111, static_cast<int>(g.m), static_cast<int>(g.n),
                  static_cast<int>(g.k), 1, g.a + i * g.aStride, static_cast<int>(g.lda), g.b + i * g.bStride,
                  static_cast<int>(g.ldb), 0, g.c + i * g.cStride, static_cast<int>(g.ldc));
  }
}

void setThreads(int n) {
  setNumThreads(n);
  if (setMklThreads) setMklThreads(n);
}

// Aligned as tensors are.
template <class T>
struct Aligned {
  using value_type = T;
  Aligned() = default;
  template <class U>
  Aligned(const Aligned<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* at, size_t) { ::operator delete (at, std::align_val_t{64}); }
  bool operator==(const Aligned&) const { return true; }
};

template <class T>
void measure(int64_t m, int64_t n, int64_t k, int transposes, int64_t batch = 1) {
  Gemm<T> g;
  g.m = m, g.n = n, g.k = k, g.batch = batch;
  g.transA = transposes & 1, g.transB = transposes & 2;
  g.aStride = m * k, g.bStride = k * n, g.cStride = m * n;
  std::vector<T, Aligned<T>> a(static_cast<size_t>(batch * m * k)), b(static_cast<size_t>(batch * k * n)),
      c(static_cast<size_t>(batch * m * n)), reference(c);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<T>(std::sin(static_cast<double>(i)));
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<T>(std::cos(static_cast<double>(i)));
  g.a = a.data(), g.lda = g.transA ? m : k;
  g.b = b.data(), g.ldb = g.transB ? k : n;
  g.c = c.data(), g.ldc = n;
  const double flop = 2.0 * static_cast<double>(batch * m * n * k);
  const int calls = static_cast<int>(std::clamp(5e7 / flop, 1.0, 1e5));
  const int threads = numThreads();
  Gemm<T> h = g;
  h.c = reference.data();
  double own = INFINITY, blas = INFINITY, ownThreaded = INFINITY, blasThreaded = INFINITY;
  // Many short rounds: some meet no other program.
  for (int round = 0; round < std::clamp(static_cast<int>(3e10 / flop), 8, 80); ++round) {
    setThreads(1);
    own = std::min(own, perCall(processorMicroseconds, calls, [&] { packedGemm(g); }));
    blas = std::min(blas, perCall(processorMicroseconds, calls, [&] { otherProduct(h); }));
    if (threads == 1) continue;
    setThreads(threads);
    ownThreaded = std::min(ownThreaded, perCall(wallMicroseconds, calls, [&] { packedGemm(g); }));
    blasThreaded = std::min(blasThreaded, perCall(wallMicroseconds, calls, [&] { otherProduct(h); }));
  }
  double worst = 0, largest = 0;
  for (size_t i = 0; i < c.size(); ++i) {
    worst = std::max(worst, static_cast<double>(std::fabs(c[i] - reference[i])));
    largest = std::max(largest, static_cast<double>(std::fabs(reference[i])));
  }
  std::printf(
      "%3d x %5dx%5dx%5d %c%c  own %9.2f us %6.1f  other %9.2f us %6.1f  time %5.3f | %d threads  own %6.1f  other "
      "%6.1f  "
      "time %5.3f | difference %.0e\n",
      static_cast<int>(batch), static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), g.transA ? 'T' : 'N',
      g.transB ? 'T' : 'N', own, flop / own / 1e3, blas, flop / blas / 1e3, own / blas, threads,
      flop / ownThreaded / 1e3, flop / blasThreaded / 1e3, ownThreaded / blasThreaded, worst / largest);
}

template <class T>
void run(const std::string& set) {
  const auto is = [&](const char* name) { return set == "all" || set == name; };
  long m = 0, n = 0, k = 0;
  if (std::sscanf(set.c_str(), "%ldx%ldx%ld", &m, &n, &k) == 3) {
    for (int t = 0; t < 4; ++t) measure<T>(m, n, k, t);
    return;
  }
  if (is("square")) {
    for (const int64_t n : {2, 4, 8, 16, 32, 48, 64, 100, 128, 192, 256, 384, 512, 1024, 2048}) measure<T>(n, n, n, 0);
  }
  for (int t = 0; t < 4; ++t) {
    if (is("transposed")) {
      measure<T>(128, 512, 784, t);
      for (const int64_t n : {32, 64, 128, 256, 512, 1024}) measure<T>(n, n, n, t);
    }
    if (is("models")) {
      constexpr int64_t shapes[][3] = {{128, 512, 784}, {128, 384, 384}, {128, 1536, 384},  {1024, 1536, 384},
                                       {64, 512, 784},  {32, 512, 784},  {8, 512, 784},     {1024, 384, 1536},
                                       {256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}};
      for (const auto& s : shapes) measure<T>(s[0], s[1], s[2], t);
    }
    if (is("uneven")) {
      for (const int64_t n : {10, 20, 50, 84, 100, 120, 200, 300, 500, 1000}) measure<T>(n, n, n, t);
    }
    if (is("middle")) {
      for (const int64_t n : {56, 65, 72, 80, 84, 88, 96, 100}) measure<T>(n, n, n, t);
      constexpr int64_t shapes[][3] = {{32, 100, 100}, {100, 100, 32}, {16, 100, 300}, {16, 512, 512}, {64, 64, 4096},
                                       {64, 100, 128}, {128, 68, 100}, {70, 196, 70},  {100, 80, 100}, {84, 128, 84},
                                       {84, 84, 128},  {32, 32, 32},   {48, 48, 48},   {64, 64, 64},   {64, 32, 64},
                                       {64, 200, 64},  {96, 48, 200},  {32, 40, 200}};
      for (const auto& s : shapes) measure<T>(s[0], s[1], s[2], t);
    }
    if (is("large")) {
      for (const int64_t n : {768, 1024, 1536, 2048}) measure<T>(n, n, n, t);
    }
    if (is("thin")) {
      constexpr int64_t shapes[][3] = {{128, 10, 512},  {4, 512, 512},  {16, 512, 512}, {512, 16, 512},
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
      measure<T>(64, 64, 64, t, 96);
      measure<T>(16, 16, 16, t, 256);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("own: %s, other: %s; GFLOP/s; time: ours / the other's\n", targetName(chosenTarget()),
              loadMkl() ? "mkl" : blasName());
  const std::string set = argc > 1 ? argv[1] : "all";
  if (argc > 2 && std::string(argv[2]) == "f64") {
    run<double>(set);
  } else {
    run<float>(set);
  }
}
