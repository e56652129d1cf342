// Samples of images at points on every instruction set against a loop over points that follows the definition; the
// gradients against the same loop's.
#include <cmath>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"

namespace {

using namespace tenfold;
using namespace tenfold::test;

struct Size {
  int64_t batch, channels, height, width, points;
};
// Below, at and above a vector of points.
const Size kSizes[] = {{1, 1, 1, 1, 3}, {2, 3, 4, 5, 7}, {1, 2, 1, 6, 16}, {3, 1, 7, 3, 8}, {2, 5, 6, 9, 45}};
enum Padding { kZeros, kBorder, kReflection };
struct Way {
  bool nearest;
  int padding;
  bool align;
};

struct Place {
  double at, slope;
};
Place placeOf(double number, int64_t length, const Way& way) {
  const double size = static_cast<double>(length), scale = (way.align ? size - 1 : size) / 2;
  Place p{(number + 1) * scale - (way.align ? 0 : 0.5), scale};
  if (way.padding == kZeros) return p;
  if (way.padding == kReflection) {
    const double low = way.align ? 0 : -0.5, high = way.align ? size - 1 : size - 0.5;
    if (high == low) p.at = 0;
    while (p.at < low || p.at > high) p = {p.at < low ? 2 * low - p.at : 2 * high - p.at, -p.slope};
  }
  if (p.at <= 0) return {0, 0};
  if (p.at >= size - 1) return {size - 1, 0};
  return p;
}

struct Results {
  Doubles out, gradImage, gradGrid;
};
Results expected(const Size& s, const Way& way, const Doubles& image, const Doubles& grid, const Doubles& grad) {
  Results r{Doubles(grad.size()), Doubles(image.size()), Doubles(grid.size())};
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t p = 0; p < s.points; ++p) {
      const size_t point = static_cast<size_t>(2 * (n * s.points + p));
      const Place x = placeOf(grid[point], s.width, way), y = placeOf(grid[point + 1], s.height, way);
      const double column = way.nearest ? std::nearbyint(x.at) : std::floor(x.at);
      const double row = way.nearest ? std::nearbyint(y.at) : std::floor(y.at);
      for (int tap = 0; tap < (way.nearest ? 1 : 4); ++tap) {
        const double right = tap % 2, down = tap / 2, i = row + down, j = column + right;
        if (i < 0 || j < 0 || i >= static_cast<double>(s.height) || j >= static_cast<double>(s.width)) continue;
        const double weightX = right != 0 ? x.at - column : 1 - (x.at - column);
        const double weightY = down != 0 ? y.at - row : 1 - (y.at - row);
        const double weight = way.nearest ? 1 : weightX * weightY;
        for (int64_t c = n * s.channels; c < (n + 1) * s.channels; ++c) {
          const size_t from =
              static_cast<size_t>((c * s.height + static_cast<int64_t>(i)) * s.width) + static_cast<size_t>(j);
          const size_t to = static_cast<size_t>(c * s.points + p);
          r.out[to] += weight * image[from];
          r.gradImage[from] += weight * grad[to];
          if (way.nearest) continue;
          r.gradGrid[point] += (right != 0 ? 1 : -1) * weightY * x.slope * image[from] * grad[to];
          r.gradGrid[point + 1] += (down != 0 ? 1 : -1) * weightX * y.slope * image[from] * grad[to];
        }
      }
    }
  }
  return r;
}

template <class T>
void expect(const char* what, const Buffer<T>& got, const Doubles& want, const Way& way, int64_t target) {
  int wrong = got.data[want.size()] != T(77);  // what lies behind is untouched
  for (size_t i = 0; i < want.size(); ++i)
    wrong += !(std::fabs(static_cast<double>(got.data[i]) - want[i]) <= (sizeof(T) == 4 ? 2e-4 : 1e-12));
  CHECK(wrong == 0, "%s nearest %d padding %d align %d on %s: %d of %d", what, way.nearest, way.padding, way.align,
        targetName(target), wrong, static_cast<int>(want.size()));
}

template <class T>
void check(const std::vector<Kernel>& all, int64_t target, const Size& s, const Way& way) {
  const DType dtype = DTypeOf<T>::value;
  const Doubles image = numbers(s.batch * s.channels * s.height * s.width, 1),
                grid = numbers(s.batch * s.points * 2, 2), grad = numbers(s.batch * s.channels * s.points, 3);
  const Results want = expected(s, way, image, grid, grad);
  const Buffer<T> a(image), b(grid), g(grad);
  Buffer<T> out(static_cast<int64_t>(grad.size())), gradImage(static_cast<int64_t>(image.size())),
      gradGrid(static_cast<int64_t>(grid.size()));
  Doubles frame;
  for (const int64_t x : {s.batch, s.channels, s.height, s.width, s.points}) frame.push_back(static_cast<double>(x));
  for (const int x : {int{way.nearest}, way.padding, int{way.align}}) frame.push_back(x);
  frame.push_back(a.address());
  frame.push_back(b.address());
  Doubles forward = frame, backward = frame;
  forward.push_back(out.address());
  for (const double address : {g.address(), gradImage.address(), gradGrid.address()}) backward.push_back(address);
  launch(all, "gridSample", dtype, forward);
  launch(all, "gridSampleBackward", dtype, backward);
  expect("gridSample", out, want.out, way, target);
  expect("gradient of the image", gradImage, want.gradImage, way, target);
  expect("gradient of the grid", gradGrid, want.gradGrid, way, target);
}

TEST(samples_at_points_and_their_gradients) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    for (const Size& s : kSizes) {
      for (int i = 0; i < 12; ++i) {
        const Way way{i % 2 != 0, i / 2 % 3, i / 6 != 0};
        check<float>(all, target, s, way);
        check<double>(all, target, s, way);
      }
    }
  }
}

}  // namespace
