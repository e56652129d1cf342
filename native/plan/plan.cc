#include "plan/plan.h"

#include <chrono>
#include <string>
#include <utility>

#include "kernels/all.h"
#include "simd/cpu.h"

namespace tenfold {
namespace {

// A number that JavaScript's thread sets to 1 meanwhile.
bool isSet(const double* flag) {
  return __atomic_load_n(reinterpret_cast<const int64_t*>(flag), __ATOMIC_RELAXED) != 0;
}

}  // namespace

Plan::Plan(const double* frames, std::vector<int64_t> starts)
    : frames_(frames), starts_(std::move(starts)), cast_(castTileFor(chosenTarget())) {
  const std::vector<Kernel>& table = kernelTable();
  kernels_.reserve(starts_.size());
  for (const int64_t start : starts_) {
    const double id = frames_[start];
    if (!(id >= 0 && id < static_cast<double>(table.size()))) {
      throw KernelError("RangeError", "plan: no kernel has the id " + std::to_string(id));
    }
    kernels_.push_back(&table[static_cast<size_t>(id)]);
  }
}

void Plan::launch(int64_t i) {
  const double* frame = frames_ + starts_[static_cast<size_t>(i)];
  const Kernel& kernel = *kernels_[static_cast<size_t>(i)];
  if (kernel.run) {
    kernel.run(kernel, Frame{frame + 1});
  } else {
    runElementwise(kernel, frame, cast_);
  }
}

void Plan::run(int64_t begin, int64_t end, const double* cancelled) {
  for (int64_t i = begin; i < end; ++i) {
    if (cancelled && isSet(cancelled)) return;
    failedAt_ = i;
    launch(i);
  }
  failedAt_ = -1;
}

void Plan::time(int64_t begin, int64_t end, double* nanoseconds) {
  using Clock = std::chrono::steady_clock;
  for (int64_t i = begin; i < end; ++i) {
    failedAt_ = i;
    const Clock::time_point start = Clock::now();
    launch(i);
    nanoseconds[i] = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  }
  failedAt_ = -1;
}

}  // namespace tenfold
