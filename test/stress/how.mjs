/** How stress runs are started. Code is optimised after few calls and at once; freed memory of typed arrays is overwritten. */
export const FLAGS = [
  '--expose-gc',
  '--interrupt-budget=2000',
  '--no-concurrent-recompilation',
  '--single-threaded-gc',
];
/** For glibc's malloc, which V8's array buffers come from; elsewhere it does nothing. */
export const ENV = { MALLOC_PERTURB_: '165' };
