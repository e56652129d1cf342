# Linked against the libc of an older Debian, unpacked in TENFOLD_SYSROOT. Compiled with the headers of this one, whose
# inline functions call nothing newer: scripts/prebuilds/check.mjs holds it.
set(TENFOLD_MULTIARCH x86_64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/old-libc.cmake)
