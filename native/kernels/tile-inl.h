// Tile loops and table rows: what stands between a one-line functor and a Kernel. Included once per instruction set.
//
// To add an op, write one line in the list of its file (unary.cc, binary.cc, …): name, cost, expression. Floating-point
// expressions are on vectors: `d` is Highway's tag, `p` the call's scalars, x or a, b, c the inputs; Highway's
// functions and those of math-inl.h need no prefix. Integer expressions are on plain numbers of type T, and must not
// overflow as signed ones do: U(a) is a as unsigned.
#include <type_traits>
#include <utility>

#include <hwy/highway.h>

#include "kernel.h"
#include "simd/cpu.h"

#if defined(TENFOLD_KERNELS_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_KERNELS_TILE_INL_H_
#undef TENFOLD_KERNELS_TILE_INL_H_
#else
#define TENFOLD_KERNELS_TILE_INL_H_
#endif

// The iterations of the next loop don't depend on each other, though out may be the memory of an input: without it
// compilers take a scalar loop for in-place calls.
#ifndef TENFOLD_INDEPENDENT
#if defined(__clang__)
#define TENFOLD_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define TENFOLD_INDEPENDENT _Pragma("GCC ivdep")
#endif
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kMaxParams = 4;

// The lesser and the greater of two, and the second where one is NaN, so that Greater(low, Lesser(high, x)) lets NaN
// pass. That is how x86's instructions have it; Highway leaves NaN to the processor, and NEON's give the number.
template <class V>
HWY_INLINE V Lesser(V a, V b) {
#if HWY_ARCH_X86
  return hn::Min(a, b);
#else
  return hn::IfThenElse(hn::Lt(a, b), a, b);
#endif
}
template <class V>
HWY_INLINE V Greater(V a, V b) {
#if HWY_ARCH_X86
  return hn::Max(a, b);
#else
  return hn::IfThenElse(hn::Gt(a, b), a, b);
#endif
}

// The first `count` (fewer than a vector) elements at `from`, zeros behind them; touches nothing else.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadFirst(D d, const T* from, size_t count) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(d, count), d, from);
#else
  HWY_ALIGN T lanes[hn::MaxLanes(d)] = {};
  for (size_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(d, lanes);
#endif
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE void StoreFirst(hn::Vec<D> v, D d, T* to, size_t count) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(d, count), d, to);
#else
  HWY_ALIGN T lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  for (size_t i = 0; i < count; ++i) to[i] = lanes[i];
#endif
}

// Scalars of a call, copied so that the compiler knows that no store changes them.
struct Params {
  explicit Params(const double* from) {
    for (int i = 0; i < kMaxParams; ++i) values[i] = from[i];
  }
  double values[kMaxParams];
};

// out[i] = Op(in[0][i], …), a vector at a time. The last, partial vector goes through the same code as the others:
// a second copy of the arithmetic would double what has to be compiled and gained nothing measurable.
template <class Op, class T, size_t... I>
HWY_INLINE void MapVectors(void* out, const void* const* in, size_t n, const double* params,
                           std::index_sequence<I...>) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const Params p(params);
  const T* const from[] = {static_cast<const T*>(in[I])...};
  T* const to = static_cast<T*>(out);
  for (size_t i = 0; i < n; i += lanes) {
    const size_t rest = n - i;
    if (HWY_LIKELY(rest >= lanes)) {
      hn::StoreU(Op()(d, p.values, hn::LoadU(d, from[I] + i)...), d, to + i);
    } else {
      StoreFirst(Op()(d, p.values, LoadFirst(d, from[I] + i, rest)...), d, to + i, rest);
    }
  }
}
template <class Op, class T, size_t kInputs>
void VectorTile(void* out, const void* const* in, size_t n, const double* params) {
  MapVectors<Op, T>(out, in, n, params, std::make_index_sequence<kInputs>());
}

// The type that a dtype's elements are read and written as: bool is a byte that is 0 or 1.
template <class T>
struct MemoryOf {
  using type = T;
};
template <>
struct MemoryOf<Bool> {
  using type = uint8_t;
};
template <class T>
using Memory = typename MemoryOf<T>::type;

