#include "simd/cpu.h"

#include <cstdlib>
#include <cstring>

namespace tenfold {

bool supports(int64_t target) {
  if (!HWY_ENABLED(target)) return false;
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_cpu_init();
  const bool sse4 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt") &&
                    __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("aes");
  const bool avx2 = sse4 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  const bool avx3 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd");
  return target == HWY_AVX3 ? avx3 : target == HWY_AVX2 ? avx2 : target == HWY_SSE4 ? sse4 : false;
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
