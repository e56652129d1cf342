// Three inputs: where, clamp, lerp, addcmul. To add one, see tile-inl.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/ternary.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/all.h"
#include "kernels/tile-inl.h"

#ifndef TENFOLD_TERNARY_LISTS
#define TENFOLD_TERNARY_LISTS
// float32, float64
#define TENFOLD_TERNARY_FLOAT(OP)                    \
  OP(addcmul, 1, MulAdd(Mul(C(d, p[0]), b), c, a))   \
  OP(addcdiv, 1, Add(a, Div(Mul(C(d, p[0]), b), c))) \
  OP(lerp, 1, Lerp(d, a, b, c))                      \
  OP(clamp, 1, IfThenElse(Or(IsNaN(a), Or(IsNaN(b), IsNaN(c))), Add(Add(a, b), c), Lesser(Greater(a, b), c)))
#define TENFOLD_LERP_SCALAR(OP) OP(lerpScalar, 1, Lerp(d, a, b, C(d, p[0])))
// int32, int64
#define TENFOLD_TERNARY_INT(OP)                      \
  OP(addcmul, 1, T(U(a) + U(T(p[0])) * U(b) * U(c))) \
  OP(clamp, 1, (a < b ? b : a) > c ? c : (a < b ? b : a))
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

// From the nearer end, so that weights 0 and 1 give the ends themselves.
template <class D, class V>
HWY_INLINE V Lerp(D d, V start, V end, V weight) {
  const V distance = Sub(end, start);
  const V fromStart = MulAdd(weight, distance, start);
  const V fromEnd = NegMulAdd(distance, Sub(C(d, 1), weight), end);
  return IfThenElse(Lt(weight, C(d, 0.5)), fromStart, fromEnd);
}

namespace vectors {
TENFOLD_TERNARY_FLOAT(TENFOLD_VECTOR_3)
TENFOLD_LERP_SCALAR(TENFOLD_VECTOR_2)
}  // namespace vectors
namespace numbers {
TENFOLD_TERNARY_INT(TENFOLD_NUMBER_3)
struct where {
  template <class T>
  HWY_INLINE T operator()(const double*, uint8_t condition, T a, T b) const {
    return condition ? a : b;
  }
};
}  // namespace numbers

#define TENFOLD_FLOATS(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 3>(#NAME, COST), VectorRow<vectors::NAME, double, 3>(#NAME, COST),
#define TENFOLD_FLOATS_2(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 2>(#NAME, COST), VectorRow<vectors::NAME, double, 2>(#NAME, COST),
#define TENFOLD_INTS(NAME, COST, ...)                                                 \
  NumberRow<numbers::NAME, int32_t, int32_t, int32_t, int32_t, int32_t>(#NAME, COST), \
      NumberRow<numbers::NAME, int64_t, int64_t, int64_t, int64_t, int64_t>(#NAME, COST),
constexpr Kernel kTernary[] = {
    TENFOLD_TERNARY_FLOAT(TENFOLD_FLOATS) TENFOLD_LERP_SCALAR(TENFOLD_FLOATS_2) TENFOLD_TERNARY_INT(TENFOLD_INTS)
        NumberRow<numbers::where, float, float, Bool, float, float>("where", 1),
    NumberRow<numbers::where, double, double, Bool, double, double>("where", 2),
    NumberRow<numbers::where, int32_t, int32_t, Bool, int32_t, int32_t>("where", 1),
    NumberRow<numbers::where, int64_t, int64_t, Bool, int64_t, int64_t>("where", 2),
};
#undef TENFOLD_FLOATS
#undef TENFOLD_FLOATS_2
#undef TENFOLD_INTS

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable ternaryKernels(int64_t target) {
  const auto& table = *TENFOLD_FOR_TARGET(target, kTernary);
  return {table, sizeof(table) / sizeof(table[0])};
}
}  // namespace tenfold
#endif
