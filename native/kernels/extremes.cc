// Reductions that pick or fold: amax amin prod any all, max and min with indices, argmax argmin, logsumexp.
// NaN wins over every number, and among equals the first index, as in PyTorch.
// any and all read bools (dtype b8), so that whatever is cast to them is compared with 0 first.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/extremes.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/math-inl.h"
#include "kernels/reduce-inl.h"
#include "simd/cpu.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

// ---- folds ----------------------------------------------------------------------------------------------------------
// op(acc, x) on vectors and on numbers, and what it starts from.

template <class T>
constexpr bool kHasNan = std::numeric_limits<T>::has_infinity;
template <class T>
constexpr T lowest() {
  return kHasNan<T> ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
}
template <class T>
constexpr T highest() {
  return kHasNan<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
}

// The greatest element, or the least.
template <bool kGreatest>
struct Utmost {
  static constexpr bool kOrdered = false;
  template <class V>
  static HWY_INLINE V ofNumbers(V acc, V x) {
    if constexpr (kGreatest) {
      return hn::Max(acc, x);
    } else {
      return hn::Min(acc, x);
    }
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> utmostLane(D d, hn::Vec<D> v) {  // in every lane
    if constexpr (kGreatest) {
      return hn::MaxOfLanes(d, v);
    } else {
      return hn::MinOfLanes(d, v);
    }
  }
  template <class T>
  static constexpr T start() {
    return kGreatest ? lowest<T>() : highest<T>();
  }
  template <class V>
  static HWY_INLINE auto better(V x, V than) {
    if constexpr (kGreatest) {
      return hn::Gt(x, than);
    } else {
      return hn::Lt(x, than);
    }
  }
  template <class D, class V>
  HWY_INLINE V operator()(D, V acc, V x) const {
    if constexpr (kHasNan<hn::TFromD<D>>) {
      return hn::IfThenElse(hn::Or(better(x, acc), hn::IsNaN(x)), x, acc);
    } else {
      return ofNumbers(acc, x);
    }
  }
  template <class T>
  static HWY_INLINE bool betterNumber(T x, T than) {
    return kGreatest ? x > than : x < than;
  }
  template <class T>
  T number(T acc, T x) const {
    acc = betterNumber(x, acc) ? x : acc;  // no branch: which is larger can't be foretold
    return x != x ? x : acc;
  }
};
using Max = Utmost<true>;
using Min = Utmost<false>;

template <bool kGreatest>
struct UtmostMagnitude {
  using Plain = Utmost<kGreatest>;
  static constexpr bool kOrdered = false;
  template <class V>
  static HWY_INLINE V ofNumbers(V acc, V x) {
    return Plain::ofNumbers(acc, hn::Abs(x));
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> utmostLane(D d, hn::Vec<D> v) {
    return Plain::utmostLane(d, v);
  }
  template <class T>
  static constexpr T start() {
    return kGreatest ? T{0} : highest<T>();
  }
  template <class D, class V>
  HWY_INLINE V operator()(D d, V acc, V x) const {
    return Plain()(d, acc, hn::Abs(x));
  }
  template <class T>
  T number(T acc, T x) const {
    return Plain().number(acc, x < 0 ? -x : x);
  }
};
using MaxMagnitude = UtmostMagnitude<true>;
using MinMagnitude = UtmostMagnitude<false>;

struct Product {
  static constexpr bool kOrdered = true;  // products of floats depend on the order
  template <class T>
  static constexpr T start() {
    return 1;
  }
  template <class D, class V>
  HWY_INLINE V operator()(D, V acc, V x) const {
    return acc * x;
  }
  float number(float acc, float x) const { return acc * x; }
  double number(double acc, double x) const { return acc * x; }
  int64_t number(int64_t acc, int64_t x) const {
    return static_cast<int64_t>(static_cast<uint64_t>(acc) * static_cast<uint64_t>(x));
  }
};

// Folds the n lanes of a vector (a multiple of a 16-byte vector's) where the order doesn't count.
template <class Op, class T>
HWY_INLINE T foldLanes(const Op& op, T* lane, int64_t n) {
  constexpr int64_t kShort = 16 / sizeof(T);
  const hn::CappedTag<T, kShort> d;
  auto v = hn::LoadU(d, lane);
  for (int64_t k = kShort; k < n; k += kShort) v = op(d, v, hn::LoadU(d, lane + k));
  hn::StoreU(v, d, lane);
  T all = lane[0];
  for (int64_t k = 1; k < kShort; ++k) all = op.number(all, lane[k]);
  return all;
}

// An extreme of n dense elements, at least eight vectors of them; neither order counts, nor how often one is looked at.
template <class Op>
struct Exactly {
  template <class D, class V>
  HWY_INLINE V operator()(D d, V acc, V x, V&) const {
    return Op()(d, acc, x);
  }
  template <class D, class V>
  HWY_INLINE V join(D d, V a, V b) const {
    return Op()(d, a, b);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE T ofLanes(D d, hn::Vec<D> v) const {
    HWY_ALIGN T part[hn::MaxLanes(d)];
    hn::StoreU(v, d, part);
    return foldLanes(Op(), part, static_cast<int64_t>(hn::Lanes(d)));
  }
};
// As if there were no NaN, but with a sum that becomes NaN where there is one (or where infinities or huge numbers
// meet): half the instructions.
template <class Op>
struct Watching {
  template <class D, class V>
  HWY_INLINE V operator()(D, V acc, V x, V& sum) const {
    sum = hn::Add(sum, x);
    return Op::ofNumbers(acc, x);
  }
  template <class D, class V>
  HWY_INLINE V join(D, V a, V b) const {
    return Op::ofNumbers(a, b);
  }
  template <class D, class T = hn::TFromD<D>>
  HWY_INLINE T ofLanes(D d, hn::Vec<D> v) const {
    return hn::GetLane(Op::utmostLane(d, v));
  }
};
template <class Op, class Step, class T>
T foldLong(const Step& step, const T* x, int64_t n, bool& isNan) {
  constexpr int kVectors = 8;  // in flight: an operation takes several cycles
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> v[kVectors], sum[kVectors];
  for (int k = 0; k < kVectors; ++k) v[k] = hn::Set(d, Op::template start<T>()), sum[k] = hn::Zero(d);
  int64_t i = 0;
  for (; i + kVectors * lanes <= n; i += kVectors * lanes) {
    for (int k = 0; k < kVectors; ++k) v[k] = step(d, v[k], hn::LoadU(d, x + i + k * lanes), sum[k]);
  }
  for (; i + lanes <= n; i += lanes) v[0] = step(d, v[0], hn::LoadU(d, x + i), sum[0]);
  if (i < n) v[1] = step(d, v[1], hn::LoadU(d, x + n - lanes), sum[1]);  // some once more
  for (int half = kVectors / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) v[k] = step.join(d, v[k], v[k + half]), sum[k] = hn::Add(sum[k], sum[k + half]);
  }
  isNan = !hn::AllTrue(d, hn::Eq(sum[0], sum[0]));
  return step.ofLanes(d, v[0]);
}
template <class Op, class T>
T foldLong(const T* x, int64_t n) {
  bool isNan = false;
  if constexpr (kHasNan<T>) {
    const T extreme = foldLong<Op>(Watching<Op>(), x, n, isNan);
    if (!isNan) return extreme;
  }
  return foldLong<Op>(Exactly<Op>(), x, n, isNan);
}

// Folds n dense elements into acc. In PyTorch's order (four vectors of AVX2 side by side) where the order counts.
template <class Op, class T>
T foldDense(const Op& op, const T* x, int64_t n, T acc) {
  if constexpr (!Op::kOrdered) {
    if (n >= 8 * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()))) return op.number(acc, foldLong<Op>(x, n));
  }
  constexpr int64_t kQuarter = 32 / sizeof(T), kAll = 4 * kQuarter;
  const hn::CappedTag<T, kQuarter> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  if (n >= kAll) {
    constexpr int kVectors = static_cast<int>(kAll / (HWY_LANES(T) < kQuarter ? HWY_LANES(T) : kQuarter));
    hn::Vec<decltype(d)> v[kVectors];
    for (int k = 0; k < kVectors; ++k) v[k] = op(d, hn::Set(d, Op::template start<T>()), hn::LoadU(d, x + k * lanes));
    for (i = kAll; i + kAll <= n; i += kAll) {
      for (int k = 0; k < kVectors; ++k) v[k] = op(d, v[k], hn::LoadU(d, x + i + k * lanes));
    }
    alignas(64) T part[kAll];
    for (int k = 0; k < kVectors / 4; ++k) {  // ((first, second), (third, fourth)), lane by lane
      constexpr int q = kVectors / 4;
      v[k] = op(d, op(d, v[k], v[k + q]), op(d, v[k + 2 * q], v[k + 3 * q]));
      hn::StoreU(v[k], d, part + k * lanes);
    }
    if constexpr (Op::kOrdered) {
      for (int64_t k = 1; k < kQuarter; ++k) part[0] = op.number(part[0], part[k]);
      acc = op.number(acc, part[0]);
    } else {
      acc = op.number(acc, foldLanes(op, part, kQuarter));
    }
  } else if (!Op::kOrdered && n >= lanes) {  // the last vector may overlap: min of a number and itself changes nothing
    auto v = op(d, hn::Set(d, Op::template start<T>()), hn::LoadU(d, x + n - lanes));
    for (; i + lanes <= n; i += lanes) v = op(d, v, hn::LoadU(d, x + i));
    alignas(64) T part[kQuarter];
    hn::StoreU(v, d, part);
    return op.number(acc, foldLanes(op, part, lanes));
  }
  for (; i < n; ++i) acc = op.number(acc, x[i]);
  return acc;
}

