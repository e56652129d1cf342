#include "distributed/reduce.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tenfold::distributed {
namespace {

float floatOf(BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

// To the nearest, ties to even; NaN stays NaN.
BFloat16 bfloat16Of(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return {static_cast<uint16_t>(f != f ? 0x7fc0 : rounded)};
}

float floatOf(Half x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16, rest = x.bits & 0x7fff;
  float f;
  if (rest >= 0x7c00) {  // infinity, NaN
    const uint32_t bits = sign | 0x7f800000 | (rest & 0x3ff) << 13;
    std::memcpy(&f, &bits, sizeof f);
  } else if (rest >= 0x400) {
    const uint32_t bits = sign | ((rest << 13) + ((127 - 15) << 23));
    std::memcpy(&f, &bits, sizeof f);
  } else {  // subnormal, or zero
    f = static_cast<float>(rest) * 0x1p-24f;
    if (sign) f = -f;
  }
  return f;
}

// To the nearest, ties to even.
Half halfOf(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return {static_cast<uint16_t>(sign | 0x7e00)};
  if (rest >= 0x477ff000) return {static_cast<uint16_t>(sign | 0x7c00)};  // from 65520 on: infinity
  if (rest >= 0x38800000) {                                               // a normal number
    const uint32_t rounded = rest - ((127 - 15) << 23) + 0xfff + (rest >> 13 & 1);
    return {static_cast<uint16_t>(sign | rounded >> 13)};
  }
  // Counted in 2^-24, by an addition that rounds there.
  float magnitude;
  std::memcpy(&magnitude, &rest, sizeof magnitude);
  magnitude += 0.5f;
  std::memcpy(&bits, &magnitude, sizeof bits);
  return {static_cast<uint16_t>(sign | (bits - 0x3f000000))};
}

// What a dtype is computed in, there and back.
template <class T>
T wide(T x) {
  return x;
}
float wide(BFloat16 x) { return floatOf(x); }
float wide(Half x) { return floatOf(x); }
uint8_t wide(Bool x) { return x.byte != 0; }
template <class T, class W>
T narrow(W x) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return bfloat16Of(x);
  } else if constexpr (std::is_same_v<T, Half>) {
    return halfOf(x);
  } else if constexpr (std::is_same_v<T, Bool>) {
    return {static_cast<uint8_t>(x != 0)};
  } else {
    return static_cast<T>(x);
  }
}

// Integers wrap around, so they are added as what has no sign.
template <class W>
auto modular(W x) {
  if constexpr (std::is_integral_v<W>) {
    return static_cast<std::conditional_t<sizeof(W) == 8, uint64_t, uint32_t>>(x);
  } else {
    return x;
  }
}

struct Sum {
  template <class W>
  static auto of(W a, W b) {
    return modular(a) + modular(b);
  }
};
struct Product {
  template <class W>
  static auto of(W a, W b) {
    return modular(a) * modular(b);
  }
};
// NaN wins, on whichever side it stands.
struct Min {
  template <class W>
  static W of(W a, W b) {
    return b < a || b != b ? (a != a ? a : b) : a;
  }
};
struct Max {
  template <class W>
  static W of(W a, W b) {
    return a < b || b != b ? (a != a ? a : b) : a;
  }
};
struct BitAnd {
  template <class W>
  static W of(W a, W b) {
    return static_cast<W>(a & b);
  }
};
struct BitOr {
  template <class W>
  static W of(W a, W b) {
    return static_cast<W>(a | b);
  }
};
struct BitXor {
  template <class W>
  static W of(W a, W b) {
    return static_cast<W>(a ^ b);
  }
};

template <class T, class F>
void loop(void* out, const void* a, const void* b, size_t n) {
  T* to = static_cast<T*>(out);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
  for (size_t i = 0; i < n; ++i) to[i] = narrow<T>(F::of(wide(x[i]), wide(y[i])));
}

#if defined(__x86_64__)
// Sums of halves by the processor's own conversions, where it has them: 8 at a time.
__attribute__((target("avx,f16c"))) void sumHalves(void* out, const void* a, const void* b, size_t n) {
  Half* to = static_cast<Half*>(out);
  const Half *x = static_cast<const Half*>(a), *y = static_cast<const Half*>(b);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 p = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)));
    const __m256 q = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(y + i)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                     _mm256_cvtps_ph(_mm256_add_ps(p, q), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  for (; i < n; ++i) to[i] = halfOf(floatOf(x[i]) + floatOf(y[i]));
}
#endif

template <class T>
ReduceFn functionOf(Reduce reduce) {
  switch (reduce) {
    case Reduce::sum:
#if defined(__x86_64__)
      if (std::is_same_v<T, Half> && __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c")) return sumHalves;
#endif
      return loop<T, Sum>;
    case Reduce::product:
      return loop<T, Product>;
    case Reduce::min:
      return loop<T, Min>;
    case Reduce::max:
      return loop<T, Max>;
    default:
      break;
  }
  if constexpr (std::is_integral_v<decltype(wide(T{}))>) {
    if (reduce == Reduce::band) return loop<T, BitAnd>;
    if (reduce == Reduce::bor) return loop<T, BitOr>;
    if (reduce == Reduce::bxor) return loop<T, BitXor>;
  }
  return nullptr;
}

template <class T>
void divideAll(void* values, size_t n, int by) {
  T* x = static_cast<T*>(values);
  for (size_t i = 0; i < n; ++i) x[i] = narrow<T>(wide(x[i]) / static_cast<decltype(wide(T{}))>(by));
}

}  // namespace

void divide(DType dtype, void* values, size_t n, int by) {
  switch (dtype) {
    case DType::f32:
      return divideAll<float>(values, n, by);
    case DType::f64:
      return divideAll<double>(values, n, by);
    case DType::f16:
      return divideAll<Half>(values, n, by);
    case DType::bf16:
      return divideAll<BFloat16>(values, n, by);
    default:
      return;
  }
}

ReduceFn reduceFunction(DType dtype, Reduce reduce) {
  switch (dtype) {
    case DType::f32:
      return functionOf<float>(reduce);
    case DType::f64:
      return functionOf<double>(reduce);
    case DType::i64:
      return functionOf<int64_t>(reduce);
    case DType::i32:
      return functionOf<int32_t>(reduce);
    case DType::u8:
      return functionOf<uint8_t>(reduce);
    case DType::b8:
      return functionOf<Bool>(reduce);
    case DType::i8:
      return functionOf<int8_t>(reduce);
    case DType::i16:
      return functionOf<int16_t>(reduce);
    case DType::f16:
      return functionOf<Half>(reduce);
    case DType::bf16:
      return functionOf<BFloat16>(reduce);
  }
  return nullptr;
}

}  // namespace tenfold::distributed
