# Links against the libc in TENFOLD_SYSROOT: a binary then needs no newer glibc than that one. Headers stay those of the
# compiler. The folders are named because Debian's GCC looks in the machine's own multiarch folder before the sysroot's:
# -L for libraries, -B for the start of programs (Scrt1.o from glibc 2.34 on leaves constructors to a libc as new).
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TENFOLD_SYSROOT)
set(old_libc "--sysroot=${TENFOLD_SYSROOT}")
foreach(folder lib usr/lib)
  string(APPEND old_libc " -L${TENFOLD_SYSROOT}/${folder}/${TENFOLD_MULTIARCH}")
endforeach()
string(APPEND old_libc " -B${TENFOLD_SYSROOT}/usr/lib/${TENFOLD_MULTIARCH}/")
set(CMAKE_EXE_LINKER_FLAGS_INIT "${old_libc}")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "${old_libc}")
