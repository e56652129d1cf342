// A plan: launches that were recorded once, run one after the other without JavaScript. Each is a frame as launch()
// reads it; all frames stand in one piece of memory that the caller owns and may change between runs (addresses,
// learning rates).
#pragma once
#include <cstdint>
#include <vector>

#include "kernel.h"
#include "loops/elementwise.h"

namespace tenfold {

class Plan {
 public:
  // `starts`: where each frame begins in `frames`, which must outlive the plan. KernelError for a kernel that isn't
  // there.
  Plan(const double* frames, std::vector<int64_t> starts);

  // Launches number `begin` to `end`; those behind are left where `cancelled`, which another thread may set, isn't 0. A
  // KernelError says which launch it came from: failedAt().
  void run(int64_t begin, int64_t end, const double* cancelled = nullptr);
  // The same, with the nanoseconds that each launch took.
  void time(int64_t begin, int64_t end, double* nanoseconds);

  int64_t size() const { return static_cast<int64_t>(kernels_.size()); }
  int64_t failedAt() const { return failedAt_; }

 private:
  void launch(int64_t i);

  const double* frames_;
  std::vector<int64_t> starts_;
  std::vector<const Kernel*> kernels_;
  CastTileFn cast_;
  int64_t failedAt_ = -1;
};

}  // namespace tenfold
