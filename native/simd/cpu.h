// Which instruction set the kernels run on. Every kernel source is compiled once per target through Highway's
// foreach_target.h; the table of the best target that this processor has is chosen once, at load.
//
// We choose ourselves instead of with HWY_DYNAMIC_DISPATCH, so that Highway's headers are enough and no library of it
// is linked: Debian ships none that a prebuilt binary could use.
#pragma once
#include <cstdint>

#include "simd/targets.h"

namespace tenfold {

// The targets a binary may hold, best first. A target is one of Highway's HWY_* bits. supports() is false for those
// that the build left out.
#if (defined(__x86_64__) || defined(_M_X64)) && HWY_STATIC_TARGET == HWY_SSE4
#define TENFOLD_SEVERAL_TARGETS 1
constexpr int64_t kTargets[] = {HWY_AVX3, HWY_AVX2, HWY_SSE4};
#else  // one for all: arm64, and a build for the machine's own processor only
constexpr int64_t kTargets[] = {HWY_STATIC_TARGET};
#endif
constexpr int kTargetCount = sizeof(kTargets) / sizeof(kTargets[0]);

// Whether this processor (and its operating system) can run `target`, and this binary holds it.
bool supports(int64_t target);
// Best target that the processor has, or the one that TENFOLD_TARGET (sse4, avx2, avx512, neon) asks for, if it has it.
// Returns 0 where the processor has none of ours.
int64_t chosenTarget();
const char* targetName(int64_t target);

}  // namespace tenfold

// TENFOLD_FOR_TARGET(target, NAME): pointer to the NAME of that target's namespace; for use under HWY_ONCE, in
// namespace tenfold, after a source was compiled for each target. A target that was left out is never asked for.
#ifdef TENFOLD_SEVERAL_TARGETS
#if HWY_ENABLED(HWY_AVX3)
#define TENFOLD_N_AVX3 N_AVX3
#else
#define TENFOLD_N_AVX3 N_SSE4
#endif
#if HWY_ENABLED(HWY_AVX2)
#define TENFOLD_N_AVX2 N_AVX2
#else
#define TENFOLD_N_AVX2 N_SSE4
#endif
#define TENFOLD_FOR_TARGET(target, NAME) \
  ((target) == HWY_AVX3 ? &TENFOLD_N_AVX3::NAME : (target) == HWY_AVX2 ? &TENFOLD_N_AVX2::NAME : &N_SSE4::NAME)
#else
#define TENFOLD_FOR_TARGET(target, NAME) ((void)(target), &HWY_STATIC_DISPATCH(NAME))
#endif
