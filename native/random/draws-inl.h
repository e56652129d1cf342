// Words of mt19937 and uniforms made of them, a vector at a time: the recurrence looks 227 words back at the nearest.
// Per-target header (Highway's convention): included once for each instruction set.
#if defined(TENFOLD_RANDOM_DRAWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_RANDOM_DRAWS_INL_H_
#undef TENFOLD_RANDOM_DRAWS_INL_H_
#else
#define TENFOLD_RANDOM_DRAWS_INL_H_
#endif

#include <hwy/highway.h>

#include "random/generator.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// s[i] = s[i + source] ^ twist(s[i], s[i + 1]) for i in [begin, end) by whole vectors; returns where it stopped.
// In place is safe: words above i are old when they are read, and those at i - 227 new, as in the scalar recurrence.
template <class D>
HWY_INLINE int Twist(D d, uint32_t* s, int begin, int end, int source) {
  const auto upper = hn::Set(d, 0x80000000u);
  const auto matrix = hn::Set(d, 0x9908b0dfu);
  const auto one = hn::Set(d, 1u);
  const int lanes = static_cast<int>(hn::Lanes(d));
  int i = begin;
  for (; i + lanes <= end; i += lanes) {
    const auto u = hn::LoadU(d, s + i);
    const auto v = hn::LoadU(d, s + i + 1);
    const auto mixed = hn::Or(hn::And(upper, u), hn::AndNot(upper, v));
    const auto odd = hn::And(hn::Sub(hn::Zero(d), hn::And(v, one)), matrix);  // matrix where v is odd
    hn::StoreU(hn::Xor(hn::LoadU(d, s + i + source), hn::Xor(hn::ShiftRight<1>(mixed), odd)), d, s + i);
  }
  return i;
}

HWY_INLINE uint32_t TwistWord(uint32_t u, uint32_t v) {
  const uint32_t mixed = (u & 0x80000000u) | (v & 0x7fffffffu);
  return (mixed >> 1) ^ ((0u - (v & 1u)) & 0x9908b0dfu);
}

template <int kSource, int kBegin, int kEnd>
HWY_INLINE void TwistRange(uint32_t* s) {
  const int i = Twist(hn::ScalableTag<uint32_t>(), s, kBegin, kEnd, kSource);
  Twist(hn::CappedTag<uint32_t, 4>(), s, i, kEnd, kSource);
  for (int j = kEnd - (kEnd - kBegin) % 4; j < kEnd; ++j) s[j] = s[j + kSource] ^ TwistWord(s[j], s[j + 1]);
}

// The next 624 words from the last ones.
inline HWY_NOINLINE void NextState(uint32_t* s) {
  TwistRange<kMtShift, 0, kMtSize - kMtShift>(s);
  TwistRange<kMtShift - kMtSize, kMtSize - kMtShift, kMtSize - 1>(s);
  s[kMtSize - 1] = s[kMtShift - 1] ^ TwistWord(s[kMtSize - 1], s[0]);  // whose neighbour is new
}

// The tempered words of s[0, n), by whole vectors; returns how many.
template <class D>
HWY_INLINE size_t Temper(D d, const uint32_t* s, uint32_t* out, size_t begin, size_t n) {
  const auto b = hn::Set(d, 0x9d2c5680u);
  const auto c = hn::Set(d, 0xefc60000u);
  size_t i = begin;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    auto y = hn::LoadU(d, s + i);
    y = hn::Xor(y, hn::ShiftRight<11>(y));
    y = hn::Xor(y, hn::And(hn::ShiftLeft<7>(y), b));
    y = hn::Xor(y, hn::And(hn::ShiftLeft<15>(y), c));
    hn::StoreU(hn::Xor(y, hn::ShiftRight<18>(y)), d, out + i);
  }
  return i;
}

// Hands out the generator's words in order. A double takes two of them, the high one first.
class Draws {
 public:
  explicit Draws(GeneratorState* g) : g_(g) {}

  // out[0, n) = the next n words.
  void Fill(uint32_t* out, size_t n) {
    while (n > 0) {
      const size_t m = Available(n);
      const uint32_t* from = g_->mt + g_->next;
      size_t i = Temper(hn::ScalableTag<uint32_t>(), from, out, 0, m);
      i = Temper(hn::CappedTag<uint32_t, 4>(), from, out, i, m);
      Temper(hn::CappedTag<uint32_t, 1>(), from, out, i, m);
      Take(m);
      out += m;
      n -= m;
    }
  }

  // As Fill, for words that nobody reads.
  void Skip(size_t n) {
    while (n > 0) {
      const size_t m = Available(n);
      Take(m);
      n -= m;
    }
  }

  uint32_t Next32() {
    uint32_t y;
    Fill(&y, 1);
    return y;
  }

  double NextUniform() {
    const uint64_t high = Next32();
    return static_cast<double>((high << 32 | Next32()) & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
  }

 private:
  // How many of n words are there without a twist; twists when none is.
  size_t Available(size_t n) {
    if (g_->left <= 1) {
      NextState(g_->mt);
      g_->next = 0;
      g_->left = kMtSize + 1;  // this once: PyTorch counts the twist and the first word as one step
    }
    const size_t have = static_cast<size_t>(g_->left - 1);
    return n < have ? n : have;
  }
  void Take(size_t m) {
    g_->next += static_cast<uint32_t>(m);
    g_->left -= static_cast<int32_t>(m);
  }

  GeneratorState* g_;
};

// ---- uniform reals --------------------------------------------------------------------------------------------------
// Words are drawn into a block that stays in the L1 cache, then made into reals: the low 24 bits of a word for float,
// the low 53 of two words for double.
constexpr size_t kBlock = 2 * kMtSize;

template <class D>
HWY_INLINE size_t UniformRun(D d, const uint32_t* bits, float* out, size_t i, size_t n, float range, float from) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto word = hn::And(hn::LoadU(du, bits + i), hn::Set(du, 0xffffffu));
    const auto x = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, word)), hn::Set(d, 0x1p-24f));
    hn::StoreU(hn::MulAdd(x, hn::Set(d, range), hn::Set(d, from)), d, out + i);
  }
  return i;
}

template <class D>
HWY_INLINE size_t UniformRun(D d, const uint32_t* bits, double* out, size_t i, size_t n, double range, double from) {
  const hn::Repartition<uint32_t, D> dw;
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    const auto pair = hn::RotateRight<32>(hn::BitCast(du, hn::LoadU(dw, bits + 2 * i)));
    const auto word = hn::And(pair, hn::Set(du, (uint64_t{1} << 53) - 1));
    const auto x = hn::Mul(hn::ConvertTo(d, hn::BitCast(di, word)), hn::Set(d, 0x1p-53));
    hn::StoreU(hn::MulAdd(x, hn::Set(d, range), hn::Set(d, from)), d, out + i);
  }
  return i;
}

// out[0, n) uniform in [from, to).
template <class T>
void FillUniform(Draws& draws, T* out, size_t n, T from, T to) {
  constexpr size_t kWords = sizeof(T) / 4;
  HWY_ALIGN uint32_t bits[kBlock];
  while (n > 0) {
    const size_t m = n < kBlock / kWords ? n : kBlock / kWords;
    draws.Fill(bits, m * kWords);
    const size_t i = UniformRun(hn::ScalableTag<T>(), bits, out, 0, m, to - from, from);
    UniformRun(hn::CappedTag<T, 1>(), bits, out, i, m, to - from, from);
    out += m;
    n -= m;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
