#include "kernels/all.h"

#include "plan/chain.h"
#include "simd/cpu.h"

namespace tenfold {
namespace {

void runNothing(const Kernel&, Frame) {}

// What the driver does without arithmetic. Kernels without a tile are copies, whose dtype is the operands'.
const Kernel kDriver[] = {
    {"nop", DType::f32, runNothing, ""},
    {"copy", DType::f32, nullptr, nullptr, nullptr, 1},
    {"chain", DType::f32, runChain, kChainFrame},
};

}  // namespace

std::vector<Kernel> allKernels(int64_t target) {
  const KernelTable tables[] = {
      {kDriver, sizeof(kDriver) / sizeof(kDriver[0])},
      randomKernels(target),
      unaryKernels(target),
      binaryKernels(target),
      compareKernels(target),
      ternaryKernels(target),
      activationKernels(target),
      lossKernels(target),
      reduceKernels(target),
      attentionKernels(target),
      recurrentKernels(target),
      convKernels(target),
      poolKernels(target),
      indexKernels(target),
      sortKernels(target),
      resampleKernels(target),
      gridSampleKernels(target),
      gemmKernels(target),
      linalgKernels(target),
      qrKernels(target),
      eighKernels(target),
      svdKernels(target),
      specialKernels(target),
      distanceKernels(target),
      extremeKernels(target),
      scanKernels(target),
      optimizerKernels(target),
      rowwiseKernels(target),
      channelKernels(target),
      checkKernels(target),
  };
  std::vector<Kernel> all;
  for (const KernelTable& table : tables) all.insert(all.end(), table.kernels, table.kernels + table.count);
  return all;
}

const std::vector<Kernel>& kernelTable() {
  static const std::vector<Kernel> table = allKernels(chosenTarget());
  return table;
}

}  // namespace tenfold
