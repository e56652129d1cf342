// Comparisons and predicates: out is bool. To add one, see tile-inl.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/compare.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/all.h"
#include "kernels/tile-inl.h"

#ifndef TENFOLD_COMPARE_LISTS
#define TENFOLD_COMPARE_LISTS
// float32, float64, int32, int64. & and |, not && and ||, so that the loop has no branch.
#define TENFOLD_COMPARE_2(OP)             \
  OP(eq, 1, a == b)                       \
  OP(ne, 1, a != b)                       \
  OP(lt, 1, a < b)                        \
  OP(le, 1, a <= b)                       \
  OP(gt, 1, a > b)                        \
  OP(ge, 1, a >= b)                       \
  OP(logicalAnd, 1, (a != 0) & (b != 0))  \
  OP(logicalOr, 1, (a != 0) | (b != 0))   \
  OP(logicalXor, 1, (a != 0) != (b != 0)) \
  OP(isclose, 2, IsClose(a, b, p[0], p[1], p[2] != 0))
#define TENFOLD_COMPARE_1(OP)                \
  OP(logicalNot, 1, x == 0)                  \
  OP(isnan, 1, x != x)                       \
  OP(isinf, 1, IsInfinite(x))                \
  OP(isfinite, 1, (x == x) & !IsInfinite(x)) \
  OP(isposinf, 1, (x > 0) & IsInfinite(x))   \
  OP(isneginf, 1, (x < 0) & IsInfinite(x))   \
  OP(signbit, 1, HasSign(x))
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

HWY_INLINE bool IsInfinite(float x) { return (x > 3.402823466e38f) | (x < -3.402823466e38f); }
HWY_INLINE bool IsInfinite(double x) { return (x > 1.7976931348623157e308) | (x < -1.7976931348623157e308); }
HWY_INLINE bool IsInfinite(int32_t) { return false; }
HWY_INLINE bool IsInfinite(int64_t) { return false; }
HWY_INLINE bool HasSign(float x) { return __builtin_signbit(x) != 0; }
HWY_INLINE bool HasSign(double x) { return __builtin_signbit(x) != 0; }
HWY_INLINE bool HasSign(int32_t x) { return x < 0; }
HWY_INLINE bool HasSign(int64_t x) { return x < 0; }

// |a - b| <= atol + rtol |b| in the tensor's own precision; integers in double.
template <class T>
HWY_INLINE bool IsClose(T a, T b, double rtol, double atol, bool equalNan) {
  using F = std::conditional_t<std::is_same_v<T, float>, float, double>;
  const F allowed = static_cast<F>(atol) + static_cast<F>(rtol) * (b < 0 ? -static_cast<F>(b) : static_cast<F>(b));
  const F difference = static_cast<F>(a) - static_cast<F>(b);
  const F distance = difference < 0 ? -difference : difference;
  return (a == b) | ((distance <= allowed) & !IsInfinite(distance) & !IsInfinite(b)) | (equalNan & (a != a) & (b != b));
}

namespace numbers {
TENFOLD_COMPARE_1(TENFOLD_NUMBER_1)
TENFOLD_COMPARE_2(TENFOLD_NUMBER_2)
}  // namespace numbers

#define TENFOLD_ROWS_1(NAME, COST, ...)                              \
  NumberRow<numbers::NAME, float, Bool, float>(#NAME, COST),         \
      NumberRow<numbers::NAME, double, Bool, double>(#NAME, COST),   \
      NumberRow<numbers::NAME, int32_t, Bool, int32_t>(#NAME, COST), \
      NumberRow<numbers::NAME, int64_t, Bool, int64_t>(#NAME, COST),
#define TENFOLD_ROWS_2(NAME, COST, ...)                                       \
  NumberRow<numbers::NAME, float, Bool, float, float>(#NAME, COST),           \
      NumberRow<numbers::NAME, double, Bool, double, double>(#NAME, COST),    \
      NumberRow<numbers::NAME, int32_t, Bool, int32_t, int32_t>(#NAME, COST), \
      NumberRow<numbers::NAME, int64_t, Bool, int64_t, int64_t>(#NAME, COST),
constexpr Kernel kCompare[] = {TENFOLD_COMPARE_2(TENFOLD_ROWS_2) TENFOLD_COMPARE_1(TENFOLD_ROWS_1)};
#undef TENFOLD_ROWS_1
#undef TENFOLD_ROWS_2

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable compareKernels(int64_t target) {
  const auto& table = *TENFOLD_FOR_TARGET(target, kCompare);
  return {table, sizeof(table) / sizeof(table[0])};
}
}  // namespace tenfold
#endif
