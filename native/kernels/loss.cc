// Losses before their mean or sum, and their backwards (grad first; grad may be one broadcast element). To add one, see
// tile-inl.h. x is the prediction, y the target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/loss.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/all.h"
#include "kernels/math-inl.h"

#ifndef TENFOLD_LOSS_LISTS
#define TENFOLD_LOSS_LISTS
// float32, float64; x, y
#define TENFOLD_LOSSES(OP)                                                                \
  OP(mseLoss, 1, Mul(Sub(x, y), Sub(x, y)))                                               \
  OP(l1Loss, 1, Abs(Sub(x, y)))                                                           \
  OP(smoothL1Loss, 1, SmoothL1(d, Abs(Sub(x, y)), p[0])) /* beta */                       \
  OP(huberLoss, 1, Huber(d, Abs(Sub(x, y)), p[0]))       /* delta */                      \
  OP(binaryCrossEntropy, 3, BinaryCrossEntropy(d, x, y))                                  \
  OP(binaryCrossEntropyWithLogits, 2, MulAdd(Sub(C(d, 1), y), x, SoftplusNegative(d, x))) \
  OP(softMarginLoss, 2, SoftplusNegative(d, Mul(x, y)))
// x, y, weight of the positive class
#define TENFOLD_LOSSES_WEIGHTED(OP)            \
  OP(binaryCrossEntropyWithLogitsPosWeight, 2, \
     MulAdd(Sub(C(d, 1), y), x, Mul(MulAdd(Sub(w, C(d, 1)), y, C(d, 1)), SoftplusNegative(d, x))))
// grad, x, y; p[0] is a factor of grad: 1 / n after a mean
#define TENFOLD_LOSS_BACKWARDS(OP)                                                                          \
  OP(mseLossBackward, 1, Mul(Mul(C(d, p[0]), Sub(x, y)), grad)) /* 2, or 2 / n */                           \
  OP(l1LossBackward, 1, Mul(Mul(C(d, p[0]), grad), Sign(d, Sub(x, y))))                                     \
  OP(smoothL1LossBackward, 1, Mul(Mul(C(d, p[0]), grad), Slope(d, Sub(x, y), p[1], 1))) /* factor, beta */  \
  OP(huberLossBackward, 1, Mul(Mul(C(d, p[0]), grad), Slope(d, Sub(x, y), p[1], p[1]))) /* factor, delta */ \
  OP(binaryCrossEntropyBackward, 1,                                                                         \
     Mul(Mul(C(d, p[0]), grad), Div(Sub(x, y), Greater(C(d, 1e-12f), Mul(Sub(C(d, 1), x), x)))))            \
  OP(binaryCrossEntropyWithLogitsBackward, 2, Mul(Mul(C(d, p[0]), grad), Sub(Sigmoid(d, x), y)))            \
  OP(softMarginLossBackward, 2, Neg(Mul(Mul(C(d, p[0]), grad), Mul(y, Sigmoid(d, Neg(Mul(x, y)))))))
// grad, x, y, weight of the positive class
#define TENFOLD_LOSS_BACKWARDS_WEIGHTED(OP)            \
  OP(binaryCrossEntropyWithLogitsPosWeightBackward, 2, \
     Mul(Mul(C(d, p[0]), grad), Sub(Mul(Add(Mul(w, y), Sub(C(d, 1), y)), Sigmoid(d, x)), Mul(w, y))))

#define TENFOLD_LOSS(NAME, COST, ...) TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V x, V y), __VA_ARGS__)
#define TENFOLD_LOSS_WEIGHTED(NAME, COST, ...) \
  TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V x, V y, V w), __VA_ARGS__)
#define TENFOLD_LOSS_BACKWARD(NAME, COST, ...) \
  TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V grad, V x, V y), __VA_ARGS__)
