// Convolutions and pooling against loops that follow their definitions, on every instruction set that this machine has.
#include "kernels/all.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <random>
#include <vector>

#include "check.h"
#include "simd/cpu.h"
#include "threads/pool.h"

using namespace tenfold;

namespace {

double address(const void* p) { return static_cast<double>(reinterpret_cast<uintptr_t>(p)); }

void call(const KernelTable& table, const char* name, DType dtype, const std::vector<double>& numbers) {
  for (size_t i = 0; i < table.count; ++i) {
    const Kernel& k = table.kernels[i];
    if (std::strcmp(k.name, name) == 0 && k.dtype == dtype) return k.run(k, Frame{numbers.data()});
  }
  CHECK(false, "no kernel %s %s", name, nameOf(dtype));
}

template <class T>
std::vector<T> noise(int64_t n, unsigned seed) {
  std::vector<T> out(static_cast<size_t>(n));
  unsigned x = seed * 2654435761u + 1;
  for (T& v : out) {
    x = x * 1664525u + 1013904223u;
    v = static_cast<T>(std::is_integral_v<T> ? static_cast<double>(x >> 28) - 7
                                             : static_cast<double>(x >> 8) / (1 << 23) - 1);
  }
  return out;
}

struct Case3 {
  int64_t batch, groups, channels, filters;
  int64_t in[3], kernel[3], stride[3], pad[3], dilation[3];
  int64_t out(int i) const { return (in[i] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1; }
  int64_t ins() const { return in[0] * in[1] * in[2]; }
  int64_t outs() const { return out(0) * out(1) * out(2); }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  std::vector<double> numbers() const {
    std::vector<double> v;
    for (const int64_t x : {batch, groups, channels, filters}) v.push_back(static_cast<double>(x));
    for (const int64_t* a : {in, kernel}) v.insert(v.end(), a, a + 3);
    for (int i = 0; i < 3; ++i) v.push_back(static_cast<double>(out(i)));
    for (const int64_t* a : {stride, pad, dilation}) v.insert(v.end(), a, a + 3);
    return v;
  }

  // visit(input, weight, output) for every multiplication of the convolution.
  template <class F>
  void each(F visit) const {
    const int64_t cg = channels / groups, fg = filters / groups;
    for (int64_t n = 0; n < batch; ++n) {
      for (int64_t f = 0; f < filters; ++f) {
        for (int64_t o = 0; o < outs(); ++o) {
          const int64_t at[3] = {o / out(2) / out(1), o / out(2) % out(1), o % out(2)};
          for (int64_t c = 0; c < cg; ++c) {
            for (int64_t k = 0; k < taps(); ++k) {
              const int64_t tap[3] = {k / kernel[2] / kernel[1], k / kernel[2] % kernel[1], k % kernel[2]};
              int64_t place = 0;
              bool inside = true;
              for (int i = 0; i < 3; ++i) {
                const int64_t x = at[i] * stride[i] - pad[i] + tap[i] * dilation[i];
                inside = inside && x >= 0 && x < in[i];
                place = place * in[i] + x;
              }
              if (!inside) continue;
              visit((n * channels + f / fg * cg + c) * ins() + place, (f * cg + c) * taps() + k,
                    (n * filters + f) * outs() + o);
            }
          }
        }
      }
    }
  }
};

const Case3 kCases[] = {
    {2, 1, 1, 32, {1, 28, 28}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}},
    {2, 1, 5, 7, {1, 14, 14}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}},
    {9, 1, 8, 17, {1, 7, 5}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}},
    {3, 1, 6, 9, {1, 13, 17}, {1, 3, 5}, {1, 2, 3}, {0, 2, 1}, {1, 1, 1}},
    {2, 2, 6, 8, {1, 12, 11}, {1, 3, 2}, {1, 1, 2}, {0, 3, 0}, {1, 2, 3}},
    {2, 1, 16, 24, {1, 9, 9}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
    {2, 1, 16, 24, {1, 9, 9}, {1, 1, 1}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}},
    {2, 1, 4, 4, {1, 9, 10}, {1, 1, 1}, {1, 3, 2}, {0, 1, 1}, {1, 1, 1}},
    {2, 12, 12, 12, {1, 19, 37}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}},
    {2, 4, 4, 8, {1, 19, 18}, {1, 5, 3}, {1, 2, 2}, {0, 2, 1}, {1, 1, 1}},
    {1, 1, 3, 2, {1, 8, 40}, {1, 3, 3}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
    {2, 1, 3, 5, {4, 5, 6}, {2, 3, 2}, {1, 2, 1}, {1, 1, 0}, {2, 1, 1}},
    {2, 1, 4, 6, {1, 1, 50}, {1, 1, 4}, {1, 1, 3}, {0, 0, 2}, {1, 1, 2}},
    {40, 1, 3, 5, {1, 6, 6}, {1, 3, 3}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
    {1, 1, 64, 40, {1, 3, 3}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}},
    {1, 1, 2, 3, {1, 2, 2}, {1, 1, 1}, {1, 5, 5}, {0, 0, 0}, {1, 1, 1}},
    // One tap that ends on the last row and column: the image has no margin, and yet not every row is read.
    {1, 1, 16, 24, {1, 9, 8}, {1, 1, 1}, {1, 2, 1}, {0, 0, 0}, {1, 1, 1}},
    {2, 1, 3, 5, {5, 7, 3}, {1, 1, 1}, {2, 3, 1}, {0, 0, 0}, {1, 1, 1}},
    // Filters that fill vectors, and rows of places that don't.
    {3, 1, 16, 16, {1, 9, 11}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}},
    {3, 2, 32, 64, {1, 10, 9}, {1, 3, 3}, {1, 2, 1}, {0, 1, 1}, {1, 1, 1}},
    // Small images with long patches, which are multiplied together.
    {11, 1, 40, 24, {1, 5, 5}, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, {1, 1, 1}},
    {70, 2, 80, 64, {1, 3, 4}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, {1, 1, 1}},
    {50, 1, 300, 20, {1, 3, 3}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}},
    {50, 1, 20, 300, {1, 4, 3}, {1, 1, 1}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}},
};

