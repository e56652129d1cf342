// Tile functions of every table on every instruction set of this machine: nothing behind the end is read or written,
// a length never changes a value, an input may be the output; then the edges of integers, casts and NaN.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <set>
#include <string>

#include "check.h"
#include "kernels/all.h"
#include "simd/cpu.h"

using namespace tenfold;

namespace {

constexpr size_t kLongest = 131, kGuard = 64;
const double kParams[8] = {0.5, 2, 1, 0};

std::vector<KernelTable> tables(int64_t target) {
  return {unaryKernels(target),   binaryKernels(target),     compareKernels(target),
          ternaryKernels(target), activationKernels(target), lossKernels(target)};
}
const Kernel& find(int64_t target, const char* name, DType dtype) {
  for (const KernelTable& table : tables(target)) {
    for (size_t i = 0; i < table.count; ++i) {
      if (table.kernels[i].dtype == dtype && !std::strcmp(table.kernels[i].name, name)) return table.kernels[i];
    }
  }
  std::printf("no kernel %s for %s\n", name, nameOf(dtype));
  std::abort();
}
std::vector<int64_t> targets() {
  std::vector<int64_t> all;
  for (const int64_t t : kTargets) {
    if (supports(t)) all.push_back(t);
  }
  return all;
}

// Element i as the dtype has it: small numbers, none of them 0, so that integer division is defined.
void put(char* to, DType type, int i) {
  const double value = (i * 37 % 23 + 1) * (i % 3 ? 1 : -1) * (type == DType::i32 || type == DType::i64 ? 1 : 0.17);
  switch (type) {
    case DType::f32: {
      const float x = static_cast<float>(value);
      std::memcpy(to, &x, 4);
      return;
    }
    case DType::f64:
      std::memcpy(to, &value, 8);
      return;
    case DType::i32: {
      const int32_t x = static_cast<int32_t>(value);
      std::memcpy(to, &x, 4);
      return;
    }
    case DType::i64: {
      const int64_t x = static_cast<int64_t>(value);
      std::memcpy(to, &x, 8);
      return;
    }
    default:
      *to = i % 2;
  }
}

}  // namespace

TEST(kernels_have_a_row_once) {
  for (const int64_t target : targets()) {
    std::set<std::string> seen;
    for (const KernelTable& table : tables(target)) {
      for (size_t i = 0; i < table.count; ++i) {
        const std::string row = std::string(table.kernels[i].name) + " " + nameOf(table.kernels[i].dtype);
        CHECK(seen.insert(row).second, "%s stands twice", row.c_str());
      }
    }
    CHECK(seen.size() > 200, "%zu", seen.size());
  }
}

// Lengths 0 to 131 hold V - 1, V, V + 1 of every vector length, and primes. Each input ends where its memory does, so
// that the address sanitizer sees a read behind it.
TEST(kernels_at_every_length) {
  for (const int64_t target : targets()) {
    for (const KernelTable& table : tables(target)) {
      for (size_t r = 0; r < table.count; ++r) {
        const Kernel& kernel = table.kernels[r];
        const size_t outSize = sizeOf(kernel.out);
        for (const size_t n :
             {size_t{0}, size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{5}, size_t{7}, size_t{8}, size_t{9},
              size_t{15}, size_t{16}, size_t{17}, size_t{31}, size_t{33}, size_t{67}, kLongest}) {
          std::vector<std::vector<char>> inputs;
          const void* in[kMaxInputs];
          for (int k = 0; k < kernel.inputs; ++k) {
            const size_t size = sizeOf(kernel.in[k]);
            inputs.emplace_back(n * size);
            for (size_t i = 0; i < n; ++i)
              put(inputs[k].data() + i * size, kernel.in[k], static_cast<int>(i) * (k + 1) + k);
          }
          for (int k = 0; k < kernel.inputs; ++k) in[k] = inputs[k].data();
          std::vector<char> out(n * outSize + kGuard, 0x5a);
          kernel.tile(out.data(), in, n, kParams);
          for (size_t i = n * outSize; i < out.size(); ++i)
            CHECK(out[i] == 0x5a, "%s wrote behind %zu", kernel.name, n);
          // One element at a time gives the same bits.
          for (size_t i = 0; i < n; ++i) {
            char one[8];
            const void* at[kMaxInputs];
            for (int k = 0; k < kernel.inputs; ++k) at[k] = inputs[k].data() + i * sizeOf(kernel.in[k]);
            kernel.tile(one, at, 1, kParams);
            CHECK(!std::memcmp(one, out.data() + i * outSize, outSize), "%s %s %s: element %zu of %zu", kernel.name,
                  nameOf(kernel.dtype), targetName(target), i, n);
          }
          // In place, for every input of the output's dtype.
          for (int k = 0; k < kernel.inputs; ++k) {
            if (kernel.in[k] != kernel.out) continue;
            std::vector<char> place = inputs[k];
            const void* again[kMaxInputs];
            for (int j = 0; j < kernel.inputs; ++j) again[j] = j == k ? place.data() : in[j];
            kernel.tile(place.data(), again, n, kParams);
            CHECK(n == 0 || !std::memcmp(place.data(), out.data(), n * outSize),
                  "%s %s %s in place of input %d, n = %zu", kernel.name, nameOf(kernel.dtype), targetName(target), k,
                  n);
          }
        }
      }
    }
  }
}

