// Row-wise kernels on every instruction set against formulas in float64; gradients against differences of the forward.
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
  int64_t rows, n;
};
const Size kSizes[] = {{1, 2}, {3, 5}, {4, 16}, {7, 17}, {2, 33}, {50, 10}, {5, 1000}, {300, 64}, {0, 4}};

template <class T>
void expect(const char* what, const Buffer<T>& got, const Doubles& want, double tolerance, int64_t target) {
  double scale = 1e-30;
  for (const double v : want) scale = std::fmax(scale, std::fabs(v));
  int wrong = got.data[want.size()] != T(77);  // what lies behind is untouched
  for (size_t i = 0; i < want.size(); ++i)
    wrong += !(std::fabs(static_cast<double>(got.data[i]) - want[i]) <= tolerance * scale);
  CHECK(wrong == 0, "%s of %d on %s: %d of %d", what, static_cast<int>(sizeof(T)) * 8, targetName(target), wrong,
        static_cast<int>(want.size()));
}

template <class F>
void everywhere(F f) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    for (const Size& s : kSizes) {
      f(all, target, s, float{}, 2e-6);
      f(all, target, s, double{}, 1e-13);
    }
  }
}

// log softmax of each row
Doubles logSoftmax(const Doubles& x, const Size& s) {
  Doubles y(x.size());
  for (int64_t r = 0; r < s.rows; ++r) {
    const double* row = x.data() + r * s.n;
    double max = row[0], sum = 0;
    for (int64_t i = 1; i < s.n; ++i) max = std::fmax(max, row[i]);
    for (int64_t i = 0; i < s.n; ++i) sum += std::exp(row[i] - max);
    for (int64_t i = 0; i < s.n; ++i) y[static_cast<size_t>(r * s.n + i)] = row[i] - max - std::log(sum);
  }
  return y;
}

TEST(softmax_and_its_backward) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, const Size& s, auto unit, double tolerance) {
    using T = decltype(unit);
    const DType dtype = DTypeOf<T>::value;
    const int64_t count = s.rows * s.n;
    const double rows = static_cast<double>(s.rows), n = static_cast<double>(s.n);
    const Doubles x = numbers(count, 1), g = numbers(count, 2), logs = logSoftmax(x, s);
    Doubles soft(logs), gradSoft(logs), gradLog(logs);
    for (double& v : soft) v = std::exp(v);
    for (int64_t r = 0; r < s.rows; ++r) {
      double dot = 0, sum = 0;
      for (int64_t i = r * s.n; i < (r + 1) * s.n; ++i)
        dot += g[static_cast<size_t>(i)] * soft[static_cast<size_t>(i)], sum += g[static_cast<size_t>(i)];
      for (size_t i = static_cast<size_t>(r * s.n); i < static_cast<size_t>((r + 1) * s.n); ++i) {
        gradSoft[i] = soft[i] * (g[i] - dot);
        gradLog[i] = g[i] - soft[i] * sum;
      }
    }
    const Buffer<T> bx(x), bg(g), bSoft(soft), bLogs(logs);
    Buffer<T> y(count), yLog(count), d(count), dLog(count);
    launch(all, "softmax", dtype, {rows, n, bx.address(), y.address()});
    launch(all, "logSoftmax", dtype, {rows, n, bx.address(), yLog.address()});
    launch(all, "softmaxBackward", dtype, {rows, n, bg.address(), bSoft.address(), d.address()});
    launch(all, "logSoftmaxBackward", dtype, {rows, n, bg.address(), bLogs.address(), dLog.address()});
    expect("softmax", y, soft, tolerance, target);
    expect("logSoftmax", yLog, logs, tolerance, target);
    expect("softmaxBackward", d, gradSoft, tolerance, target);
    expect("logSoftmaxBackward", dLog, gradLog, tolerance, target);
  });
}

