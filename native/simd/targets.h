// Include before <hwy/foreach_target.h>: leaves out the targets that cpu.h does not list, because each costs compile
// time and binary size, and none of them gained a measurable amount. TENFOLD_LEFT_OUT is the build's own choice
// (TENFOLD_TARGETS, see cmake/targets.cmake).
#ifndef TENFOLD_SIMD_TARGETS_H_
#define TENFOLD_SIMD_TARGETS_H_
#ifndef TENFOLD_LEFT_OUT
#define TENFOLD_LEFT_OUT 0
#endif
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | TENFOLD_LEFT_OUT)
#include <hwy/detect_targets.h>
#endif
