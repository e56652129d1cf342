// What a call asks of values: classes that exist, probabilities, weights that aren't negative, matrices that were
// regular. A check is a launch that writes nothing. Where an element isn't as it must be it throws, under the code
// "check", which element and what it is; the sentence is the caller's (lib/launch/check.ts). So nothing is read back to
// be looked at, and a recorded step checks at each replay.
#include <cmath>
#include <cstdio>

#include "kernels/all.h"

namespace tenfold {
namespace {

// An element passes between low and high, both included, or equal to `except`; NaN passes unless only finite ones do.
constexpr char kIntervalFrame[] = "n, in x[n], low: f64, high: f64, except: f64, finite";

template <class T>
bool within(T x, double low, double high, double except, bool finite) {
  const double v = static_cast<double>(x);
  return (v >= low && v <= high) || v == except || (!finite && v != v);
}

template <class T>
void runInterval(const Kernel&, Frame f) {
  const int64_t n = f.i64();
  const T* x = f.ptr<T>();
  const double low = f.f64(), high = f.f64(), except = f.f64();
  const bool finite = f.flag();
  constexpr int64_t kBlock = 1024;  // looked at without a branch
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = begin + kBlock < n ? begin + kBlock : n;
    int bad = 0;
    for (int64_t i = begin; i < end; ++i) bad |= !within(x[i], low, high, except, finite);
    if (!bad) continue;
    int64_t i = begin;
    while (within(x[i], low, high, except, finite)) ++i;
    char text[64];
    std::snprintf(text, sizeof text, "%lld %.17g", static_cast<long long>(i), static_cast<double>(x[i]));
    throw KernelError("check", text);
  }
}

// clang-format off
constexpr Kernel kCheckKernels[] = {
    {"checkInterval", DType::f32, runInterval<float>, kIntervalFrame},
    {"checkInterval", DType::f64, runInterval<double>, kIntervalFrame},
    {"checkInterval", DType::i64, runInterval<int64_t>, kIntervalFrame},
    {"checkInterval", DType::i32, runInterval<int32_t>, kIntervalFrame},
    {"checkInterval", DType::u8, runInterval<uint8_t>, kIntervalFrame},
};
// clang-format on

}  // namespace

KernelTable checkKernels(int64_t) { return {kCheckKernels, sizeof(kCheckKernels) / sizeof(kCheckKernels[0])}; }

}  // namespace tenfold