template <class T>
void compare(const char* what, size_t index, const std::vector<T>& got, const std::vector<double>& want, double terms) {
  const double unit = std::is_integral_v<T> ? 0 : sizeof(T) == 4 ? 0x1p-23 : 0x1p-52;
  for (size_t i = 0; i < want.size(); ++i) {
    const double off = std::fabs(static_cast<double>(got[i]) - want[i]);
    if (off <= unit * std::sqrt(terms) * 8) continue;
    CHECK(false, "%s, case %zu, element %zu: %g, want %g", what, index, i, static_cast<double>(got[i]), want[i]);
    return;
  }
  CHECK(got.size() == want.size() + 1 && got.back() == T{77}, "%s, case %zu wrote past its output", what, index);
}
template <class T>
std::vector<T> guarded(int64_t n) {
  std::vector<T> v(static_cast<size_t>(n) + 1, static_cast<T>(std::is_integral_v<T> ? 0 : std::nan("")));
  v.back() = T{77};
  return v;
}

// Small ones of all kinds: any kernel, stride, padding and dilation in each dim.
std::vector<Case3> randomCases(int count) {
  std::mt19937 random(7);
  const auto from = [&](int low, int high) { return low + static_cast<int64_t>(random() % (high - low + 1)); };
  std::vector<Case3> cases;
  while (static_cast<int>(cases.size()) < count) {
    const int64_t groups = from(1, 2);
    Case3 c{from(1, 3), groups, groups * from(1, 3), groups * from(1, 3), {}, {}, {}, {}, {}};
    for (int i = 0; i < 3; ++i) {
      c.in[i] = i == 0 ? from(1, 3) : from(1, 9);
      c.kernel[i] = from(1, 3);
      c.stride[i] = from(1, 3);
      c.pad[i] = from(0, 2);
      c.dilation[i] = from(1, 2);
    }
    const auto fits = [&c](int i) { return c.in[i] + 2 * c.pad[i] > c.dilation[i] * (c.kernel[i] - 1); };
    if (fits(0) && fits(1) && fits(2)) cases.push_back(c);
  }
  return cases;
}