TEST(softmax_of_infinities) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    const Buffer<float> x(Doubles{1, -INFINITY, 1, -INFINITY, -INFINITY, -INFINITY, 1, NAN, 1, 3e38, 1, -3e38});
    Buffer<float> y(12);
    launch(all, "softmax", DType::f32, {4, 3, x.address(), y.address()});
    const float half = 0.5f, nan = NAN;
    const float want[] = {half, 0, half, nan, nan, nan, nan, nan, nan, 1, 0, 0};
    for (int i = 0; i < 12; ++i)
      CHECK(want[i] == y.data[static_cast<size_t>(i)] ||
                (want[i] != want[i] && y.data[static_cast<size_t>(i)] != y.data[static_cast<size_t>(i)]),
            "%d", i);
  }
}

struct Normalized {
  Doubles y, mean, rstd, gradX, gradWeight, gradBias;
};
Normalized normalize(const Doubles& x, const Doubles& g, const Doubles& w, const Doubles& b, const Size& s, bool center,
                     double eps) {
  Normalized o{Doubles(x.size()), Doubles(static_cast<size_t>(s.rows)), Doubles(static_cast<size_t>(s.rows)),
               Doubles(x.size()), Doubles(static_cast<size_t>(s.n)),    Doubles(static_cast<size_t>(s.n))};
  const double n = static_cast<double>(s.n);
  for (size_t r = 0; r < static_cast<size_t>(s.rows); ++r) {
    const size_t at = r * static_cast<size_t>(s.n), length = static_cast<size_t>(s.n);
    double mean = 0, square = 0, h = 0, hu = 0;
    for (size_t i = 0; i < length; ++i) mean += center ? x[at + i] / n : 0;
    for (size_t i = 0; i < length; ++i) square += (x[at + i] - mean) * (x[at + i] - mean) / n;
    const double rstd = 1 / std::sqrt(square + eps);
    o.mean[r] = mean, o.rstd[r] = rstd;
    for (size_t i = 0; i < length; ++i) {
      const double u = (x[at + i] - mean) * rstd, wi = w.empty() ? 1 : w[i];
      o.y[at + i] = u * wi + (b.empty() ? 0 : b[i]);
      o.gradWeight[i] += g[at + i] * u;
      o.gradBias[i] += g[at + i];
      h += g[at + i] * wi / n, hu += g[at + i] * wi * u / n;
    }
    for (size_t i = 0; i < length; ++i) {
      const double u = (x[at + i] - mean) * rstd, wi = w.empty() ? 1 : w[i];
      o.gradX[at + i] = rstd * (g[at + i] * wi - (center ? h : 0) - u * hu);
    }
  }
  return o;
}

TEST(layer_and_rms_norm) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, const Size& s, auto unit, double tolerance) {
    using T = decltype(unit);
    if (s.n < 3) return;  // of two elements only signs are left
    const DType dtype = DTypeOf<T>::value;
    const int64_t count = s.rows * s.n;
    const double rows = static_cast<double>(s.rows), n = static_cast<double>(s.n);
    const Doubles x = numbers(count, 1), g = numbers(count, 2);
    for (const int given : {0, 1, 2}) {  // neither, weight, both
      const Doubles w = given > 0 ? numbers(s.n, 3) : Doubles(), b = given > 1 ? numbers(s.n, 4) : Doubles();
      const Buffer<T> bx(x), bg(g), bw(w), bb(b);
      const double weight = given > 0 ? bw.address() : 0, bias = given > 1 ? bb.address() : 0;
      {
        const Normalized want = normalize(x, g, w, b, s, true, 1e-5);
        Buffer<T> y(count), mean(s.rows), rstd(s.rows), dx(count), dw(s.n), db(s.n);
        launch(all, "layerNorm", dtype,
               {rows, n, bx.address(), weight, bias, y.address(), mean.address(), rstd.address(), 1e-5});
        launch(all, "layerNormBackward", dtype,
               {rows, n, bg.address(), bx.address(), mean.address(), rstd.address(), weight, dx.address(), dw.address(),
                db.address()});
        expect("layerNorm", y, want.y, tolerance, target);
        expect("layerNorm rstd", rstd, want.rstd, tolerance, target);
        expect("layerNorm gradX", dx, want.gradX, 3 * tolerance, target);
        expect("layerNorm gradWeight", dw, want.gradWeight, 3 * tolerance, target);
        expect("layerNorm gradBias", db, want.gradBias, 3 * tolerance, target);
      }
      {
        const Normalized want = normalize(x, g, w, Doubles(), s, false, 1e-5);
        Buffer<T> y(count), rstd(s.rows), dx(count), dw(s.n);
        launch(all, "rmsNorm", dtype, {rows, n, bx.address(), weight, y.address(), rstd.address(), 1e-5});
        launch(all, "rmsNormBackward", dtype,
               {rows, n, bg.address(), bx.address(), rstd.address(), weight, dx.address(), dw.address()});
        expect("rmsNorm", y, want.y, tolerance, target);
        expect("rmsNorm gradX", dx, want.gradX, 3 * tolerance, target);
        expect("rmsNorm gradWeight", dw, want.gradWeight, 3 * tolerance, target);
      }
    }
  });
}