// acc[c] = op over the rows, from the first to the last.
template <class Op, class D, class T>
HWY_INLINE void foldColumns(const Op& op, D d, View<T> v, int64_t rows, int64_t c, T* acc) {
  auto a = hn::LoadU(d, acc + c);
  for (int64_t r = 0; r < rows; ++r) a = op(d, a, hn::LoadU(d, v.at + r * v.stride + c));
  hn::StoreU(a, d, acc + c);
}

template <class Op, class Type, class Memory = Type>
struct Fold {
  using T = Memory;  // what is read; Type is what it is taken for
  struct Part {
    Type value = Op::template start<Type>();
  };
  struct Parts {
    alignas(64) Type value[kMaxColumns];
    Parts() {
      for (Type& v : value) v = Op::template start<Type>();
    }
  };
  Op op;

  void row(const Matrix<T>& m, int64_t begin, int64_t n, Part& part) const {
    alignas(64) T scratch[kMatrixScratch];
    const int64_t step = m.cast ? kMatrixScratch : n;
    for (int64_t i = 0; i < n; i += step) {
      const int64_t count = n - i < step ? n - i : step;
      const T* x = m.from(begin + i).view(0, 1, count, scratch).at;
      part.value = foldDense(op, reinterpret_cast<const Type*>(x), count, part.value);
    }
  }
  void columns(const Matrix<T>& m, int64_t begin, int64_t n, int64_t width, Parts& parts) const {
    const hn::ScalableTag<Type> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    alignas(64) T scratch[kMatrixScratch];
    const int64_t step = rowsAtOnce(m, 16, width);
    for (int64_t i = 0; i < n; i += step) {
      const int64_t rows = n - i < step ? n - i : step;
      const View<T> seen = m.view(begin + i, rows, width, scratch);
      const View<Type> v{reinterpret_cast<const Type*>(seen.at), seen.stride};
      int64_t c = 0;
      for (; c + lanes <= width; c += lanes) foldColumns(op, d, v, rows, c, parts.value);
      for (; c < width; ++c) {
        for (int64_t r = 0; r < rows; ++r) parts.value[c] = op.number(parts.value[c], v.at[r * v.stride + c]);
      }
    }
  }
  void combine(Part& a, const Part& b) const { a.value = op.number(a.value, b.value); }
  void combine(Parts& a, const Parts& b, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) a.value[c] = op.number(a.value[c], b.value[c]);
  }
  void finish(const Reduction& r, int64_t at, const Part& part) const { static_cast<Type*>(r.out)[at] = part.value; }
  void finish(const Reduction& r, int64_t at, const Parts& parts, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) static_cast<Type*>(r.out)[at + c] = parts.value[c];
  }
};