template <class T>
void convolutions(int64_t target, const std::vector<Case3>& cases) {
  const KernelTable table = convKernels(target);
  const DType dtype = DTypeOf<T>::value;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case3& c = cases[i];
    const auto x = noise<T>(c.batch * c.channels * c.ins(), 1),
               w = noise<T>(c.filters * c.channels / c.groups * c.taps(), 2);
    const auto g = noise<T>(c.batch * c.filters * c.outs(), 3), bias = noise<T>(c.filters + c.channels, 4);
    std::vector<double> wantY(g.size()), wantX(x.size()), wantW(w.size());
    for (size_t j = 0; j < wantY.size(); ++j)
      wantY[j] = static_cast<double>(bias[j / static_cast<size_t>(c.outs()) % static_cast<size_t>(c.filters)]);
    for (size_t j = 0; j < wantX.size(); ++j)
      wantX[j] = static_cast<double>(bias[j / static_cast<size_t>(c.ins()) % static_cast<size_t>(c.channels)]);
    c.each([&](int64_t a, int64_t b, int64_t o) {
      const auto at = [](const std::vector<T>& v, int64_t k) { return static_cast<double>(v[static_cast<size_t>(k)]); };
      wantY[static_cast<size_t>(o)] += at(x, a) * at(w, b);
      wantX[static_cast<size_t>(a)] += at(g, o) * at(w, b);
      wantW[static_cast<size_t>(b)] += at(g, o) * at(x, a);
    });
    const auto run = [&](const char* name, const void* a, const void* b, const void* bias_, void* out, double relu) {
      std::vector<double> numbers = c.numbers();
      for (const void* p : {a, b, bias_, static_cast<const void*>(out)}) numbers.push_back(address(p));
      numbers.push_back(relu);
      call(table, name, dtype, numbers);
    };
    const double k = static_cast<double>(c.channels / c.groups * c.taps() + 8);
    auto y = guarded<T>(static_cast<int64_t>(g.size())), gx = guarded<T>(static_cast<int64_t>(x.size()));
    run("convolution", x.data(), w.data(), bias.data(), y.data(), 0);
    compare("convolution", i, y, wantY, k);
    run("convolutionInput", g.data(), w.data(), bias.data(), gx.data(), 0);
    compare("convolutionInput", i, gx, wantX, static_cast<double>(c.filters / c.groups * c.taps() + 8));
    for (double& v : wantY) v = std::max(v, 0.0);
    run("convolution", x.data(), w.data(), bias.data(), y.data(), 1);
    compare("convolution with relu", i, y, wantY, k);
    if constexpr (!std::is_integral_v<T>) {
      auto gw = guarded<T>(static_cast<int64_t>(w.size())), again = gw;
      run("convolutionWeight", g.data(), x.data(), nullptr, gw.data(), 0);
      compare("convolutionWeight", i, gw, wantW, static_cast<double>(c.batch * c.outs() + 8));
      const int threads = numThreads();
      setNumThreads(threads == 3 ? 2 : 3);
      run("convolutionWeight", g.data(), x.data(), nullptr, again.data(), 0);
      setNumThreads(threads);
      CHECK(gw == again, "convolutionWeight, case %zu depends on the number of threads", i);
    }
  }
}

template <class F>
void onEveryTarget(F f) {
  int ran = 0;
  for (const int64_t target : kTargets) {
    if (supports(target)) f(target), ++ran;
  }
  CHECK(ran > 0);
}

}  // namespace

TEST(conv_against_definition) {
  std::vector<Case3> cases(std::begin(kCases), std::end(kCases));
  for (const Case3& c : randomCases(400)) cases.push_back(c);
  onEveryTarget([&](int64_t target) {
    convolutions<float>(target, cases);
    convolutions<double>(target, cases);
    convolutions<int64_t>(target, cases);
  });
}

TEST(conv_channel_sum) {
  onEveryTarget([](int64_t target) {
    const int64_t n = 3, c = 5, inner = 131;
    const auto x = noise<float>(n * c * inner, 5);
    std::vector<double> want(static_cast<size_t>(c));
    for (int64_t i = 0; i < n * c * inner; ++i)
      want[static_cast<size_t>(i / inner % c)] += static_cast<double>(x[static_cast<size_t>(i)]);
    auto got = guarded<float>(c);
    call(convKernels(target), "channelSum", DType::f32, {3, 5, 131, address(x.data()), address(got.data())});
    compare("channelSum", 0, got, want, 400);
  });
}

