// The elementwise driver against a loop that walks every index: layouts, dtypes, aliasing, immediates, threads.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "loops/elementwise.h"
#include "simd/cpu.h"
#include "threads/pool.h"

namespace {

using namespace tenfold;

template <class T>
void subtract(void* out, const void* const* in, size_t n, const double* params) {
  for (size_t i = 0; i < n; ++i) {
    static_cast<T*>(out)[i] =
        static_cast<T>(static_cast<const T*>(in[0])[i] - static_cast<T>(params[0]) * static_cast<const T*>(in[1])[i]);
  }
}
// Asymmetric, so that swapped operands show: a - p b.
const Kernel kSubtract = {"subtract", DType::f32, nullptr, nullptr, subtract<float>, 2, {DType::f32, DType::f32},
                          DType::f32, 1};
const Kernel kCopy = {"copy", DType::f32, nullptr, nullptr, nullptr, 1, {}, DType::f32, 1};

double numberAt(const void* memory, DType type, int64_t i) {
  double x;
  for (const int64_t target : kTargets) {
    if (!supports(target)) continue;
    castTileFor(target)(DType::f64, &x, type, static_cast<const char*>(memory) + i * static_cast<int64_t>(sizeOf(type)),
                        1);
    return x;
  }
  return NAN;
}

struct Layout {
  std::vector<int64_t> strides;
  int64_t offset = 0;
};
struct Tensor {
  DType type;
  Layout layout;
  std::vector<char> memory;
};

constexpr int64_t kElements = 400000;  // of every memory in these tests
constexpr char kUntouched = 0x5a;

Tensor tensor(DType type, Layout layout, int seed) {
  Tensor t{type, std::move(layout), std::vector<char>(static_cast<size_t>(kElements) * sizeOf(type))};
  std::vector<double> numbers(kElements);
  uint32_t state = static_cast<uint32_t>(seed) * 2654435761u + 1;
  for (double& x : numbers) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<double>(state >> 25) - (type == DType::u8 || type == DType::b8 ? 0 : 64);
  }
  castTileFor(kTargets[kTargetCount - 1])(type, t.memory.data(), DType::f64, numbers.data(), numbers.size());
  return t;
}

using Sizes = std::vector<int64_t>;

void writeFrame(std::vector<double>& frame, const Sizes& sizes, const std::vector<Tensor*>& operands) {
  frame.assign(kFrameLength, 0);
  int64_t numel = 1;
  for (const int64_t s : sizes) numel *= s;
  frame[frameAt::ndim] = static_cast<double>(sizes.size());
  frame[frameAt::numel] = static_cast<double>(numel);
  frame[frameAt::operands] = static_cast<double>(operands.size());
  for (size_t d = 0; d < sizes.size(); ++d) frame[frameAt::sizes + d] = static_cast<double>(sizes[d]);
  for (size_t k = 0; k < operands.size(); ++k) {
    const Tensor& t = *operands[k];
    double* at = &frame[frameAt::operand + 3 * k];
    at[0] = static_cast<double>(
        reinterpret_cast<uintptr_t>(t.memory.data() + t.layout.offset * static_cast<int64_t>(sizeOf(t.type))));
    at[1] = static_cast<double>(static_cast<int>(t.type));
    at[2] = kMemory;
    for (size_t d = 0; d < sizes.size(); ++d)
      frame[frameAt::strides + kMaxDims * k + d] = static_cast<double>(t.layout.strides[d]);
  }
  frame[frameAt::params] = 2;
}

// Offsets of the elements of a layout, in the order of the indices.
std::vector<int64_t> offsets(const Sizes& sizes, const Layout& layout) {
  std::vector<int64_t> all{layout.offset};
  for (size_t d = 0; d < sizes.size(); ++d) {
    std::vector<int64_t> next;
    for (const int64_t o : all) {
      for (int64_t i = 0; i < sizes[d]; ++i) next.push_back(o + i * layout.strides[d]);
    }
    all.swap(next);
  }
  return all;
}

template <class F>
void onEveryTarget(F f) {
  for (const int64_t target : kTargets) {
    if (supports(target)) f(target);
  }
}

void checkSubtract(const char* what, const Sizes& sizes, Tensor out, Tensor a, Tensor b) {
  onEveryTarget([&](int64_t target) {
    std::memset(out.memory.data(), kUntouched, out.memory.size());
    std::vector<double> frame;
    writeFrame(frame, sizes, {&out, &a, &b});
    runElementwise(kSubtract, frame.data(), castTileFor(target));
    const auto oo = offsets(sizes, out.layout), oa = offsets(sizes, a.layout), ob = offsets(sizes, b.layout);
    std::vector<char> expected(out.memory.size(), kUntouched);
    const size_t bytes = sizeOf(out.type);
    for (size_t i = 0; i < oo.size(); ++i) {
      const float x = static_cast<float>(numberAt(a.memory.data(), a.type, oa[i])) -
                      2.f * static_cast<float>(numberAt(b.memory.data(), b.type, ob[i]));
      castTileFor(target)(out.type, expected.data() + static_cast<size_t>(oo[i]) * bytes, DType::f32, &x, 1);
    }
    CHECK(expected == out.memory, "%s on %s", what, targetName(target));  // and nothing beside it was written
  });
}

