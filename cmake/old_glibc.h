/* Included before every source of a portable build (cmake/link.cmake): functions that got a new version in glibc 2.29, whose
 * only news is that they no longer ask whether to call matherr(), are asked for by their first version. */
#if defined(__x86_64__)
#define TENFOLD_FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define TENFOLD_FIRST_GLIBC "GLIBC_2.17"
#endif
__asm__(".symver exp, exp@" TENFOLD_FIRST_GLIBC);
__asm__(".symver exp2, exp2@" TENFOLD_FIRST_GLIBC);
__asm__(".symver log, log@" TENFOLD_FIRST_GLIBC);
__asm__(".symver log2, log2@" TENFOLD_FIRST_GLIBC);
__asm__(".symver pow, pow@" TENFOLD_FIRST_GLIBC);