namespace {
template <class T>
T apply(int64_t target, const char* name, T a, T b = 1) {
  T out;
  const void* in[] = {&a, &b};
  find(target, name, DTypeOf<T>::value).tile(&out, in, 1, kParams);
  return out;
}
template <class T>
void integerEdges(int64_t t) {
  constexpr T kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
  CHECK(apply<T>(t, "divTrunc", kMin, -1) == kMin);
  CHECK(apply<T>(t, "floorDivide", kMin, -1) == kMin);
  CHECK(apply<T>(t, "remainder", kMin, -1) == 0);
  CHECK(apply<T>(t, "fmod", kMin, -1) == 0);
  CHECK(apply<T>(t, "neg", kMin) == kMin);
  CHECK(apply<T>(t, "abs", kMin) == kMin);
  CHECK(apply<T>(t, "add", kMax, 1) == kMin);
  CHECK(apply<T>(t, "floorDivide", -7, 2) == -4);
  CHECK(apply<T>(t, "divTrunc", -7, 2) == -3);
  CHECK(apply<T>(t, "remainder", -7, 2) == 1);
  CHECK(apply<T>(t, "remainder", 7, -2) == -1);
  CHECK(apply<T>(t, "fmod", -7, 2) == -1);
  CHECK(apply<T>(t, "pow", -3, 3) == -27);
  CHECK(apply<T>(t, "pow", 2, -1) == 0);
  CHECK(apply<T>(t, "pow", -1, -3) == -1);
  CHECK(apply<T>(t, "pow", 0, 0) == 1);
  CHECK(apply<T>(t, "bitwiseLeftShift", 1, 64) == 0);
  CHECK(apply<T>(t, "bitwiseRightShift", -8, 1) == -4);
  CHECK(apply<T>(t, "bitwiseRightShift", -8, 64) == -1);
  CHECK(apply<T>(t, "gcd", -12, 18) == 6);
  CHECK(apply<T>(t, "lcm", -4, 6) == 12);
  CHECK(apply<T>(t, "lcm", 0, 0) == 0);
  for (const char* name : {"divTrunc", "floorDivide", "remainder", "fmod"}) {
    bool thrown = false;
    try {
      apply<T>(t, name, 1, 0);
    } catch (const KernelError& error) {
      thrown = !std::strcmp(error.code, "ZeroDivision");
    }
    CHECK(thrown, "%s by zero", name);
  }
}
}  // namespace

TEST(kernels_at_the_edges_of_integers) {
  for (const int64_t t : targets()) {
    integerEdges<int32_t>(t);
    integerEdges<int64_t>(t);
  }
}

