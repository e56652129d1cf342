// Casts between all dtypes, as PyTorch casts: float to integer cuts off, integers that do not fit wrap around, anything
// to bool is != 0, float16 and bfloat16 round to even.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cast.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>

#include "kernels/all.h"
#include "kernels/tile-inl.h"
#include "loops/cast.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

template <class To, class From>
HWY_INLINE To BitsAs(From from) {
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

// The two 16-bit formats, without branches, so that the loops become vectors on every target.
HWY_INLINE float ToFloat(BFloat16 x) { return BitsAs<float>(static_cast<uint32_t>(x.bits) << 16); }
HWY_INLINE float ToFloat(Half x) {
  const uint32_t magnitude = static_cast<uint32_t>(x.bits & 0x7fff) << 13;
  // Exponents 1 to 30 are rebiased by a multiplication, which makes normal numbers of subnormal ones, too.
  const float finite = BitsAs<float>(magnitude) * 0x1p112f;
  const uint32_t special = magnitude | 0x7f800000u;
  const uint32_t bits = magnitude >= 0x0f800000u ? special : BitsAs<uint32_t>(finite);
  return BitsAs<float>(bits | static_cast<uint32_t>(x.bits & 0x8000) << 16);
}
HWY_INLINE BFloat16 ToBFloat16(float x) {
  const uint32_t bits = BitsAs<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return {static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 | (bits >> 16 & 0x8000) : rounded)};
}
HWY_INLINE Half ToHalf(float x) {
  const uint32_t bits = BitsAs<uint32_t>(x);
  const uint32_t magnitude = bits & 0x7fffffff;
  // Normal results: rebias, round to even at bit 13; a carry walks into the exponent, up to infinity.
  const uint32_t normal = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  // Subnormal ones: adding 1/2 shifts the fraction to where float addition rounds it.
  const uint32_t subnormal = BitsAs<uint32_t>(BitsAs<float>(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x47800000u ? 0x7c00u : half;
  half = magnitude > 0x7f800000u ? 0x7e00u : half;
  return {static_cast<uint16_t>(half | (bits >> 16 & 0x8000))};
}

// What C++ leaves undefined is what the processor gives: the lowest number.
template <class To, class F>
HWY_INLINE To Truncate(F x) {
  constexpr F kLow = static_cast<F>(std::numeric_limits<To>::min());
  return static_cast<To>((x >= kLow) & (x < -kLow) ? x : kLow);
}

template <class T>
HWY_INLINE T Load(T x) {
  return x;
}
HWY_INLINE uint8_t Load(Bool x) { return x.byte; }
HWY_INLINE float Load(Half x) { return ToFloat(x); }
HWY_INLINE float Load(BFloat16 x) { return ToFloat(x); }

template <class To, class T>
HWY_INLINE To Convert(T x) {
  if constexpr (std::is_same_v<To, Bool>)
    return Bool{static_cast<uint8_t>(x != 0)};
  else if constexpr (std::is_same_v<To, Half>)
    return ToHalf(static_cast<float>(x));
  else if constexpr (std::is_same_v<To, BFloat16>)
    return ToBFloat16(static_cast<float>(x));
  else if constexpr (std::is_floating_point_v<T> && std::is_same_v<To, int64_t>)
    return Truncate<int64_t>(x);
  else if constexpr (std::is_floating_point_v<T> && std::is_integral_v<To>)
    return static_cast<To>(Truncate<int32_t>(x));
  else
    return static_cast<To>(x);
}

template <class From, class To>
void CastTile(void* out, const void* in, size_t n) {
  const From* const from = static_cast<const From*>(in);
  To* const to = static_cast<To*>(out);
  if constexpr (std::is_same_v<From, To>) {
    std::memmove(to, from, n * sizeof(To));
  } else {
    TENFOLD_INDEPENDENT
    for (size_t i = 0; i < n; ++i) to[i] = Convert<To>(Load(from[i]));
  }
}

#define TENFOLD_CASTS(FROM)                                                                                 \
  {                                                                                                         \
    &CastTile<FROM, float>, &CastTile<FROM, double>, &CastTile<FROM, int64_t>, &CastTile<FROM, int32_t>,    \
        &CastTile<FROM, uint8_t>, &CastTile<FROM, Bool>, &CastTile<FROM, int8_t>, &CastTile<FROM, int16_t>, \
        &CastTile<FROM, Half>, &CastTile<FROM, BFloat16>                                                    \
  }
// [from][to], in the order of DType
using CastFn = void (*)(void* out, const void* in, size_t n);
constexpr CastFn kCasts[kDTypes][kDTypes] = {
    TENFOLD_CASTS(float),   TENFOLD_CASTS(double),   TENFOLD_CASTS(int64_t), TENFOLD_CASTS(int32_t),
    TENFOLD_CASTS(uint8_t), TENFOLD_CASTS(Bool),     TENFOLD_CASTS(int8_t),  TENFOLD_CASTS(int16_t),
    TENFOLD_CASTS(Half),    TENFOLD_CASTS(BFloat16),
};
#undef TENFOLD_CASTS

void Cast(DType outType, void* out, DType inType, const void* in, size_t n) {
  kCasts[static_cast<int>(inType)][static_cast<int>(outType)](out, in, n);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
CastTileFn castTileFor(int64_t target) { return TENFOLD_FOR_TARGET(target, Cast); }
void castTile(DType outType, void* out, DType inType, const void* in, size_t n) {
  static const CastTileFn cast = castTileFor(chosenTarget());
  cast(outType, out, inType, in, n);
}
}  // namespace tenfold
#endif
