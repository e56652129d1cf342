# OpenBLAS beside our own matrix product (TENFOLD_BLAS). Gives tenfold_core native/gemm/blas_openblas.cc and the static
# library, or nothing. x86-64 with an ELF linker only: elsewhere nothing has been measured.
set(TENFOLD_BLAS auto CACHE STRING "auto (OpenBLAS's static library where it is found) | openblas | builtin")
set_property(CACHE TENFOLD_BLAS PROPERTY STRINGS auto openblas builtin)
if(NOT TENFOLD_BLAS MATCHES "^(auto|openblas|builtin)$")
  message(FATAL_ERROR "TENFOLD_BLAS is auto, openblas or builtin, not ${TENFOLD_BLAS}")
endif()

set(blas builtin)
set(blas_reason "TENFOLD_BLAS=builtin")
if(NOT TENFOLD_BLAS STREQUAL "builtin")
  find_library(TENFOLD_OPENBLAS NAMES libopenblas.a
    HINTS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-pthread
    DOC "OpenBLAS's static library, with threads of its own (Debian: libopenblas-pthread-dev)")
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(blas_reason "OpenBLAS is for x86-64 Linux")
  elseif(NOT TENFOLD_OPENBLAS)
    set(blas_reason "no libopenblas.a; Debian: libopenblas-pthread-dev")
  else()
    # The library holds every kernel of BLAS for each of 21 processors, 25 MB; they hang on one table for each processor.
    # What is never called is defined as 0 before the library is searched, so that nothing of it is linked: all but the
    # products of real matrices; all of PRESCOTT's, whose table is for processors that OpenBLAS computes nothing on. 1 MB.
    set(blas_symbols "")
    foreach(core ATHLON BARCELONA BOBCAT BULLDOZER PILEDRIVER STEAMROLLER EXCAVATOR ATOM NANO CORE2 PENRYN DUNNINGTON
            NEHALEM OPTERON OPTERON_SSE3 SANDYBRIDGE)
      string(APPEND blas_symbols "--defsym=gotoblas_${core}=gotoblas_PRESCOTT\n")
    endforeach()
    string(APPEND blas_symbols "--defsym=gotoblas_ZEN=gotoblas_HASWELL\n"
      "--defsym=gotoblas_COOPERLAKE=gotoblas_SKYLAKEX\n")
    foreach(core PRESCOTT HASWELL SKYLAKEX)
      execute_process(COMMAND ${CMAKE_AR} x ${TENFOLD_OPENBLAS} setparam_${core}.o
        WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR} ERROR_QUIET)
      execute_process(COMMAND ${CMAKE_NM} --undefined-only setparam_${core}.o
        WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR} OUTPUT_VARIABLE kernels ERROR_QUIET)
      string(REGEX MATCHALL "[A-Za-z0-9_]+_${core}" kernels "${kernels}")
      if(NOT core STREQUAL "PRESCOTT")
        list(FILTER kernels EXCLUDE REGEX "^[sd]gemm_")
      endif()
      foreach(kernel ${kernels})
        string(APPEND blas_symbols "--defsym=${kernel}=0\n")
      endforeach()
    endforeach()
    set(blas_symbols_file ${CMAKE_CURRENT_BINARY_DIR}/openblas-symbols)
    file(CONFIGURE OUTPUT ${blas_symbols_file} CONTENT "${blas_symbols}" @ONLY)
    # Ours is not to be replaced by another OpenBLAS in the process, nor to replace it.
    set(blas_link -Wl,@${blas_symbols_file} -Wl,--exclude-libs,ALL)

    # Other variants of the library need an OpenMP or a Fortran runtime, other versions have other tables.
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_LIBRARIES ${TENFOLD_OPENBLAS} m Threads::Threads)
    set(CMAKE_REQUIRED_LINK_OPTIONS ${blas_link})
    check_cxx_source_compiles("
      extern \"C\" { void gotoblas_init(); void cblas_sgemm(); void cblas_dgemm(); char* openblas_get_corename(); }
      int main() { gotoblas_init(); cblas_sgemm(); cblas_dgemm(); return *openblas_get_corename(); }"
      TENFOLD_OPENBLAS_LINKS)
    unset(CMAKE_REQUIRED_LIBRARIES)
    unset(CMAKE_REQUIRED_LINK_OPTIONS)
    if(TENFOLD_OPENBLAS_LINKS)
      set(blas openblas)
      set(blas_reason "${TENFOLD_OPENBLAS}")
    else()
      set(blas_reason "${TENFOLD_OPENBLAS} doesn't link by itself")
    endif()
  endif()
  if(TENFOLD_BLAS STREQUAL "openblas" AND NOT blas STREQUAL "openblas")
    message(FATAL_ERROR "TENFOLD_BLAS=openblas: ${blas_reason}")
  endif()
endif()
message(STATUS "Matrix products: ${blas} (${blas_reason})")

if(blas STREQUAL "openblas")
  target_sources(tenfold_core PRIVATE native/gemm/blas_openblas.cc)
  target_compile_definitions(tenfold_core PUBLIC TENFOLD_OPENBLAS=1)
  target_link_libraries(tenfold_core PUBLIC ${TENFOLD_OPENBLAS} m)
  target_link_options(tenfold_core PUBLIC ${blas_link})
endif()
