// The generator against values that torch 1.13 gave, on every instruction set that this machine has. The long check is
// test/random, against a recording.
#include "kernels/all.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "check.h"
#include "random/generator.h"
#include "simd/cpu.h"

using namespace tenfold;

namespace {

// Calls kernels of one instruction set on one generator.
struct Caller {
  Caller(int64_t target_, uint64_t seed) : target(target_) {
    call("mtSeed", DType::i64,
         {address(&state), static_cast<double>(seed >> 32), static_cast<double>(seed & 0xffffffff)});
  }
  static double address(const void* p) { return static_cast<double>(reinterpret_cast<uintptr_t>(p)); }

  void call(const char* name, DType dtype, const std::vector<double>& numbers) {
    const KernelTable table = randomKernels(target);
    for (size_t i = 0; i < table.count; ++i) {
      const Kernel& k = table.kernels[i];
      if (std::strcmp(k.name, name) == 0 && k.dtype == dtype) return k.run(k, Frame{numbers.data()});
    }
    CHECK(false, "no kernel %s %s", name, nameOf(dtype));
  }

  template <class T>
  std::vector<T> fill(const char* name, size_t n, const std::vector<double>& arguments) {
    std::vector<T> out(n + 1, T{77});  // one more, which nobody may write
    std::vector<double> numbers = {address(&state), address(out.data()), static_cast<double>(n)};
    numbers.insert(numbers.end(), arguments.begin(), arguments.end());
    call(name, DTypeOf<T>::value, numbers);
    CHECK(out[n] == T{77}, "%s wrote past its output", name);
    out.resize(n);
    return out;
  }