template <class Op, class T>
void runFold(const Kernel&, Frame f) {
  const Reduction r(f);
  reduce(Parted<Fold<Op, T>>{r, {}});
}
template <class Op, class T>
void runExtreme(const Kernel& self, Frame f) {
  const Reduction r(f);
  needElements(self, r);
  reduce(Parted<Fold<Op, T>>{r, {}});
}
template <class Op>
void runBoolFold(const Kernel&, Frame f) {  // any = max, all = min of bytes that are 0 or 1
  const Reduction r(f);
  reduce(Parted<Fold<Op, uint8_t, Bool>>{r, {}});
  const int64_t n = r.n == 0 ? r.outer * r.inner : 0;
  for (int64_t i = 0; i < n; ++i) static_cast<uint8_t*>(r.out)[i] = Op::template start<uint8_t>() != 0;
}

// ---- the extreme and where it is ------------------------------------------------------------------------------------

template <class T>
int64_t find(const T* x, int64_t n, T value) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto wanted = hn::Set(d, value);
  int64_t i = 0;
  if (value == value) {
    for (; i + lanes <= n; i += lanes) {
      if (!hn::AllFalse(d, hn::Eq(hn::LoadU(d, x + i), wanted))) break;
    }
  }
  for (; i < n; ++i) {
    if (x[i] == value || (value != value && x[i] != x[i])) return i;
  }
  return 0;
}