#define TENFOLD_LOSS_BACKWARD_WEIGHTED(NAME, COST, ...) \
  TENFOLD_VECTOR_FUNCTOR(NAME, (D d, const double* p, V grad, V x, V y, V w), __VA_ARGS__)
#endif

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

template <class D, class V>
HWY_INLINE V Sign(D d, V x) {
  return Sub(IfThenElseZero(Gt(x, Zero(d)), C(d, 1)), IfThenElseZero(Lt(x, Zero(d)), C(d, 1)));
}
template <class D, class V>
HWY_INLINE V SmoothL1(D d, V distance, double beta) {
  const V near = Div(Mul(Mul(C(d, 0.5), distance), distance), C(d, beta));
  return IfThenElse(Lt(distance, C(d, beta)), near, Sub(distance, C(d, 0.5 * beta)));
}
template <class D, class V>
HWY_INLINE V Huber(D d, V distance, double delta) {
  const V near = Mul(Mul(C(d, 0.5), distance), distance);
  return IfThenElse(Le(distance, C(d, delta)), near, Mul(C(d, delta), Sub(distance, C(d, 0.5 * delta))));
}
// A line through 0 that stays at -height and height beyond -width and width.
template <class D, class V>
HWY_INLINE V Slope(D d, V x, double width, double height) {
  const V inner = width == height ? x : Div(x, C(d, width));
  const V low = IfThenElse(Lt(x, C(d, -width)), C(d, -height), inner);
  return IfThenElse(Gt(x, C(d, width)), C(d, height), low);
}
// Logarithms end at -100, as PyTorch's do, so that a sure and wrong prediction costs much but not infinitely much.
template <class D, class V>
HWY_INLINE V BinaryCrossEntropy(D d, V x, V y) {
  const V logYes = Greater(C(d, -100), Log(d, x));
  const V logNo = Greater(C(d, -100), Log1p(d, Neg(x)));
  return NegMulAdd(y, logYes, Mul(Sub(y, C(d, 1)), logNo));
}
// log(1 + e^-x)
template <class D, class V>
HWY_INLINE V SoftplusNegative(D d, V x) {
  return Add(Greater(Zero(d), Neg(x)), Log1p(d, Exp(d, Neg(Abs(x)))));
}

namespace vectors {
TENFOLD_LOSSES(TENFOLD_LOSS)
TENFOLD_LOSSES_WEIGHTED(TENFOLD_LOSS_WEIGHTED)
TENFOLD_LOSS_BACKWARDS(TENFOLD_LOSS_BACKWARD)
TENFOLD_LOSS_BACKWARDS_WEIGHTED(TENFOLD_LOSS_BACKWARD_WEIGHTED)
}  // namespace vectors

#define TENFOLD_ROWS_2(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 2>(#NAME, COST), VectorRow<vectors::NAME, double, 2>(#NAME, COST),
#define TENFOLD_ROWS_3(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 3>(#NAME, COST), VectorRow<vectors::NAME, double, 3>(#NAME, COST),
#define TENFOLD_ROWS_4(NAME, COST, ...) \
  VectorRow<vectors::NAME, float, 4>(#NAME, COST), VectorRow<vectors::NAME, double, 4>(#NAME, COST),
constexpr Kernel kLoss[] = {TENFOLD_LOSSES(TENFOLD_ROWS_2) TENFOLD_LOSSES_WEIGHTED(TENFOLD_ROWS_3)
                                TENFOLD_LOSS_BACKWARDS(TENFOLD_ROWS_3) TENFOLD_LOSS_BACKWARDS_WEIGHTED(TENFOLD_ROWS_4)};
#undef TENFOLD_ROWS_2
#undef TENFOLD_ROWS_3
#undef TENFOLD_ROWS_4

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable lossKernels(int64_t target) {
  const auto& table = *TENFOLD_FOR_TARGET(target, kLoss);
  return {table, sizeof(table) / sizeof(table[0])};
}
}  // namespace tenfold
#endif