Layout dense(const Sizes& sizes) {
  Layout l;
  l.strides.resize(sizes.size());
  int64_t step = 1;
  for (size_t d = sizes.size(); d-- > 0;) l.strides[d] = step, step *= sizes[d];
  return l;
}

TEST(elementwise_layouts) {
  struct Case {
    const char* what;
    Sizes sizes;
    Layout out, a, b;
  };
  const Case cases[] = {
      {"dense", {37, 41}, {{41, 1}, 0}, {{41, 1}, 3}, {{41, 1}, 7}},
      {"a transposed", {37, 41}, {{41, 1}, 0}, {{1, 37}, 0}, {{41, 1}, 0}},
      {"out transposed", {37, 41}, {{1, 37}, 0}, {{41, 1}, 0}, {{41, 1}, 0}},
      {"all transposed", {37, 41}, {{1, 37}, 0}, {{1, 37}, 5}, {{1, 37}, 0}},
      {"large transpose", {300, 500}, {{500, 1}, 0}, {{1, 300}, 0}, {{500, 1}, 0}},
      {"two transposes", {130, 70, 20}, {{1400, 20, 1}, 0}, {{1, 130, 9100}, 0}, {{70, 1, 9100}, 0}},
      {"lines beside a transpose", {95, 70}, {{70, 1}, 0}, {{1, 95}, 0}, {{0, 0}, 3}},
      {"lines too short for a call", {95, 31}, {{40, 1}, 0}, {{1, 95}, 0}, {{1, 0}, 0}},
      {"lines long enough for a call", {95, 32}, {{40, 1}, 0}, {{1, 95}, 0}, {{1, 0}, 0}},
      {"slice of columns", {100, 200}, {{300, 1}, 11}, {{256, 1}, 0}, {{200, 1}, 0}},
      {"every third", {100, 200}, {{600, 3}, 1}, {{400, 2}, 0}, {{200, 1}, 0}},
      {"bias", {500, 10}, {{10, 1}, 0}, {{10, 1}, 0}, {{0, 1}, 4}},
      {"long bias", {30, 3000}, {{3000, 1}, 0}, {{3000, 1}, 0}, {{0, 1}, 0}},
      {"per row", {500, 10}, {{10, 1}, 0}, {{10, 1}, 0}, {{1, 0}, 0}},
      {"per long row", {30, 3000}, {{3000, 1}, 0}, {{3000, 1}, 0}, {{1, 0}, 0}},
      {"outer product", {123, 217}, {{217, 1}, 0}, {{1, 0}, 0}, {{0, 1}, 0}},
      {"channels last in", {2, 3, 20, 30}, {{1800, 600, 30, 1}, 0}, {{1800, 1, 90, 3}, 0}, {{0, 1, 0, 0}, 0}},
      {"channels last out", {2, 16, 20, 30}, {{9600, 1, 480, 16}, 0}, {{9600, 600, 30, 1}, 0}, {{0, 1, 0, 0}, 0}},
      {"flipped", {50, 60}, {{60, 1}, 0}, {{60, -1}, 59}, {{-60, 1}, 49 * 60}},
      {"sizes of one", {1, 37, 1, 5, 1}, {{999, 5, 77, 1, 3}, 0}, {{0, 5, 0, 1, 0}, 0}, {{1, 1, 1, 40, 1}, 0}},
      {"one element", {1, 1}, {{5, 7}, 2}, {{0, 0}, 3}, {{1, 1}, 4}},
      {"no element", {3, 0, 4}, {{0, 4, 1}, 2}, {{0, 4, 1}, 3}, {{0, 4, 1}, 4}},
      {"a line", {1025}, {{1}, 1}, {{1}, 0}, {{3}, 0}},
      {"five dims", {3, 4, 5, 6, 7}, {{840, 210, 42, 7, 1}, 0}, {{1, 3, 12, 60, 360}, 0}, {{840, 1, 4, 20, 120}, 0}},
      {"large, by threads", {400, 1000}, {{1000, 1}, 0}, {{1000, 1}, 0}, {{0, 1}, 0}},
  };
  for (const Case& c : cases) {
    checkSubtract(c.what, c.sizes, tensor(DType::f32, c.out, 1), tensor(DType::f32, c.a, 2),
                  tensor(DType::f32, c.b, 3));
    // The same with casts on the way in and out.
    checkSubtract(c.what, c.sizes, tensor(DType::f64, c.out, 1), tensor(DType::i64, c.a, 2), tensor(DType::u8, c.b, 3));
    checkSubtract(c.what, c.sizes, tensor(DType::bf16, c.out, 1), tensor(DType::f32, c.a, 2),
                  tensor(DType::f16, c.b, 3));
  }
}

