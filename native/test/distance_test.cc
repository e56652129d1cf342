// Distances on every instruction set against float64, row by row; their gradients against differences of the distances.
#include <cmath>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"

namespace {

using namespace tenfold;
using namespace tenfold::test;

struct Size {
  int64_t batch, n, m, width;
};
// Below, at and above a vector, a panel, a block of rows, a part of the columns.
const Size kSizes[] = {{1, 1, 1, 1},     {2, 3, 5, 2},    {1, 4, 16, 3},  {3, 7, 17, 8},
                       {1, 9, 33, 15},   {1, 5, 40, 16},  {2, 6, 31, 17}, {1, 130, 37, 3},
                       {1, 19, 290, 64}, {1, 21, 19, 70}, {1, 3, 300, 5}, {1, 5, 9, 600}};
const double kNorms[] = {0, 0.5, 1, 1.5, 2, 3, INFINITY};

double distance(const double* a, const double* b, int64_t width, double p) {
  double sum = 0;
  for (int64_t k = 0; k < width; ++k) {
    const double t = std::fabs(a[k] - b[k]);
    sum = std::isinf(p) ? std::fmax(sum, t) : sum + (p == 0 ? t != 0 : std::pow(t, p));
  }
  return p == 0 || std::isinf(p) ? sum : std::pow(sum, 1 / p);
}
// The derivative of distance(a, b) by a[k].
double slope(const double* a, const double* b, int64_t k, double p, double distance) {
  const double t = a[k] - b[k], sign = t > 0 ? 1 : -1;
  if (t == 0) return 0;
  return std::isinf(p) ? sign * (std::fabs(t) == distance) : sign * std::pow(std::fabs(t) / distance, p - 1);
}

template <class T>
void expect(const char* what, const Buffer<T>& got, const Doubles& want, double p, const Size& s, int64_t target) {
  const double tolerance = sizeof(T) == 4 ? 3e-6 : 1e-14;
  double scale = 1e-30;
  for (const double v : want) scale = std::fmax(scale, std::fabs(v));
  int wrong = got.data[want.size()] != T(77);  // what lies behind is untouched
  for (size_t i = 0; i < want.size(); ++i)
    wrong += !(std::fabs(static_cast<double>(got.data[i]) - want[i]) <= tolerance * scale);
  CHECK(wrong == 0, "%s p %g of %d, %d x %d x %d on %s: %d of %d", what, p, static_cast<int>(sizeof(T)) * 8,
        static_cast<int>(s.n), static_cast<int>(s.m), static_cast<int>(s.width), targetName(target), wrong,
        static_cast<int>(want.size()));
}

template <class T>
void check(const std::vector<Kernel>& all, int64_t target, const Size& s, double p) {
  const DType dtype = DTypeOf<T>::value;
  Doubles x1 = numbers(s.batch * s.n * s.width, 1), x2 = numbers(s.m * s.width, 2),
          grad = numbers(s.batch * s.n * s.m, 3);
  for (int64_t k = 0; k < s.width; ++k) x2[static_cast<size_t>(k)] = x1[static_cast<size_t>(k)];  // a distance of 0
  if (s.width > 1) x2[x2.size() - 1] = x1[static_cast<size_t>(s.width - 1)];                      // a column alike
  Doubles out(grad.size()), gradX1(x1.size()), turned(grad.size()), turnedOut(grad.size());
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t i = 0; i < s.n; ++i) {
      for (int64_t j = 0; j < s.m; ++j) {
        const double *row = x1.data() + (b * s.n + i) * s.width, *other = x2.data() + j * s.width;
        const size_t at = static_cast<size_t>((b * s.n + i) * s.m + j),
                     back = static_cast<size_t>((b * s.m + j) * s.n + i);
        out[at] = turnedOut[back] = distance(row, other, s.width, p);
        turned[back] = grad[at];
        if (out[at] == 0) continue;
        for (int64_t k = 0; k < s.width; ++k)
          gradX1[static_cast<size_t>((b * s.n + i) * s.width + k)] += grad[at] * slope(row, other, k, p, out[at]);
      }
    }
  }
  const double batch = static_cast<double>(s.batch), n = static_cast<double>(s.n), m = static_cast<double>(s.m);
  const double width = static_cast<double>(s.width);
  const Buffer<T> a(x1), b(x2), g(grad), turnedG(turned), distances(out), turnedDistances(turnedOut);
  Buffer<T> got(static_cast<int64_t>(out.size())), gotX1(static_cast<int64_t>(x1.size())), again(gotX1);
  // x2 is one for the whole batch.
  launch(all, "cdist", dtype, {n, m, width, p, a.address(), b.address(), got.address(), batch, 1, batch, n * width, 0});
  expect("cdist", got, out, p, s, target);
  if (p == 0) return;
  launch(all, "cdistBackward", dtype,
         {n, m, width, p, a.address(), b.address(), got.address(), m, 1, g.address(), m, 1, gotX1.address(), batch, 1,
          batch, n * width, 0});
  expect("cdistBackward", gotX1, gradX1, p, s, target);
  launch(all, "cdistBackward", dtype,
         {n, m, width, p, a.address(), b.address(), turnedDistances.address(), 1, n, turnedG.address(), 1, n,
          again.address(), batch, 1, batch, n * width, 0});
  expect("cdistBackward, turned", again, gradX1, p, s, target);
}

TEST(distances_and_their_gradients) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    for (const Size& s : kSizes) {
      for (const double p : kNorms) {
        check<float>(all, target, s, p);
        check<double>(all, target, s, p);
      }
    }
  }
}

TEST(distances_of_what_is_not_finite) {
  const double nan = NAN, inf = INFINITY;
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    const Buffer<double> x(Doubles{1, 2, nan, 2, 1, nan, inf, 2}), y(Doubles{1, 1});
    for (const double p : kNorms) {
      Buffer<double> out(int64_t{4});
      launch(all, "cdist", DType::f64, {4, 1, 2, p, x.address(), y.address(), out.address(), 1, 0});
      CHECK(out.data[0] == 1 && std::isnan(out.data[1]) && std::isnan(out.data[2]), "p %g on %s", p,
            targetName(target));
      CHECK(p == 0 ? out.data[3] == 2 : out.data[3] == inf, "p %g on %s", p, targetName(target));
    }
  }
}

}  // namespace