namespace {

struct PoolCase {
  int64_t in[3], kernel[3], stride[3], pad[3], dilation[3];
  int64_t out(int i) const { return (in[i] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1; }
};
const PoolCase kPools[] = {
    {{1, 28, 28}, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}},
    {{1, 9, 67}, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}},
    {{1, 5, 5}, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}, {1, 1, 1}},
    {{1, 21, 45}, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, {1, 1, 1}},
    {{1, 12, 19}, {1, 3, 5}, {1, 1, 3}, {0, 1, 2}, {1, 2, 1}},
    {{5, 6, 7}, {2, 3, 2}, {2, 1, 1}, {1, 1, 1}, {1, 1, 2}},
};

// Maxima with their places, and what their gradient makes of a gradient of ones times a counter; a NaN and ties among
// the values.
template <class T, class I>
void maxima(int64_t target) {
  const KernelTable table = poolKernels(target);
  const DType dtype = DTypeOf<T>::value;
  for (size_t i = 0; i < std::size(kPools); ++i) {
    const PoolCase& c = kPools[i];
    const int64_t planes = 3, ins = c.in[0] * c.in[1] * c.in[2], outs = c.out(0) * c.out(1) * c.out(2);
    std::vector<T> x = noise<T>(planes * ins, 9);
    for (T& v : x) v = std::round(v * 4);
    x[static_cast<size_t>(ins / 2)] = static_cast<T>(std::nan(""));
    for (int64_t j = 2 * ins; j < 3 * ins; ++j) x[static_cast<size_t>(j)] = -std::numeric_limits<T>::infinity();
    std::vector<double> wantPlaces, wantGrad(static_cast<size_t>(planes * ins));
    std::vector<T> gradient;
    for (int64_t o = 0; o < planes * outs; ++o) {
      const int64_t at[3] = {o % outs / c.out(2) / c.out(1), o / c.out(2) % c.out(1), o % c.out(2)};
      double best = -std::numeric_limits<double>::infinity();
      int64_t place = -1;
      for (int64_t k = 0; k < c.kernel[0] * c.kernel[1] * c.kernel[2]; ++k) {
        const int64_t tap[3] = {k / c.kernel[2] / c.kernel[1], k / c.kernel[2] % c.kernel[1], k % c.kernel[2]};
        int64_t here = 0;
        bool inside = true;
        for (int j = 0; j < 3; ++j) {
          const int64_t p = at[j] * c.stride[j] - c.pad[j] + tap[j] * c.dilation[j];
          inside = inside && p >= 0 && p < c.in[j];
          here = here * c.in[j] + p;
        }
        if (!inside) continue;
        const double v = static_cast<double>(x[static_cast<size_t>(o / outs * ins + here)]);
        if (place < 0 || v > best || std::isnan(v)) best = v, place = here;
      }
      wantPlaces.push_back(static_cast<double>(place));
      gradient.push_back(static_cast<T>(o % 17 + 1));
      wantGrad[static_cast<size_t>(o / outs * ins + place)] += static_cast<double>(o % 17 + 1);
    }
    std::vector<double> geometry = {static_cast<double>(planes)};
    geometry.insert(geometry.end(), c.in, c.in + 3);
    geometry.insert(geometry.end(), c.kernel, c.kernel + 3);
    for (int j = 0; j < 3; ++j) geometry.push_back(static_cast<double>(c.out(j)));
    for (const int64_t* a : {c.stride, c.pad, c.dilation}) geometry.insert(geometry.end(), a, a + 3);
    const auto with = [&](const void* a, const void* b, const void* d) {
      std::vector<double> numbers = geometry;
      for (const void* p : {a, b, d}) numbers.push_back(address(p));
      return numbers;
    };
    auto values = guarded<T>(planes * outs), alone = values, grad = guarded<T>(planes * ins);
    auto places = guarded<I>(planes * outs);
    call(table, "maxPool", dtype, with(x.data(), values.data(), places.data()));
    compare("places of maxPool", i, places, wantPlaces, 1);
    for (int64_t o = 0; o < planes * outs; ++o) {
      const T want = x[static_cast<size_t>(o / outs * ins + static_cast<int64_t>(wantPlaces[static_cast<size_t>(o)]))];
      const T got = values[static_cast<size_t>(o)];
      CHECK(got == want || (std::isnan(got) && std::isnan(want)), "maxPool, case %zu, element %d", i,
            static_cast<int>(o));
    }
    call(table, "maxPool", dtype, with(x.data(), alone.data(), nullptr));
    CHECK(std::memcmp(values.data(), alone.data(), values.size() * sizeof(T)) == 0, "maxPool without places, case %zu",
          i);
    call(table, "maxPoolGradient", dtype, with(gradient.data(), places.data(), grad.data()));
    compare("maxPoolGradient", i, grad, wantGrad, 1);
  }
}

}  // namespace