TEST(cross_entropy_and_its_backward) {
  everywhere([](const std::vector<Kernel>& all, int64_t target, const Size& s, auto unit, double tolerance) {
    using T = decltype(unit);
    if (s.rows == 0) return;
    const DType dtype = DTypeOf<T>::value;
    const int64_t count = s.rows * s.n;
    const double rows = static_cast<double>(s.rows), n = static_cast<double>(s.n), ignore = -100;
    const Doubles x = numbers(count, 1), logs = logSoftmax(x, s);
    std::vector<int64_t> targets;
    double counted = 0;
    for (int64_t r = 0; r < s.rows; ++r)
      targets.push_back(r % 4 == 2 ? -100 : r * 7 % s.n), counted += targets.back() >= 0;
    for (const double smoothing : {0.0, 0.1}) {
      for (const int reduction : {0, 1, 2}) {
        const double share = reduction == 1 ? 1 / counted : 1;
        const Doubles gradLoss = numbers(reduction == 0 ? s.rows : 1, 5);
        Doubles losses, gradX(x.size());
        double sum = 0;
        for (size_t r = 0; r < targets.size(); ++r) {
          double average = 0;
          const size_t at = r * static_cast<size_t>(s.n);
          for (size_t i = at; i < at + static_cast<size_t>(s.n); ++i) average -= logs[i] / n;
          const bool counts = targets[r] >= 0;
          losses.push_back(counts ? (1 - smoothing) * -logs[at + static_cast<size_t>(targets[r])] + smoothing * average
                                  : 0);
          sum += losses.back();
          for (size_t i = 0; counts && i < static_cast<size_t>(s.n); ++i) {
            const double hot = static_cast<int64_t>(i) == targets[r] ? 1 - smoothing : 0;
            gradX[at + i] = gradLoss[reduction == 0 ? r : 0] * share * (std::exp(logs[at + i]) - hot - smoothing / n);
          }
        }
        if (reduction != 0) losses = {sum * share};
        const Buffer<T> bx(x), bg(gradLoss);
        Buffer<T> loss(static_cast<int64_t>(losses.size())), saved(2 * s.rows), dx(count);
        const double where = static_cast<double>(reinterpret_cast<uintptr_t>(targets.data())), how = reduction;
        launch(all, "crossEntropy", dtype,
               {rows, n, bx.address(), where, ignore, smoothing, how, loss.address(), saved.address()});
        launch(all, "crossEntropyBackward", dtype,
               {rows, n, bx.address(), where, ignore, smoothing, how, bg.address(), saved.address(), dx.address()});
        expect("crossEntropy", loss, losses, tolerance, target);
        expect("crossEntropyBackward", dx, gradX, tolerance, target);
      }
    }
  });
}

TEST(cross_entropy_refuses_other_targets) {
  const std::vector<Kernel> all = allKernels(kTargets[kTargetCount - 1]);
  const Buffer<float> x(Doubles(8, 0.0));
  Buffer<float> loss(1);
  const int64_t targets[] = {3, 4};
  std::string message, code;
  try {
    launch(
        all, "crossEntropy", DType::f32,
        {2, 4, x.address(), static_cast<double>(reinterpret_cast<uintptr_t>(targets)), -100, 0, 1, loss.address(), 0});
  } catch (const KernelError& e) {
    message = e.what(), code = e.code;
  }
  CHECK(message == "crossEntropy: expected targets from 0 to 3, got 4 in row 1" && code == "RangeError", "got '%s'",
        message.c_str());
  CHECK(loss.data[0] == 77, "was written");
}

}  // namespace
