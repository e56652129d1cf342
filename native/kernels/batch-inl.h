// How factorizations share a batch of matrices between the threads.
#if defined(TENFOLD_BATCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_BATCH_INL_H_
#undef TENFOLD_BATCH_INL_H_
#else
#define TENFOLD_BATCH_INL_H_
#endif

#include <hwy/highway.h>

#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// Runs a task on every item of a batch; `work` is the multiply-adds of one. Few large matrices come one after the
// other, and use all threads in their products.
template <class Task>
void overBatch(int64_t batch, int64_t work, const Task& task) {
  constexpr int64_t kGrainWork = 1 << 16;     // of small matrices in about 10 microseconds
  constexpr int64_t kThreadedWork = 4 << 20;  // of a matrix that is worth all threads
  if (batch < 4 * numThreads() && work > kThreadedWork) {
    task(0, batch);
  } else {
    parallelFor(batch, work < kGrainWork ? kGrainWork / (work + 1) + 1 : 1, task, 1);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