TEST(conv_max_pool) {
  onEveryTarget([](int64_t target) {
    maxima<float, int32_t>(target);
    maxima<double, int64_t>(target);
  });
}

// What a kernel and its transpose make of two tensors must agree: <A x, y> = <x, A' y>. That pins the gradient to the
// forward kernel, whose values test/operators holds to PyTorch's.
namespace {

template <class Run>
void adjoint(const char* what, int64_t inputs, int64_t outputs, Run run) {
  const auto x = noise<float>(inputs, 21), y = noise<float>(outputs, 22);
  auto ax = guarded<float>(outputs), aty = guarded<float>(inputs);
  run(true, x.data(), ax.data());
  run(false, y.data(), aty.data());
  double left = 0, right = 0, scale = 0;
  for (size_t i = 0; i < y.size(); ++i)
    left += static_cast<double>(ax[i]) * static_cast<double>(y[i]), scale += std::fabs(static_cast<double>(ax[i]));
  for (size_t i = 0; i < x.size(); ++i) right += static_cast<double>(aty[i]) * static_cast<double>(x[i]);
  CHECK(std::fabs(left - right) <= 1e-6 * (scale + 1), "%s: %.9g and %.9g differ", what, left, right);
  CHECK(ax.back() == 77 && aty.back() == 77, "%s wrote past its output", what);
}

}  // namespace

TEST(conv_transposes) {
  onEveryTarget([](int64_t target) {
    const KernelTable pool = poolKernels(target), other = resampleKernels(target);
    const auto with = [](std::vector<double> numbers, const float* from, float* to) {
      numbers.push_back(address(from));
      numbers.push_back(address(to));
      return numbers;
    };
    // 6 planes of 1 x 13 x 21 by 3 x 2, steps 2 x 2, margin 1 x 0.
    const std::vector<double> average = {6, 1, 13, 21, 1, 3, 2, 1, 7, 10, 1, 2, 2, 0, 1, 0, 0, 0};
    adjoint("avgPool", 6 * 13 * 21, 6 * 7 * 10, [&](bool forward, const float* from, float* to) {
      call(pool, forward ? "avgPool" : "avgPoolGradient", DType::f32, with(average, from, to));
    });
    adjoint("adaptiveAvgPool", 5 * 13 * 21, 5 * 4 * 6, [&](bool forward, const float* from, float* to) {
      call(pool, forward ? "adaptiveAvgPool" : "adaptiveAvgPoolGradient", DType::f32,
           with({5, 1, 13, 21, 1, 4, 6}, from, to));
    });
    adjoint("unfold", 3 * 2 * 9 * 20, 3 * 12 * 4 * 19, [&](bool forward, const float* from, float* to) {
      call(other, forward ? "unfold" : "fold", DType::f32,
           with({3, 1, 2, 0, 1, 9, 20, 1, 3, 2, 1, 4, 19, 1, 2, 1, 0, 0, 0, 1, 1, 1}, from, to));
    });
    const int32_t index[] = {0, 0, 1, 2, 2, 3, 3, 4}, same[] = {0};
    const float weight[] = {1, 0, 0.25f, 0.75f, 0.5f, 0.5f, 0.125f, 0.875f}, one[] = {1};
    const std::vector<double> sizes = {7,
                                       1,
                                       5,
                                       5,
                                       1,
                                       4,
                                       4,
                                       1,
                                       2,
                                       2,
                                       address(same),
                                       address(one),
                                       address(index),
                                       address(weight),
                                       address(index),
                                       address(weight)};
    adjoint("resample", 7 * 25, 7 * 16, [&](bool forward, const float* from, float* to) {
      call(other, forward ? "resample" : "resampleTransposed", DType::f32, with(sizes, from, to));
    });
  });
}
