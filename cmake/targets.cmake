# TENFOLD_TARGETS: the instruction sets that kernels are compiled for beside the baseline (SSE4; on arm64 NEON), which is
# always there. Fewer make a quicker build and a smaller file. TENFOLD_BASELINE (CMakeLists.txt) x86-64-v3 or -v4 makes the
# baseline AVX2 or AVX-512: a file for such processors alone, in a third of the time.
set(TENFOLD_TARGETS "avx512;avx2" CACHE STRING "instruction sets to compile beside sse4 or neon; none: only those")

set(highway_avx512 HWY_AVX3)
set(highway_avx2 HWY_AVX2)
set(left_out HWY_AVX3 HWY_AVX2)
foreach(target ${TENFOLD_TARGETS})
  if(DEFINED highway_${target})
    list(REMOVE_ITEM left_out ${highway_${target}})
  elseif(NOT target MATCHES "^(sse4|neon|none)$")
    message(FATAL_ERROR "TENFOLD_TARGETS: ${target} is none of avx512, avx2, sse4, neon, none")
  endif()
endforeach()
if(left_out)
  list(JOIN left_out "|" left_out)
  target_compile_definitions(tenfold_core PUBLIC "TENFOLD_LEFT_OUT=(${left_out})") # read by native/simd/targets.h
endif()