TEST(elementwise_sizes) {
  for (const int64_t n : {1, 2, 7, 15, 16, 17, 1023, 1024, 1025, 4096, 40961, 399999}) {
    checkSubtract("dense", {n}, tensor(DType::f32, {{1}, 0}, 1), tensor(DType::f32, {{1}, 1}, 2),
                  tensor(DType::f32, {{1}, 0}, 3));
    checkSubtract("cast", {n}, tensor(DType::f32, {{1}, 0}, 1), tensor(DType::i32, {{1}, 1}, 2),
                  tensor(DType::f32, {{1}, 0}, 3));
    checkSubtract("scalar", {n}, tensor(DType::f32, {{1}, 0}, 1), tensor(DType::f32, {{1}, 1}, 2),
                  tensor(DType::f32, {{0}, 5}, 3));
  }
}

TEST(elementwise_dense_frame) {  // ndim 0: operands of kinds 0, 1 and 2 without strides
  onEveryTarget([](int64_t target) {
    for (const int64_t n : {1, 11, 5000, 100000}) {
      for (const DType type : {DType::f32, DType::f64, DType::bf16}) {
        for (const int kind : {kMemory, kOneElement, kImmediate}) {
          Tensor out = tensor(type, {{1}, 0}, 1), a = tensor(type, {{1}, 0}, 2), b = tensor(type, {{1}, 0}, 3);
          std::vector<double> frame;
          writeFrame(frame, {n}, {&out, &a, &b});
          frame[frameAt::ndim] = 0;
          double* third = &frame[frameAt::operand + 6];
          third[2] = kind;
          if (kind == kImmediate) third[0] = 1.5, third[1] = static_cast<int>(DType::f64);
          runElementwise(kSubtract, frame.data(), castTileFor(target));
          int64_t wrong = 0;
          for (int64_t i = 0; i < n; ++i) {
            const double y = kind == kImmediate ? 1.5 : numberAt(b.memory.data(), type, kind == kMemory ? i : 0);
            const float x = static_cast<float>(numberAt(a.memory.data(), type, i) - 2 * y);
            char expected[8];
            castTileFor(target)(type, expected, DType::f32, &x, 1);
            wrong +=
                std::memcmp(expected, out.memory.data() + static_cast<size_t>(i) * sizeOf(type), sizeOf(type)) != 0;
          }
          CHECK(wrong == 0, "n %d, %s, kind %d on %s", static_cast<int>(n), nameOf(type), kind, targetName(target));
        }
      }
    }
  });
}

TEST(elementwise_in_place) {  // out is the memory of an input, whatever the other one's layout is
  onEveryTarget([](int64_t target) {
    const Sizes sizes{200, 300};
    for (const Layout& other : {Layout{{300, 1}, 0}, Layout{{1, 200}, 0}, Layout{{0, 1}, 0}, Layout{{1, 0}, 0}}) {
      for (const Layout& own : {Layout{{300, 1}, 0}, Layout{{1, 200}, 0}, Layout{{600, 2}, 1}}) {
        for (const DType type : {DType::f32, DType::f64}) {
          Tensor out = tensor(type, own, 2);
          const Tensor before = out;
          Tensor b = tensor(DType::f32, other, 3);
          std::vector<double> frame;
          writeFrame(frame, sizes, {&out, &out, &b});
          runElementwise(kSubtract, frame.data(), castTileFor(target));
          const auto oo = offsets(sizes, own), ob = offsets(sizes, other);
          int64_t wrong = 0;
          for (size_t i = 0; i < oo.size(); ++i) {
            wrong += numberAt(out.memory.data(), type, oo[i]) !=
                     numberAt(before.memory.data(), type, oo[i]) - 2 * numberAt(b.memory.data(), DType::f32, ob[i]);
          }
          CHECK(wrong == 0, "strides %d %d, %s on %s", static_cast<int>(own.strides[0]),
                static_cast<int>(own.strides[1]), nameOf(type), targetName(target));
        }
      }
    }
  });
}