TEST(kernels_let_nan_through) {
  const float nan = NAN, one = 1;
  for (const int64_t t : targets()) {
    for (const char* name : {"maximum", "minimum", "add", "pow", "remainder", "floorDivide", "atan2", "xlogy"}) {
      CHECK(std::isnan(apply<float>(t, name, 2, nan)), "%s(2, NaN)", name);
      CHECK(std::isnan(apply<float>(t, name, nan, 2)), "%s(NaN, 2)", name);
    }
    for (const char* name : {"fmax", "fmin"}) {
      CHECK(apply<float>(t, name, one, nan) == 1 && apply<float>(t, name, nan, one) == 1, "%s", name);
    }
    for (const char* name : {"clampScalar", "relu", "hardtanh", "hardswish", "hardsigmoid", "softshrink", "hardshrink",
                             "tanh", "gelu", "silu", "mish", "elu", "softplus", "round", "erf"}) {
      CHECK(std::isnan(apply<float>(t, name, nan)), "%s(NaN)", name);
      CHECK(std::isnan(apply<double>(t, name, NAN)), "%s(NaN) in float64", name);
    }
    CHECK(apply<float>(t, "sign", nan) == 0);  // PyTorch's
    CHECK(apply<float>(t, "pow", nan, 0) == 1 && apply<float>(t, "pow", 1, nan) == 1);
  }
}

TEST(casts) {
  for (const int64_t t : targets()) {
    const CastTileFn cast = castTileFor(t);
    // Every float16 and bfloat16 goes to float32 and comes back; so does what lies between, to the even neighbour.
    std::vector<uint16_t> bits(65536), back(65536);
    std::vector<float> wide(65536);
    for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
    for (const DType narrow : {DType::f16, DType::bf16}) {
      cast(DType::f32, wide.data(), narrow, bits.data(), bits.size());
      cast(narrow, back.data(), DType::f32, wide.data(), bits.size());
      const uint32_t infinity = narrow == DType::f16 ? 0x7c00 : 0x7f80;
      for (uint32_t i = 0; i < 65536; ++i) {
        if ((i & 0x7fff) > infinity)
          CHECK(std::isnan(wide[i]) && (back[i] & 0x7fff) > infinity, "NaN %x", i);
        else
          CHECK(back[i] == i, "%s %x -> %a -> %x", nameOf(narrow), i, wide[i], back[i]);
        if ((i & 0x7fff) >= infinity - 1) continue;
        const float middle = wide[i] + (wide[i + 1] - wide[i]) / 2;
        const float below = std::nextafter(middle, wide[i]), above = std::nextafter(middle, wide[i + 1]);
        const float three[] = {below, middle, above};
        uint16_t got[3];
        cast(narrow, got, DType::f32, three, 3);
        CHECK(got[1] == (i & 1 ? i + 1 : i), "%s middle above %x gives %x", nameOf(narrow), i, got[1]);
        CHECK(got[0] == i && got[2] == i + 1, "%s around the middle above %x", nameOf(narrow), i);
      }
    }
    const float x[] = {2.9f, -2.9f, 300, -1, NAN, 3e9f, INFINITY, -0.f, 0.3f};
    int32_t i32[9];
    int64_t i64[9];
    uint8_t u8[9], b8[9];
    int8_t i8[9];
    uint16_t f16[9];
    cast(DType::i32, i32, DType::f32, x, 9);
    cast(DType::i64, i64, DType::f32, x, 9);
    cast(DType::u8, u8, DType::f32, x, 9);
    cast(DType::i8, i8, DType::f32, x, 9);
    cast(DType::b8, b8, DType::f32, x, 9);
    cast(DType::f16, f16, DType::f32, x, 9);
    CHECK(i32[0] == 2 && i32[1] == -2 && i32[2] == 300 && i32[4] == INT32_MIN && i32[5] == INT32_MIN);
    CHECK(i64[0] == 2 && i64[1] == -2 && i64[4] == INT64_MIN && i64[5] == 3000000000 && i64[6] == INT64_MIN);
    CHECK(u8[2] == 44 && u8[3] == 255 && i8[2] == 44 && i8[3] == -1);
    CHECK(b8[0] == 1 && b8[4] == 1 && b8[7] == 0 && b8[8] == 1);
    CHECK(f16[5] == 0x7c00 && f16[6] == 0x7c00 && f16[7] == 0x8000);
    const int64_t wraps = (int64_t{1} << 32) + 5;
    cast(DType::i32, i32, DType::i64, &wraps, 1);
    CHECK(i32[0] == 5);
  }
}
