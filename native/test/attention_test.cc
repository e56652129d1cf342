// Attention on every instruction set against its formula in float64, forward and backward, on one thread and on three.
#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "launch.h"
#include "simd/cpu.h"
#include "threads/pool.h"

namespace {

using namespace tenfold;
using namespace tenfold::test;

enum class Masked { no, causal, bytes, numbers, keys };

struct Shape {
  int64_t batch, heads, group, l, s, e, ev;
};
const Shape kShapes[] = {{1, 1, 1, 1, 1, 1, 1},       {2, 2, 1, 3, 5, 4, 7},      {1, 2, 2, 7, 3, 17, 16},
                         {1, 1, 1, 100, 130, 32, 33}, {2, 4, 2, 97, 97, 16, 16},  {1, 1, 1, 300, 270, 65, 8},
                         {1, 2, 1, 4, 600, 48, 64},   {1, 3, 1, 130, 40, 33, 20}, {3, 2, 1, 1, 33, 64, 64}};

double at(const Doubles& x, int64_t i) { return x[static_cast<size_t>(i)]; }

struct Numbers {
  Doubles q, k, v, grad, mask, out, gradQ, gradK, gradV;
  std::vector<uint8_t> keep;
};

// The strides of the mask: batch, head, row, key.
std::vector<int64_t> maskStrides(const Shape& z, Masked masked) {
  if (masked == Masked::keys) return {z.s, 0, 0, 1};
  if (masked == Masked::numbers) return {z.heads * z.l * z.s, z.l * z.s, z.s, 1};
  return {0, 0, z.s, 1};
}

Numbers reference(const Shape& z, Masked masked, double scale) {
  const int64_t kv = z.heads / z.group, items = z.batch * z.heads;
  Numbers n;
  n.q = numbers(items * z.l * z.e, 1);
  n.k = numbers(z.batch * kv * z.s * z.e, 2);
  n.v = numbers(z.batch * kv * z.s * z.ev, 3);
  n.grad = numbers(items * z.l * z.ev, 4);
  n.mask = numbers(items * z.l * z.s, 5);
  n.keep.resize(static_cast<size_t>(std::max(z.batch, z.l) * z.s));
  // Some keys are left out; row 2 (or batch 1) sees nothing at all.
  for (int64_t i = 0; i < static_cast<int64_t>(n.keep.size()); ++i)
    n.keep[static_cast<size_t>(i)] = at(n.mask, i % (z.l * z.s)) > -1 && i / z.s != (masked == Masked::keys ? 1 : 2);
  n.out.resize(n.grad.size());
  n.gradQ.resize(n.q.size()), n.gradK.resize(n.k.size()), n.gradV.resize(n.v.size());
  const auto m = maskStrides(z, masked);
  std::vector<double> p(static_cast<size_t>(z.s));
  for (int64_t item = 0; item < items; ++item) {
    const int64_t b = item / z.heads, h = item % z.heads, kvItem = b * kv + h / z.group;
    for (int64_t i = 0; i < z.l; ++i) {
      double max = -INFINITY, sum = 0, delta = 0;
      for (int64_t j = 0; j < z.s; ++j) {
        double x = 0;
        for (int64_t c = 0; c < z.e; ++c)
          x += at(n.q, (item * z.l + i) * z.e + c) * at(n.k, (kvItem * z.s + j) * z.e + c);
        x *= scale;
        const int64_t place = b * m[0] + h * m[1] + i * m[2] + j * m[3];
        if (masked == Masked::numbers) x += at(n.mask, place);
        if ((masked == Masked::bytes || masked == Masked::keys) && !n.keep[static_cast<size_t>(place)]) x = -INFINITY;
        if (masked == Masked::causal && j > i) x = -INFINITY;
        p[static_cast<size_t>(j)] = x;
        max = std::fmax(max, x);
      }
      for (double& x : p) x = max == -INFINITY ? 0 : std::exp(x - max), sum += x;
      for (double& x : p) x = sum == 0 ? 0 : x / sum;
      double* const out = &n.out[static_cast<size_t>((item * z.l + i) * z.ev)];
      const double* const grad = &n.grad[static_cast<size_t>((item * z.l + i) * z.ev)];
      for (int64_t j = 0; j < z.s; ++j) {
        for (int64_t c = 0; c < z.ev; ++c) out[c] += at(p, j) * at(n.v, (kvItem * z.s + j) * z.ev + c);
      }
      for (int64_t c = 0; c < z.ev; ++c) delta += grad[c] * out[c];
      for (int64_t j = 0; j < z.s; ++j) {
        double dp = 0;
        for (int64_t c = 0; c < z.ev; ++c) {
          dp += grad[c] * at(n.v, (kvItem * z.s + j) * z.ev + c);
          n.gradV[static_cast<size_t>((kvItem * z.s + j) * z.ev + c)] += at(p, j) * grad[c];
        }
        const double ds = at(p, j) * (dp - delta) * scale;
        for (int64_t c = 0; c < z.e; ++c) {
          n.gradQ[static_cast<size_t>((item * z.l + i) * z.e + c)] += ds * at(n.k, (kvItem * z.s + j) * z.e + c);
          n.gradK[static_cast<size_t>((kvItem * z.s + j) * z.e + c)] += ds * at(n.q, (item * z.l + i) * z.e + c);
        }
      }
    }
  }
  return n;
}

template <class T>
void expect(const char* what, const Buffer<T>& got, const Doubles& want, const Shape& z, Masked masked,
            int64_t target) {
  double scale = 1;  // terms of that size cancel
  for (const double v : want) scale = std::fmax(scale, std::fabs(v));
  const double tolerance = (sizeof(T) == 4 ? 4e-6 : 1e-14) * scale;
  int wrong = got.data[want.size()] != T(77);  // what lies behind is untouched
  for (size_t i = 0; i < want.size(); ++i)
    wrong += !(std::fabs(static_cast<double>(got.data[i]) - want[i]) <= tolerance);
  CHECK(wrong == 0, "%s, %d bits, l %d s %d e %d, mask %d on %s: %d of %d", what, static_cast<int>(sizeof(T)) * 8,
        static_cast<int>(z.l), static_cast<int>(z.s), static_cast<int>(z.e), static_cast<int>(masked),
        targetName(target), wrong, static_cast<int>(want.size()));
}

void append(Doubles& to, double address, int64_t heads, int64_t rows, int64_t n) {
  for (const double v :
       {address, static_cast<double>(heads * rows * n), static_cast<double>(rows * n), static_cast<double>(n)})
    to.push_back(v);
}

template <class T>
void run(const std::vector<Kernel>& all, int64_t target, const Shape& z, Masked masked) {
  const double scale = 1 / std::sqrt(static_cast<double>(z.e));
  const Numbers n = reference(z, masked, scale);
  const int64_t kv = z.heads / z.group;
  const Buffer<T> q(n.q), k(n.k), v(n.v), grad(n.grad), mask(n.mask);
  Doubles frame{static_cast<double>(z.batch),
                static_cast<double>(z.heads),
                static_cast<double>(z.group),
                static_cast<double>(z.l),
                static_cast<double>(z.s),
                static_cast<double>(z.e),
                static_cast<double>(z.ev),
                masked == Masked::causal ? 1.0 : 0.0,
                scale};
  append(frame, q.address(), z.heads, z.l, z.e);
  append(frame, k.address(), kv, z.s, z.e);
  append(frame, v.address(), kv, z.s, z.ev);
  const bool bytes = masked == Masked::bytes || masked == Masked::keys, any = bytes || masked == Masked::numbers;
  frame.push_back(!any ? 0 : bytes ? static_cast<double>(reinterpret_cast<uintptr_t>(n.keep.data())) : mask.address());
  frame.push_back(!any ? 0 : bytes ? 1 : 2);
  for (const int64_t stride : maskStrides(z, masked)) frame.push_back(static_cast<double>(stride));

  Buffer<T> first[4] = {Buffer<T>(0), Buffer<T>(0), Buffer<T>(0), Buffer<T>(0)};
  const int before = numThreads();
  for (const int threads : {1, 3}) {
    setNumThreads(threads);
    Buffer<T> out(static_cast<int64_t>(n.out.size())), lse(z.batch * z.heads * z.l);
    Buffer<T> gradQ(static_cast<int64_t>(n.q.size())), gradK(static_cast<int64_t>(n.k.size())),
        gradV(static_cast<int64_t>(n.v.size()));
    Doubles forward = frame, backward = frame;
    append(forward, out.address(), z.heads, z.l, z.ev);
    forward.push_back(lse.address());
    launch(all, "attention", DTypeOf<T>::value, forward);
    append(backward, grad.address(), z.heads, z.l, z.ev);
    append(backward, out.address(), z.heads, z.l, z.ev);
    backward.push_back(lse.address());
    append(backward, gradQ.address(), z.heads, z.l, z.e);
    append(backward, gradK.address(), kv, z.s, z.e);
    append(backward, gradV.address(), kv, z.s, z.ev);
    launch(all, "attentionBackward", DTypeOf<T>::value, backward);
    expect("attention", out, n.out, z, masked, target);
    expect("gradQ", gradQ, n.gradQ, z, masked, target);
    expect("gradK", gradK, n.gradK, z, masked, target);
    expect("gradV", gradV, n.gradV, z, masked, target);
    Buffer<T>* const got[] = {&out, &gradQ, &gradK, &gradV};
    for (int i = 0; i < 4; ++i) {
      if (threads == 1) {
        first[i] = *got[i];
      } else {
        CHECK(first[i].data == got[i]->data, "threads show in result %d at l %d s %d on %s", i, static_cast<int>(z.l),
              static_cast<int>(z.s), targetName(target));
      }
    }
  }
  setNumThreads(before);
}

TEST(attention_and_its_backward) {
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    const std::vector<Kernel> all = allKernels(target);
    for (const Shape& z : kShapes) {
      for (const Masked masked : {Masked::no, Masked::causal, Masked::bytes, Masked::numbers, Masked::keys}) {
        run<float>(all, target, z, masked);
        run<double>(all, target, z, masked);
      }
    }
  }
}

}  // namespace