template <class Op, class Type, bool kIndexOnly>
struct Extreme {
  using T = Type;
  using Index = hwy::MakeSigned<T>;
  struct Part {
    T value = Op::template start<T>();
    int64_t index = -1;
  };  // -1: nothing seen
  struct Parts {
    alignas(64) T value[kMaxColumns];
    alignas(64) Index index[kMaxColumns];
    int64_t n = 0;
  };
  Op op;

  // Finds the run that holds the extreme at the speed of a plain fold, then looks inside that run only.
  void row(const Matrix<T>& m, int64_t begin, int64_t n, Part& part) const {
    constexpr int64_t kRun = 2048;
    alignas(64) T scratch[kRun];
    int64_t best = -1;
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t count = n - i < kRun ? n - i : kRun;
      const T* x = m.from(begin + i).view(0, 1, count, scratch).at;
      const T value = foldDense(op, x, count, Op::template start<T>());
      const bool nan = value != value;
      if (part.index < 0 || nan || Op::betterNumber(value, part.value)) {
        part.value = value;
        part.index = 0;
        best = i;
        if (nan) break;
      }
    }
    if (best < 0) return;
    const int64_t count = n - best < kRun ? n - best : kRun;
    part.index = begin + best + find(m.from(begin + best).view(0, 1, count, scratch).at, count, part.value);
  }

  void columns(const Matrix<T>& m, int64_t begin, int64_t n, int64_t width, Parts& parts) const {
    alignas(64) T scratch[kMatrixScratch];
    const View<T> first = m.view(begin, 1, width, scratch);
    for (int64_t c = 0; c < width; ++c) parts.value[c] = first.at[c], parts.index[c] = static_cast<Index>(begin);
    parts.n = n;
    const int64_t step = rowsAtOnce(m, 16, width);
    for (int64_t i = 0; i < n; i += step) {
      const int64_t rows = n - i < step ? n - i : step;
      pick(m.view(begin + i, rows, width, scratch), begin + i, rows, width, parts);
    }
  }

  static void pick(View<T> v, int64_t begin, int64_t rows, int64_t width, Parts& parts) {
    const hn::ScalableTag<T> d;
    const hn::ScalableTag<Index> di;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    int64_t c = 0;
    for (; c + lanes <= width; c += lanes) {
      auto value = hn::LoadU(d, parts.value + c);
      auto index = hn::LoadU(di, parts.index + c);
      for (int64_t r = 0; r < rows; ++r) {
        const auto x = hn::LoadU(d, v.at + r * v.stride + c);
        auto take = Op::better(x, value);
        if constexpr (kHasNan<T>) take = hn::Or(take, hn::And(hn::IsNaN(x), hn::Eq(value, value)));
        value = hn::IfThenElse(take, x, value);
        index = hn::IfThenElse(hn::RebindMask(di, take), hn::Set(di, static_cast<Index>(begin + r)), index);
      }
      hn::StoreU(value, d, parts.value + c);
      hn::StoreU(index, di, parts.index + c);
    }
    for (; c < width; ++c) {
      for (int64_t r = 0; r < rows; ++r)
        take(v.at[r * v.stride + c], static_cast<Index>(begin + r), parts.value[c], parts.index[c]);
    }
  }
  template <class I>
  static void take(T x, I index, T& value, I& at) {
    if (Op::betterNumber(x, value) || (x != x && value == value)) value = x, at = index;
  }

  void combine(Part& a, const Part& b) const {
    if (a.index < 0)
      a = b;
    else
      take(b.value, b.index, a.value, a.index);
  }
  void combine(Parts& a, const Parts& b, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) {
      if (a.n == 0)
        a.value[c] = b.value[c], a.index[c] = b.index[c];
      else
        take(b.value[c], b.index[c], a.value[c], a.index[c]);
    }
    a.n += b.n;
  }
  void store(const Reduction& r, int64_t at, T value, int64_t index) const {
    if (!kIndexOnly) static_cast<T*>(r.out)[at] = value;
    int64_t* to = static_cast<int64_t*>(kIndexOnly ? r.out : r.index);
    if (to) to[at] = index;
  }
  void finish(const Reduction& r, int64_t at, const Part& part) const { store(r, at, part.value, part.index); }
  void finish(const Reduction& r, int64_t at, const Parts& parts, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) store(r, at + c, parts.value[c], parts.index[c]);
  }
};

