// The state of one generator: PyTorch's CPU generator (mt19937 and the second half of a Box-Muller pair), bit for bit.
// It lives in an ArrayBuffer that lib/random/generator.ts owns, which reads and writes the same offsets to save and
// load torch.Generator states; native code only borrows it during a launch, so a generator must not be used by two
// threads at once.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tenfold {

constexpr int kMtSize = 624;   // words of mt19937
constexpr int kMtShift = 397;  // word i is made from words i, i + 1 and i + 397

struct GeneratorState {
  uint32_t mt[kMtSize];     //    0  untempered
  uint32_t next;            // 2496  index of the next word to hand out
  int32_t left;             // 2500  words still to hand out before the twist, plus one
  uint64_t seed;            // 2504  what it was seeded with
  double normal;            // 2512  the sample that the last pair of normals left over, if hasNormal
  uint32_t seeded;          // 2520  1
  uint32_t hasNormal;       // 2524
  float floatNormal;        // 2528  never made by PyTorch's CPU code, but part of its saved states
  uint32_t hasFloatNormal;  // 2532
};
static_assert(offsetof(GeneratorState, next) == 2496 && offsetof(GeneratorState, seed) == 2504 &&
                  offsetof(GeneratorState, normal) == 2512 && offsetof(GeneratorState, hasFloatNormal) == 2532 &&
                  sizeof(GeneratorState) == 2536,
              "lib/random/generator.ts holds these offsets too");

// init_genrand of Matsumoto and Nishimura's mt19937ar: PyTorch keeps the whole seed, and mixes its low 32 bits.
inline void seedGenerator(GeneratorState& g, uint64_t seed) {
  g = GeneratorState{};
  g.seed = seed;
  g.seeded = 1;
  g.left = 1;
  g.mt[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < kMtSize; ++i) g.mt[i] = 1812433253u * (g.mt[i - 1] ^ (g.mt[i - 1] >> 30)) + i;
}

}  // namespace tenfold