// out[i] = Op(in[0][i], …), a number at a time, in a loop that the compiler turns into vectors where it can.
template <class Op, class Out, class... In, size_t... I>
HWY_INLINE void MapNumbers(void* out, const void* const* in, size_t n, const double* params,
                           std::index_sequence<I...>) {
  const Params p(params);
  const void* const from[] = {in[I]...};
  Memory<Out>* const to = static_cast<Memory<Out>*>(out);
  TENFOLD_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    to[i] = static_cast<Memory<Out>>(Op()(p.values, static_cast<const Memory<In>*>(from[I])[i]...));
  }
}
template <class Op, class Out, class... In>
void NumberTile(void* out, const void* const* in, size_t n, const double* params) {
  MapNumbers<Op, Out, In...>(out, in, n, params, std::index_sequence_for<In...>());
}

// Rows of a table. `cost` is the float32 one, in ns per 4 elements.
template <class Op, class T, int kInputs>
constexpr Kernel VectorRow(const char* name, int cost) {
  Kernel k = {name,    DTypeOf<T>::value,           nullptr,
              nullptr, &VectorTile<Op, T, kInputs>, kInputs,
              {},      DTypeOf<T>::value,           cost * static_cast<int>(sizeof(T) / 4)};
  for (int i = 0; i < kInputs; ++i) k.in[i] = DTypeOf<T>::value;
  return k;
}
template <class Op, class T, class Out, class... In>
constexpr Kernel NumberRow(const char* name, int cost) {
  return {name,
          DTypeOf<T>::value,
          nullptr,
          nullptr,
          &NumberTile<Op, Out, In...>,
          sizeof...(In),
          {DTypeOf<In>::value...},
          DTypeOf<Out>::value,
          cost};
}

// A scalar as a vector.
template <class D>
HWY_INLINE hn::Vec<D> C(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}
template <class T>
constexpr std::make_unsigned_t<T> U(T a) {
  return static_cast<std::make_unsigned_t<T>>(a);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

// Functors from the lists: OP(name, cost, expression).
#ifndef TENFOLD_VECTOR_FUNCTOR
#define TENFOLD_VECTOR_FUNCTOR(NAME, ARGS, ...) \
  struct NAME {                                 \
    template <class D, class V = hn::Vec<D>>    \
    HWY_INLINE V operator() ARGS const {        \
      (void)d, (void)p;                         \
      return __VA_ARGS__;                       \
    }                                           \
  };
#define TENFOLD_VECTOR_1(NAME, COST, ...) TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V x), __VA_ARGS__)
#define TENFOLD_VECTOR_2(NAME, COST, ...) TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V a, V b), __VA_ARGS__)
#define TENFOLD_VECTOR_3(NAME, COST, ...) \
  TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V a, V b, V c), __VA_ARGS__)
#define TENFOLD_VECTOR_4(NAME, COST, ...) \
  TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V a, V b, V c, V e), __VA_ARGS__)

#define TENFOLD_NUMBER_FUNCTOR(NAME, ARGS, ...) \
  struct NAME {                                 \
    template <class T>                          \
    HWY_INLINE auto operator() ARGS const {     \
      (void)p;                                  \
      return __VA_ARGS__;                       \
    }                                           \
  };
#define TENFOLD_NUMBER_1(NAME, COST, ...) TENFOLD_NUMBER_FUNCTOR(NAME, (const double* p, T x), __VA_ARGS__)
#define TENFOLD_NUMBER_2(NAME, COST, ...) TENFOLD_NUMBER_FUNCTOR(NAME, (const double* p, T a, T b), __VA_ARGS__)
#define TENFOLD_NUMBER_3(NAME, COST, ...) TENFOLD_NUMBER_FUNCTOR(NAME, (const double* p, T a, T b, T c), __VA_ARGS__)
#endif

#endif  // TENFOLD_KERNELS_TILE_INL_H_