template <class Op, class T, bool kIndexOnly>
void runIndexed(const Kernel& self, Frame f) {
  const Reduction r(f);
  needElements(self, r);
  if (r.inner > 1 && r.n > std::numeric_limits<int32_t>::max()) {
    throw KernelError("RangeError",
                      std::string(self.name) + ": expected fewer than 2^31 rows, got " + std::to_string(r.n));
  }
  reduce(Parted<Extreme<Op, T, kIndexOnly>>{r, {}});
}

// ---- logsumexp ------------------------------------------------------------------------------------------------------
// A part is (max, sum of exp(x - max)); where the max is infinite or NaN, the sum is 1 and the max says it all.

template <class Type>
struct LogSumExp {
  using T = Type;
  struct Part {
    T max = lowest<T>(), sum = 0;
  };
  struct Parts {
    alignas(64) T max[kMaxColumns], sum[kMaxColumns];
    Parts() {
      for (int64_t c = 0; c < kMaxColumns; ++c) max[c] = lowest<T>(), sum[c] = 0;
    }
  };

  void row(const Matrix<T>& m, int64_t begin, int64_t n, Part& part) const {
    constexpr int64_t kRun = 2048;
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    const hn::CappedTag<T, 1> one;
    alignas(64) T scratch[kRun];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t count = n - i < kRun ? n - i : kRun;
      const T* x = m.from(begin + i).view(0, 1, count, scratch).at;
      const T max = foldDense(Max(), x, count, lowest<T>());
      Part run{max, 1};
      if (std::isfinite(max)) {
        auto sum = hn::Zero(d);
        const auto shift = hn::Set(d, max);
        int64_t j = 0;
        for (; j + lanes <= count; j += lanes) sum = hn::Add(sum, Exp(d, hn::Sub(hn::LoadU(d, x + j), shift)));
        run.sum = hn::GetLane(hn::SumOfLanes(d, sum));
        for (; j < count; ++j) run.sum += hn::GetLane(Exp(one, hn::Set(one, x[j] - max)));
      }
      combine(part, run);
    }
  }
  void columns(const Matrix<T>& m, int64_t begin, int64_t n, int64_t width, Parts& parts) const {
    const hn::ScalableTag<T> d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    alignas(64) T scratch[kMatrixScratch];
    const int64_t step = rowsAtOnce(m, 64, width);
    for (int64_t i = 0; i < n; i += step) {
      const int64_t rows = n - i < step ? n - i : step;
      const View<T> v = m.view(begin + i, rows, width, scratch);
      int64_t c = 0;
      for (; c + lanes <= width; c += lanes) column(d, v, rows, c, parts);
      const hn::CappedTag<T, 1> one;
      for (; c < width; ++c) column(one, v, rows, c, parts);
    }
  }
  template <class D>
  static HWY_INLINE void column(D d, View<T> v, int64_t rows, int64_t c, Parts& parts) {
    const auto low = hn::Set(d, lowest<T>());
    auto max = low;
    for (int64_t r = 0; r < rows; ++r) max = Max()(d, max, hn::LoadU(d, v.at + r * v.stride + c));
    const auto finite = hn::Lt(hn::Abs(max), hn::Set(d, highest<T>()));
    const auto shift = hn::IfThenElseZero(finite, max);
    auto sum = hn::Zero(d);
    for (int64_t r = 0; r < rows; ++r)
      sum = hn::Add(sum, Exp(d, hn::Sub(hn::LoadU(d, v.at + r * v.stride + c), shift)));
    alignas(64) T maxes[HWY_LANES(T)], sums[HWY_LANES(T)];
    hn::StoreU(max, d, maxes);
    hn::StoreU(hn::IfThenElse(finite, sum, hn::Set(d, T{1})), d, sums);
    for (int64_t k = 0; k < static_cast<int64_t>(hn::Lanes(d)); ++k) {
      Part all{parts.max[c + k], parts.sum[c + k]};
      merge(all, {maxes[k], sums[k]});
      parts.max[c + k] = all.max;
      parts.sum[c + k] = all.sum;
    }
  }

  static void merge(Part& a, const Part& b) {
    if (a.max != a.max || b.sum == 0) return;
    if (b.max != b.max || a.sum == 0)
      a = b;
    else if (a.max == b.max)
      a.sum = std::isfinite(a.max) ? a.sum + b.sum : 1;
    else if (a.max > b.max)
      a.sum += b.sum * std::exp(b.max - a.max);
    else
      a = {b.max, b.sum + a.sum * std::exp(a.max - b.max)};
  }
  void combine(Part& a, const Part& b) const { merge(a, b); }
  void combine(Parts& a, const Parts& b, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) {
      Part all{a.max[c], a.sum[c]};
      merge(all, {b.max[c], b.sum[c]});
      a.max[c] = all.max, a.sum[c] = all.sum;
    }
  }
  void finish(const Reduction& r, int64_t at, const Part& p) const {
    static_cast<T*>(r.out)[at] = std::log(p.sum) + p.max;
  }
  void finish(const Reduction& r, int64_t at, const Parts& p, int64_t width) const {
    for (int64_t c = 0; c < width; ++c) finish(r, at + c, {p.max[c], p.sum[c]});
  }
};

