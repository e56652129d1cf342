# Cross builds by Zig, whose Clang brings libc, libc++ and linker for every target in one download. TENFOLD_TOOLS is a folder
# with its cc, c++ and dlltool for the target.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TENFOLD_TOOLS)
set(CMAKE_C_COMPILER ${TENFOLD_TOOLS}/cc)
set(CMAKE_CXX_COMPILER ${TENFOLD_TOOLS}/c++)
set(CMAKE_DLLTOOL ${TENFOLD_TOOLS}/dlltool CACHE FILEPATH "")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(TENFOLD_BASELINE x86_64_v2) # as Zig writes x86-64-v2
