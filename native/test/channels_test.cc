// Batch norm on every instruction set against its formula in float64, forward and backward.
#include <cmath>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"

namespace {

using namespace tenfold;
using namespace tenfold::test;

struct Shape {
  int64_t outer, channels, inner;
  int64_t count() const { return outer * channels * inner; }
  size_t at(int64_t n, int64_t c, int64_t i) const { return static_cast<size_t>((n * channels + c) * inner + i); }
};
// Rows and runs, vectors and tails, sums beyond a block of 512.
const Shape kShapes[] = {{3, 1, 1},  {4, 5, 1},  {7, 16, 1},   {600, 33, 1}, {2, 3, 2},
                         {1, 2, 17}, {3, 4, 64}, {2, 2, 1100}, {0, 3, 4},    {2, 0, 4}};

template <class T>
void expect(const char* what, const Buffer<T>& got, const Doubles& want, const Shape& s, int64_t target) {
  const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;
  int wrong = got.data[want.size()] != T(77);  // what lies behind is untouched
  for (size_t i = 0; i < want.size(); ++i) {
    wrong += !(std::fabs(static_cast<double>(got.data[i]) - want[i]) <= tolerance * (1 + std::fabs(want[i])));
  }
  CHECK(wrong == 0, "%s of %d bits [%d, %d, %d] on %s: %d wrong", what, static_cast<int>(sizeof(T)) * 8,
        static_cast<int>(s.outer), static_cast<int>(s.channels), static_cast<int>(s.inner), targetName(target), wrong);
}

template <class T>
void checkShape(const std::vector<Kernel>& all, int64_t target, const Shape& s) {
  const DType dtype = DTypeOf<T>::value;
  const double eps = 0.1, count = static_cast<double>(s.outer * s.inner);
  const Doubles x = numbers(s.count(), 1, -1), grad = numbers(s.count(), 2, -1), weight = numbers(s.channels, 3, -1),
                bias = numbers(s.channels, 4, -1);
  const auto size = static_cast<size_t>(s.channels);
  Doubles y(x.size()), gradX(x.size()), mean(size), rstd(size), gradWeight(size), gradBias(size);
  for (int64_t c = 0; c < s.channels; ++c) {
    const auto k = static_cast<size_t>(c);
    double squares = 0;
    for (int64_t n = 0; n < s.outer; ++n)
      for (int64_t i = 0; i < s.inner; ++i) mean[k] += x[s.at(n, c, i)] / count;
    for (int64_t n = 0; n < s.outer; ++n)
      for (int64_t i = 0; i < s.inner; ++i) squares += std::pow(x[s.at(n, c, i)] - mean[k], 2);
    rstd[k] = 1 / std::sqrt(squares / count + eps);
    for (int64_t n = 0; n < s.outer; ++n) {
      for (int64_t i = 0; i < s.inner; ++i) {
        const double u = (x[s.at(n, c, i)] - mean[k]) * rstd[k];
        y[s.at(n, c, i)] = u * weight[k] + bias[k];
        gradWeight[k] += grad[s.at(n, c, i)] * u;
        gradBias[k] += grad[s.at(n, c, i)];
      }
    }
    for (int64_t n = 0; n < s.outer; ++n) {
      for (int64_t i = 0; i < s.inner; ++i) {
        const double u = (x[s.at(n, c, i)] - mean[k]) * rstd[k];
        gradX[s.at(n, c, i)] =
            rstd[k] * weight[k] * (grad[s.at(n, c, i)] - gradBias[k] / count - u * gradWeight[k] / count);
      }
    }
  }
  if (count == 0) return;  // nothing to have statistics of
  const Buffer<T> inX(x), inGrad(grad), inWeight(weight), inBias(bias), inMean(mean), inRstd(rstd);
  Buffer<T> outY(s.count()), outMean(s.channels), outRstd(s.channels), outX(s.count()), outWeight(s.channels),
      outBias(s.channels);
  const double sizes[] = {static_cast<double>(s.outer), static_cast<double>(s.channels), static_cast<double>(s.inner)};
  launch(all, "batchNorm", dtype,
         {sizes[0], sizes[1], sizes[2], inX.address(), inWeight.address(), inBias.address(), outY.address(),
          outMean.address(), outRstd.address(), eps});
  expect("batchNorm", outY, y, s, target);
  expect("mean", outMean, mean, s, target);
  expect("rstd", outRstd, rstd, s, target);
  launch(all, "batchNormBackward", dtype,
         {sizes[0], sizes[1], sizes[2], inGrad.address(), inX.address(), inMean.address(), inRstd.address(),
          inWeight.address(), outX.address(), outWeight.address(), outBias.address()});
  expect("gradX", outX, gradX, s, target);
  expect("gradWeight", outWeight, gradWeight, s, target);
  expect("gradBias", outBias, gradBias, s, target);
}

TEST(batch_norm_and_its_backward) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    for (const Shape& s : kShapes) {
      checkShape<float>(all, target, s);
      checkShape<double>(all, target, s);
    }
  }
}

}  // namespace
