// Stand-in until the vectorised casts land: any dtype to any dtype, one number at a time.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "dtype.h"

namespace tenfold {
namespace slow {
inline float toFloat(Half h) {
  const uint32_t s = (h.bits & 0x8000u) << 16, e = (h.bits >> 10) & 31, m = h.bits & 0x3ff;
  if (e == 0) return (s ? -1.f : 1.f) * std::ldexp(static_cast<float>(m), -24);
  const uint32_t b = e == 31 ? s | 0x7f800000u | (m << 13) : s | ((e + 112) << 23) | (m << 13);
  float f;
  std::memcpy(&f, &b, 4);
  return f;
}
inline float toFloat(BFloat16 h) {
  const uint32_t b = static_cast<uint32_t>(h.bits) << 16;
  float f;
  std::memcpy(&f, &b, 4);
  return f;
}
inline float toFloat(Bool b) { return b.byte; }
template <class T> T read(T x) { return x; }
inline float read(Half x) { return toFloat(x); }
inline float read(BFloat16 x) { return toFloat(x); }
inline uint8_t read(Bool x) { return x.byte; }
template <class T, class S> T write(S x) {
  if constexpr (std::is_same_v<T, Bool>) return Bool{static_cast<uint8_t>(x != 0)};
  else if constexpr (std::is_same_v<T, BFloat16>) {
    const float f = static_cast<float>(x);
    uint32_t b;
    std::memcpy(&b, &f, 4);
    if (f != f) return BFloat16{0x7fc0};
    return BFloat16{static_cast<uint16_t>((b + 0x7fff + ((b >> 16) & 1)) >> 16)};
  } else if constexpr (std::is_same_v<T, Half>) {
    const float f = static_cast<float>(x);
    uint32_t b;
    std::memcpy(&b, &f, 4);
    const uint16_t s = static_cast<uint16_t>((b >> 16) & 0x8000);
    const float a = std::fabs(f);
    if (f != f) return Half{static_cast<uint16_t>(s | 0x7e00)};
    if (a >= 65520.f) return Half{static_cast<uint16_t>(s | 0x7c00)};
    if (a < 6.103515625e-05f) return Half{static_cast<uint16_t>(s | static_cast<uint16_t>(std::nearbyint(a * 16777216.f)))};
    std::memcpy(&b, &a, 4);
    b += 0xfff + ((b >> 13) & 1);
    return Half{static_cast<uint16_t>(s | ((b - (112u << 23)) >> 13))};
  } else if constexpr (std::is_integral_v<T> && std::is_floating_point_v<S>) {
    return static_cast<T>(static_cast<int64_t>(x));
  } else {
    return static_cast<T>(x);
  }
}
template <class F> void withType(DType t, const F& f) {
  switch (t) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::i64: return f(int64_t{});
    case DType::i32: return f(int32_t{});
    case DType::u8: return f(uint8_t{});
    case DType::b8: return f(Bool{});
    case DType::i8: return f(int8_t{});
    case DType::i16: return f(int16_t{});
    case DType::f16: return f(Half{});
    case DType::bf16: return f(BFloat16{});
  }
}
}  // namespace slow

inline void castTile(DType outType, void* out, DType inType, const void* in, size_t n) {
  slow::withType(outType, [&](auto o) {
    slow::withType(inType, [&](auto i) {
      using O = decltype(o);
      using I = decltype(i);
      for (size_t k = 0; k < n; ++k) {
        static_cast<O*>(out)[k] = slow::write<O>(slow::read(static_cast<const I*>(in)[k]));
      }
    });
  });
}
}  // namespace tenfold