TEST(copy_every_layout_and_dtype) {
  onEveryTarget([](int64_t target) {
    const Sizes sizes{60, 7, 90};
    const Layout layouts[] = {
        dense(sizes), {{1, 60, 420}, 0}, {{1, 5400, 60}, 3}, {{1000, 130, 1}, 5}, {{1300, 180, 2}, 0}};
    for (const Layout& to : layouts) {
      for (const Layout& from : layouts) {
        for (int d = 0; d < kDTypes * kDTypes; ++d) {
          const DType outType = static_cast<DType>(d % kDTypes), inType = static_cast<DType>(d / kDTypes);
          if (outType != inType && (&to != &layouts[1] || &from != &layouts[3])) continue;  // every cast once
          Tensor out = tensor(outType, to, 1), a = tensor(inType, from, 2);
          std::memset(out.memory.data(), kUntouched, out.memory.size());
          std::vector<char> expected = out.memory;
          std::vector<double> frame;
          writeFrame(frame, sizes, {&out, &a});
          runElementwise(kCopy, frame.data(), castTileFor(target));
          const auto oo = offsets(sizes, to), oa = offsets(sizes, from);
          for (size_t i = 0; i < oo.size(); ++i) {
            castTileFor(target)(outType, expected.data() + static_cast<size_t>(oo[i]) * sizeOf(outType), inType,
                                a.memory.data() + static_cast<size_t>(oa[i]) * sizeOf(inType), 1);
          }
          CHECK(expected == out.memory, "%s to %s, strides %d to %d on %s", nameOf(inType), nameOf(outType),
                static_cast<int>(from.strides[2]), static_cast<int>(to.strides[2]), targetName(target));
        }
      }
    }
  });
}

TEST(copy_lines_and_their_mirrors) {  // of every length around a vector's, and of more than a box of lines
  onEveryTarget([](int64_t target) {
    for (const int64_t n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 900, 4095, 4096, 4097, 17000}) {
      const Sizes sizes{n < 20 ? 3000 : 20, n};
      const int64_t end = (sizes[0] - 1) * (n + 3);
      const Layout layouts[] = {{{n + 3, 1}, 2}, {{n + 3, -1}, n + 1}, {{-n - 3, 1}, end}, {{-n - 3, -1}, end + n - 1}};
      for (const Layout& to : layouts) {
        for (const Layout& from : layouts) {
          for (const DType type : {DType::u8, DType::f16, DType::f32, DType::f64}) {
            Tensor out = tensor(type, to, 1), a = tensor(type, from, 2);
            std::vector<char> expected = out.memory;
            std::vector<double> frame;
            writeFrame(frame, sizes, {&out, &a});
            runElementwise(kCopy, frame.data(), castTileFor(target));
            const auto oo = offsets(sizes, to), oa = offsets(sizes, from);
            const size_t bytes = sizeOf(type);
            for (size_t i = 0; i < oo.size(); ++i) {
              std::memcpy(expected.data() + static_cast<size_t>(oo[i]) * bytes,
                          a.memory.data() + static_cast<size_t>(oa[i]) * bytes, bytes);
            }
            CHECK(expected == out.memory, "%d of %s, strides %d to %d on %s", static_cast<int>(n), nameOf(type),
                  static_cast<int>(from.strides[1]), static_cast<int>(to.strides[1]), targetName(target));
          }
        }
      }
    }
  });
}

TEST(fill_is_a_copy_of_an_immediate) {
  onEveryTarget([](int64_t target) {
    for (int d = 0; d < kDTypes; ++d) {
      const DType type = static_cast<DType>(d);
      Tensor out = tensor(type, {{400, 2}, 1}, 1);
      std::vector<char> expected = out.memory;
      std::vector<double> frame;
      writeFrame(frame, {300, 150}, {&out, &out});
      frame[frameAt::operand + 3] = 3;
      frame[frameAt::operand + 4] = static_cast<int>(DType::f64);
      frame[frameAt::operand + 5] = kImmediate;
      runElementwise(kCopy, frame.data(), castTileFor(target));
      const double three = 3;
      for (const int64_t o : offsets({300, 150}, out.layout)) {
        castTileFor(target)(type, expected.data() + static_cast<size_t>(o) * sizeOf(type), DType::f64, &three, 1);
      }
      CHECK(expected == out.memory, "%s on %s", nameOf(type), targetName(target));
    }
  });
}

TEST(elementwise_operand_count) {
  Tensor out = tensor(DType::f32, {{1}, 0}, 1);
  std::vector<double> frame;
  writeFrame(frame, {4}, {&out, &out});
  std::string message;
  try {
    runElementwise(kSubtract, frame.data(), castTileFor(kTargets[kTargetCount - 1]));
  } catch (const KernelError& e) {
    message = e.what();
  }
  CHECK(message == "subtract: expected 3 operands, got 2", "got '%s'", message.c_str());
}

}  // namespace
