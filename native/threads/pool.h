// One process-wide pool of threads. The caller takes part; each thread empties its own range of chunks first (its cache
// holds them from the last call), then helps the others; the call returns when every chunk is done, and never waits for
// a worker that has not begun. Why not OpenMP: see docs/architecture.md, "Threads".
#pragma once
#include <cstdint>

namespace tenfold {

// Threads that a parallel section may use, the caller included: setNumThreads, else TENFOLD_NUM_THREADS, else the
// processors that the affinity mask and the cgroup's quota allow.
int numThreads();
void setNumThreads(int n);  // n >= 1; takes effect at the next parallel section

using RangeFn = void (*)(void* context, int64_t begin, int64_t end);
// Runs fn over [0, n) cut in pieces of at least `grain`, on several threads where n > grain; the cuts fall on multiples
// of `align`. Not nested: called from inside a parallel section, it runs on the calling thread alone.
// Choose grain so that a piece takes 10 microseconds or more.
void parallelFor(int64_t n, int64_t grain, RangeFn fn, void* context, int64_t align = 64);

// The same for a lambda: parallelFor(n, grain, [&](int64_t begin, int64_t end) { ... }). Inside a per-target namespace
// pass a struct with an operator() that is defined there, so that it is compiled for the target.
template <class F> void parallelFor(int64_t n, int64_t grain, const F& f, int64_t align = 64) {
  parallelFor(n, grain, [](void* c, int64_t b, int64_t e) { (*static_cast<const F*>(c))(b, e); },
              const_cast<F*>(&f), align);
}

}  // namespace tenfold