  int64_t target;
  alignas(8) GeneratorState state;
};

// Within a few units in the last place: SSE4 has no FMA, and C libraries differ in the last bit.
template <class T>
bool near(T got, double want) {
  const double unit = sizeof(T) == 4 ? 0x1p-23 : 0x1p-52;
  return std::fabs(static_cast<double>(got) - want) <= 8 * unit * std::fmax(std::fabs(want), 0.25);
}

template <class T>
bool allNear(const std::vector<T>& got, const std::vector<double>& want) {
  bool ok = got.size() == want.size();
  for (size_t i = 0; ok && i < got.size(); ++i) ok = near(got[i], want[i]);
  return ok;
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

TEST(random_words) {
  onEveryTarget([](int64_t target) {
    const std::vector<double> lowWords = {0, 0, 1, 0,
                                          2};  // from 0, range 2^32: what remains of two words is the second
    const struct {
      uint64_t seed;
      std::vector<int64_t> want;
    } known[] = {{0, {0x97c4aa2f, 0xd821ccc0, 0xdba252fb}},
                 {42, {0xcbea3db3, 0x2ef5950e, 0xc799d447}},
                 {uint64_t{1} << 63, {0x97c4aa2f, 0xd821ccc0, 0xdba252fb}},  // its low 32 bits are 0
                 {UINT64_MAX, {0x1c924122, 0x900cac47, 0x86bcfe40}}};
    for (const auto& k : known) {
      Caller c(target, k.seed);
      CHECK(c.state.seed == k.seed && c.state.left == 1);
      CHECK(c.fill<int64_t>("random", 3, lowWords) == k.want, "seed %llu", static_cast<unsigned long long>(k.seed));
      CHECK(c.state.next == 6 && c.state.left == 619);
    }
  });
}

TEST(random_in_pieces) {  // any cut of a sequence gives the same sequence, across twists and vector tails
  onEveryTarget([](int64_t target) {
    Caller whole(target, 7), pieces(target, 7);
    const std::vector<float> want = whole.fill<float>("uniform", 5000, {0, 1});
    size_t at = 0;
    for (size_t n = 0; at < want.size(); n = (n * 7 + 3) % 131) {
      const std::vector<float> got = pieces.fill<float>("uniform", std::min(n, want.size() - at), {0, 1});
      for (const float x : got) {
        CHECK(x == want[at], "element %zu", at);
        ++at;
      }
    }
    CHECK(std::memcmp(&whole.state, &pieces.state, sizeof(GeneratorState)) == 0);
  });
}

// One generator from seed 42, calls in this order: a call leaves words, and half a pair of normals, to the next.
TEST(random_sequence) {
  onEveryTarget([](int64_t target) {
    Caller c(target, 42);
    const auto a = c.fill<float>("normal", 18, {0, 1, 0});
    CHECK(allNear<float>(
        {a[0], a[1], a[2], a[8], a[9], a[16], a[17]},
        {0x1.ed4a52p+0, 0x1.7cbea6p+0, -0x1.fd55c8p-2, 0x1.6c668ap-2, -0x1.5f8d0cp-1, -0x1.3d2904p-2, -0x1.953522p-2}));
    const auto b = c.fill<double>("normal", 17, {0, 1, 0});
    CHECK(allNear<double>({b[0], b[1], b[16]}, {0x1.812ba60e823bdp+0, -0x1.3d93383ba1349p+0, -0x1.018b7e9a3399ap-2}));
    CHECK(!c.state.hasNormal);
    CHECK(allNear(c.fill<double>("normal", 3, {1.5, 0.25, 0}),
                  {0x1.6db63072d2856p+0, 0x1.3a03ea8141e80p+0, 0x1.c8a583c63f278p+0}));
    CHECK(c.state.hasNormal);
    CHECK(allNear(c.fill<float>("normal", 1, {0, 1, 0}), {0x1.84bbcap-1}));
    CHECK(!c.state.hasNormal);
    CHECK(c.fill<float>("uniform", 3, {0, 1}) == std::vector<float>({0x1.ff21ap-5f, 0x1.73fafp-3f, 0x1.ffe65ep-1f}));
    CHECK(c.fill<double>("uniform", 2, {0, 1}) == std::vector<double>({0x1.82d0e16a771c7p-1, 0x1.13b9a6457ddacp-2}));
    CHECK(allNear(c.fill<float>("exponential", 2, {1}), {0x1.1ab746p+0, 0x1.4f1ed8p-1}));
    CHECK(c.fill<int64_t>("geometric", 4, {0.25}) == std::vector<int64_t>({2, 3, 5, 2}));
    CHECK(allNear(c.fill<double>("cauchy", 2, {0, 1}), {0x1.dbcc1ba4a88fbp+0, -0x1.526b73dfbf0c4p+0}));
    CHECK(allNear(c.fill<double>("logNormal", 3, {0.3, 0.7}),
                  {0x1.633ca458a31e6p+0, 0x1.1dd40bc7a2b45p+2, 0x1.29c3eeeebf6bdp+0}));
    CHECK(c.fill<int64_t>("random", 6, {0, 0, 0, 10, 1}) == std::vector<int64_t>({6, 9, 0, 5, 9, 5}));
    CHECK(c.fill<int64_t>("random", 2, {0xffffff00, 0, 768, 0, 2}) ==  // [-2^40, 2^41)
          std::vector<int64_t>({-829721275254, -57093612976}));
    CHECK(c.fill<int64_t>("random", 2, {0, 0, 0, 0, 2}) ==  // all of int64
          std::vector<int64_t>({-5324801189460560222, -3870578198325364448}));
    CHECK(c.fill<int8_t>("random", 4, {0xffffffff, 0xffffff80, 0, 255, 1}) ==
          std::vector<int8_t>({-25, 34, -121, -17}));
    CHECK(c.fill<int64_t>("randperm", 8, {}) == std::vector<int64_t>({1, 0, 3, 4, 2, 6, 7, 5}));
    CHECK(c.fill<float>("bernoulli", 8, {0.3, 2}) == std::vector<float>({0, 2, 0, 0, 2, 0, 2, 2}));

    const std::vector<float> weights = {0.1f, 0.2f, 0.3f, 0.4f, 0};
    std::vector<int64_t> out(6);
    c.call("multinomial", DType::f32,
           {c.address(&c.state), c.address(out.data()), 4, c.address(weights.data()), 1, 5, 4, 0, 0});
    CHECK(out[0] == 2 && out[1] == 3 && out[2] == 1 && out[3] == 0);
    c.call("multinomial", DType::f32,
           {c.address(&c.state), c.address(out.data()), 6, c.address(weights.data()), 1, 5, 6, 1, 0});
    CHECK(out == std::vector<int64_t>({1, 2, 3, 0, 3, 2}));
    const std::vector<float> rates = {0.5f, 5, 50};
    CHECK(c.fill<float>("poisson", 3, {c.address(rates.data())}) == std::vector<float>({0, 8, 42}));
    CHECK(c.state.left == 399 && c.state.next == 226);
  });
}

TEST(random_refuses) {  // what only a kernel can see, before a word is drawn
  onEveryTarget([](int64_t target) {
    Caller c(target, 1);
    const GeneratorState before = c.state;
    const std::vector<float> bad = {0.5f, -0.25f, 0.5f}, none = {0, 0, 0};
    std::vector<int64_t> out(3);
    int refused = 0;
    const auto refuse = [&](const char* name, const std::vector<double>& numbers, const char* message) {
      std::vector<double> frame = {c.address(&c.state), c.address(out.data()), 3};
      frame.insert(frame.end(), numbers.begin(), numbers.end());
      try {
        c.call(name, DType::f32, frame);
      } catch (const KernelError& e) {
        CHECK(std::strstr(e.what(), message), "%s", e.what());
        ++refused;
      }
    };
    refuse("bernoulliTensor", {c.address(bad.data())}, "in [0, 1], got -0.25");
    refuse("poisson", {c.address(bad.data())}, "got -0.25");
    refuse("multinomial", {c.address(bad.data()), 1, 3, 3, 0, 0}, ">= 0, got -0.25");
    refuse("multinomial", {c.address(none.data()), 1, 3, 3, 1, 0}, "sum > 0");
    refuse("multinomial", {c.address(none.data()), 1, 2, 3, 0, 0}, "categories (2), got 3");
    CHECK(refused == 5, "%d", refused);
    CHECK(std::memcmp(&before, &c.state, sizeof(before)) == 0);
  });
}
