// One process-wide pool of threads. The caller takes part; each thread empties its own range of pieces first (its cache
// holds them from the last call, the last ones best: so every other call runs them backward), then helps the others;
// the call returns when every piece is done, and never waits for a worker that has not begun. Why not OpenMP: see
// docs/architecture.md, "Threads".
#pragma once
#include <cstdint>

namespace tenfold {

// Threads that a parallel section may use, the caller included: setNumThreads, else TENFOLD_NUM_THREADS, else the
// cores that the affinity mask and the cgroup's quota allow (native/threads/processors.h).
int numThreads();
void setNumThreads(int n);  // 1 to 256, else a RangeError; takes effect at the next parallel section

using RangeFn = void (*)(void* context, int64_t begin, int64_t end);
// Runs fn over [0, n) cut in pieces of at least `grain`, on several threads where n >= 2 * grain; the cuts fall on
// multiples of `align`. Choose grain so that a piece takes 10 microseconds or more.
//
// The cuts depend on numThreads(), and so must not be visible in results: what a piece writes may depend on its own
// elements only. A sum over [0, n) needs cuts of its own (parallelFor over blocks of a fixed size, align 1).
//
// Called from inside a parallel section, or while another thread's section runs, it runs on the calling thread alone.
// fn may throw: every piece still runs, and the error of the lowest piece reaches the caller.
void parallelFor(int64_t n, int64_t grain, RangeFn fn, void* context, int64_t align = 64);

// The same for a lambda: parallelFor(n, grain, [&](int64_t begin, int64_t end) { ... }). Inside a per-target namespace
// pass a struct with an operator() that is defined there, so that it is compiled for the target.
template <class F>
void parallelFor(int64_t n, int64_t grain, const F& f, int64_t align = 64) {
  parallelFor(
      n, grain, [](void* c, int64_t b, int64_t e) { (*static_cast<const F*>(c))(b, e); }, const_cast<F*>(&f), align);
}

// For stress tests, which want more threads than cores to meet: every section wakes its workers at once, and the pool
// never leaves cores alone that another process wants.
void setPoolEager(bool eager);

}  // namespace tenfold
