/* libstdc++.a of GCC 12 reads this variable of glibc 2.32, which older ones lack: false (threads may be there) is always
 * right, and only costs the atomic operations that it would save. */
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
