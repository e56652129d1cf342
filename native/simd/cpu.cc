#include "simd/cpu.h"

#include <cstdlib>
#include <cstring>
#include <initializer_list>
#if defined(_MSC_VER) && !defined(__clang__)
#include <immintrin.h>
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tenfold {

namespace {

#if defined(__x86_64__) || defined(_M_X64)
struct Registers {
  uint32_t a, b, c, d;
};

// Not __builtin_cpu_supports(): it needs a part of the compiler's runtime that not every one has.
Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
#if defined(_MSC_VER) && !defined(__clang__)
  int r[4];
  __cpuidex(r, static_cast<int>(leaf), static_cast<int>(subleaf));
  return {uint32_t(r[0]), uint32_t(r[1]), uint32_t(r[2]), uint32_t(r[3])};
#else
  Registers r;
  __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
  return r;
#endif
}

// Which registers the operating system saves when it changes threads: bits 1 and 2 are SSE's and AVX's, 5 to 7
// AVX-512's.
uint32_t savedRegisters() {
#if defined(_MSC_VER) && !defined(__clang__)
  return static_cast<uint32_t>(_xgetbv(0));
#else
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
#endif
}

constexpr bool has(uint32_t bits, std::initializer_list<int> wanted) {
  for (const int bit : wanted) {
    if (!(bits >> bit & 1)) return false;
  }
  return true;
}

// The targets that this processor and its operating system can run, as a sum of Highway's bits.
int64_t detect() {
  const Registers basic = cpuid(1), extended = cpuid(0).a >= 7 ? cpuid(7) : Registers{};
  // pclmul, ssse3, sse4.1, sse4.2, popcnt, aes
  if (!has(basic.c, {1, 9, 19, 20, 23, 25})) return 0;
  int64_t targets = HWY_SSE4;
  // fma, osxsave, avx, f16c; bmi, avx2, bmi2
  if (!has(basic.c, {12, 27, 28, 29}) || !has(extended.b, {3, 5, 8})) return targets;
  const uint32_t saved = savedRegisters();
  if (!has(saved, {1, 2})) return targets;
  targets |= HWY_AVX2;
  // avx512 f, dq, cd, bw, vl
  if (has(extended.b, {16, 17, 28, 30, 31}) && has(saved, {5, 6, 7})) targets |= HWY_AVX3;
  return targets;
}
#endif

}  // namespace

bool supports(int64_t target) {
#if defined(__x86_64__) || defined(_M_X64)
  static const int64_t detected = detect();
  return (HWY_ENABLED(detected) & target) != 0;
#else
  return target == HWY_STATIC_TARGET;
#endif
}

const char* targetName(int64_t target) {
  switch (target) {
#if defined(__x86_64__) || defined(_M_X64)
    case HWY_AVX3:
      return "avx512";
    case HWY_AVX2:
      return "avx2";
    case HWY_SSE4:
      return "sse4";
#endif
    default:
      return target == 0 ? "none" : "neon";
  }
}

int64_t chosenTarget() {
  static const int64_t chosen = [] {
    const char* asked = std::getenv("TENFOLD_TARGET");
    for (const int64_t t : kTargets) {
      if (asked && *asked && std::strcmp(asked, targetName(t)) != 0) continue;
      if (supports(t)) return t;
    }
    for (const int64_t t : kTargets) {
      if (supports(t)) return t;
    }
    return int64_t{0};
  }();
  return chosen;
}

}  // namespace tenfold