template <class T>
void runLogSumExp(const Kernel&, Frame f) {
  const Reduction r(f);
  reduce(Parted<LogSumExp<T>>{r, {}});
}

#define TENFOLD_EXTREME(NAME, RUN, ...)                                 \
  {NAME, DType::f32, RUN<__VA_ARGS__, float>, kReductionFrame},         \
      {NAME, DType::f64, RUN<__VA_ARGS__, double>, kReductionFrame},    \
      {NAME, DType::i64, RUN<__VA_ARGS__, int64_t>, kReductionFrame}, { \
    NAME, DType::i32, RUN<__VA_ARGS__, int32_t>, kReductionFrame        \
  }
#define TENFOLD_INDEXED(NAME, OP, INDEX_ONLY)                                                                \
  {NAME, DType::f32, runIndexed<OP, float, INDEX_ONLY>, INDEX_ONLY ? kIndexFrame : kReductionFrame},         \
      {NAME, DType::f64, runIndexed<OP, double, INDEX_ONLY>, INDEX_ONLY ? kIndexFrame : kReductionFrame},    \
      {NAME, DType::i64, runIndexed<OP, int64_t, INDEX_ONLY>, INDEX_ONLY ? kIndexFrame : kReductionFrame}, { \
    NAME, DType::i32, runIndexed<OP, int32_t, INDEX_ONLY>, INDEX_ONLY ? kIndexFrame : kReductionFrame        \
  }
}  // namespace

extern const Kernel kExtremes[];
const Kernel kExtremes[] = {
    TENFOLD_EXTREME("amax", runExtreme, Max),
    TENFOLD_EXTREME("amin", runExtreme, Min),
    TENFOLD_INDEXED("max", Max, false),
    TENFOLD_INDEXED("min", Min, false),
    TENFOLD_INDEXED("argmax", Max, true),
    TENFOLD_INDEXED("argmin", Min, true),
    {"prod", DType::f32, runFold<Product, float>, kReductionFrame},
    {"prod", DType::f64, runFold<Product, double>, kReductionFrame},
    {"prod", DType::i64, runFold<Product, int64_t>, kReductionFrame},
    {"maxAbs", DType::f32, runFold<MaxMagnitude, float>, kReductionFrame},
    {"maxAbs", DType::f64, runFold<MaxMagnitude, double>, kReductionFrame},
    {"minAbs", DType::f32, runExtreme<MinMagnitude, float>, kReductionFrame},
    {"minAbs", DType::f64, runExtreme<MinMagnitude, double>, kReductionFrame},
    {"any", DType::b8, runBoolFold<Max>, kReductionFrame},
    {"all", DType::b8, runBoolFold<Min>, kReductionFrame},
    {"logsumexp", DType::f32, runLogSumExp<float>, kReductionFrame},
    {"logsumexp", DType::f64, runLogSumExp<double>, kReductionFrame},
};
#undef TENFOLD_EXTREME
#undef TENFOLD_INDEXED
constexpr size_t kExtremesCount = sizeof(kExtremes) / sizeof(kExtremes[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable extremeKernels(int64_t target) {
  return {*TENFOLD_FOR_TARGET(target, kExtremes), HWY_NAMESPACE::kExtremesCount};
}
}  // namespace tenfold
#endif
