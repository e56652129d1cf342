// One convolution or max-pooling at a time, in milliseconds of processor time on one thread (so that other programs on
// the machine disturb it little). bench/native/conv_bench.py runs it in turns with PyTorch.
//
//   cmake -S . -B build/bench -DTENFOLD_BENCH=ON && cmake --build build/bench --target conv_bench
//   build/bench/conv_bench conv batch channels height width filters kernel stride padding groups
//   build/bench/conv_bench pool planes height width kernel stride padding
//
// Prints a line for the result and each gradient: its name, then milliseconds.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/all.h"
#include "simd/cpu.h"
#include "threads/pool.h"

using namespace tenfold;

namespace {

double processorTime() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}

double address(const void* p) { return static_cast<double>(reinterpret_cast<uintptr_t>(p)); }

std::vector<float> numbers(double n) {
  std::vector<float> v(static_cast<size_t>(n));
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i * 2654435761u >> 8 & 0xffff) / 65536 - 0.5f;
  return v;
}

// The fastest of twelve samples of about 8 ms.
void time(const KernelTable& table, const char* label, const char* name, std::vector<double> frame,
          const std::vector<const void*>& addresses, const std::vector<double>& rest) {
  for (const void* p : addresses) frame.push_back(address(p));
  frame.insert(frame.end(), rest.begin(), rest.end());
  for (size_t i = 0; i < table.count; ++i) {
    const Kernel& k = table.kernels[i];
    if (std::strcmp(k.name, name) != 0 || k.dtype != DType::f32) continue;
    double best = 1e9;
    for (int sample = 0; sample < 12; ++sample) {
      const double start = processorTime();
      int runs = 0;
      do {
        k.run(k, Frame{frame.data()});
        ++runs;
      } while (processorTime() - start < 8);
      best = std::min(best, (processorTime() - start) / runs);
    }
    std::printf("%s %.4f\n", label, best);
  }
}

double outSize(double in, double kernel, double stride, double pad) {
  return static_cast<double>(static_cast<int64_t>((in + 2 * pad - kernel) / stride)) + 1;
}

void convolution(const double* a) {
  const double n = a[0], c = a[1], h = a[2], w = a[3], f = a[4], k = a[5], s = a[6], p = a[7], groups = a[8];
  const double oh = outSize(h, k, s, p), ow = outSize(w, k, s, p);
  const auto x = numbers(n * c * h * w), weight = numbers(f * c / groups * k * k), bias = numbers(f),
             g = numbers(n * f * oh * ow);
  auto y = g, gx = x, gw = weight;
  const std::vector<double> frame = {n, groups, c, f, 1, h, w, 1, k, k, 1, oh, ow, 1, s, s, 0, p, p, 1, 1, 1};
  const KernelTable table = convKernels(chosenTarget());
  time(table, "forward", "convolution", frame, {x.data(), weight.data(), bias.data(), y.data()}, {0});
  time(table, "input", "convolutionInput", frame, {g.data(), weight.data(), nullptr, gx.data()}, {0});
  time(table, "weight", "convolutionWeight", frame, {g.data(), x.data(), nullptr, gw.data()}, {0});
}

void pooling(const double* a) {
  const double planes = a[0], h = a[1], w = a[2], k = a[3], s = a[4], p = a[5];
  const double oh = outSize(h, k, s, p), ow = outSize(w, k, s, p);
  const auto x = numbers(planes * h * w);
  auto y = numbers(planes * oh * ow), gx = x;
  std::vector<int32_t> index(y.size());
  const std::vector<double> frame = {planes, 1, h, w, 1, k, k, 1, oh, ow, 1, s, s, 0, p, p, 1, 1, 1};
  const KernelTable table = poolKernels(chosenTarget());
  time(table, "forward", "maxPool", frame, {x.data(), y.data(), index.data()}, {});
  time(table, "input", "maxPoolGradient", frame, {y.data(), index.data(), gx.data()}, {});
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<double> a;
  for (int i = 2; i < argc; ++i) a.push_back(std::atof(argv[i]));
  setNumThreads(1);
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "conv" && a.size() == 9) return convolution(a.data()), 0;
  if (what == "pool" && a.size() == 6) return pooling(a.data()), 0;
  std::fprintf(stderr,
               "conv_bench conv batch channels height width filters kernel stride padding groups\n"
               "conv_bench pool planes height width kernel stride padding\n");
  return 2;
}
