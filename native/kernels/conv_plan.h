// Which element of a padded image each tap of a convolution reads, and in which parts the gradient of its input is
// made.
#pragma once
#include <vector>

#include "kernels/geometry.h"

namespace tenfold {

// The image with the margin that a forward convolution reads, and where its taps lie: offsets[channel * taps + tap].
struct ForwardPlan {
  explicit ForwardPlan(const Convolution& g);

  Margin margin;
  const int64_t* offsets() const { return list.data(); }
  // For kernels of one tap, where every stride-th element was copied: of channels, one after the other.
  const int64_t* denseOffsets() const { return dense.data(); }

 private:
  std::vector<int64_t> list, dense;
};

// The gradient of the input is made in parts: inputs whose place, padding included, has one remainder modulo the stride
// meet the same taps, at outputs that lie side by side. Input first + t * stride meets output t + shift of each tap.
struct Phase {
  Triple first, count;  // inputs of this part
  int64_t taps;         // how many taps meet them, possibly none
  int64_t listAt;       // where offsets [filter * taps + tap] and kernel places [tap] begin in the plan's lists
  int64_t kernelAt;
  int64_t weightAt;  // where this part's weights begin: [group, channel, filter * taps + tap]
};

struct InputPlan {
  explicit InputPlan(const Convolution& g);

  Margin margin;  // of the output's gradient
  int64_t phaseCount() const { return static_cast<int64_t>(phases.size()); }
  const Phase& phase(int64_t i) const { return phases[static_cast<size_t>(i)]; }
  const int64_t* offsets(const Phase& p) const { return list.data() + p.listAt; }
  // The places in the kernel of a part's taps.
  const int64_t* kernelPlaces(const Phase& p) const { return kernel.data() + p.kernelAt; }

 private:
  std::vector<Phase> phases;
  std::vector<int64_t> list, kernel;
};

}  // namespace tenfold
