// Scaled dot product attention without its matrix of weights: tiles of scores in cache, softmax as they come (Milakov
// and Gimelshein 2018, "Online normalizer calculation for softmax"; Dao 2022, "FlashAttention", for the backward pass),
// so that memory grows with the length of the sequence and not with its square. Tiles above the diagonal are left out.
//
// Blocks have sizes of their own, whatever the number of threads, and an element's sum runs over them in order: so
// results don't depend on the number of threads, nor on how the backward pass is divided.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "gemm/dot-inl.h"
#include "gemm/micro-inl.h"
#include "gemm/pack-inl.h"
#include "kernel.h"
#include "kernels/all.h"
#include "kernels/math-inl.h"
#include "kernels/tile-inl.h"
#include "simd/cpu.h"
#include "threads/pool.h"
#include "workspace.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

constexpr int kWide = kSums < 24 ? 2 : 4;            // vectors of a tile
constexpr int64_t kHigh = maxRows(kWide);            // its rows: 6
constexpr int64_t kQueries = 16 * kHigh;             // rows of a block
constexpr int64_t kKeys = 256, kBackwardKeys = 128;  // columns of a block; whole panels of every width
template <class T>
constexpr int64_t kPanel = kWide* kLanes<T>;
constexpr int64_t kGrainWork = 1 << 20;  // multiply-adds that are worth a thread

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
template <class T>
constexpr int64_t padded(int64_t n) {
  return ceilDiv(n, kLanes<T>) * kLanes<T>;
}

// [batch, heads, rows, n], the last dim dense.
template <class T>
struct Heads {
  T* at;
  int64_t batch, head, row;
  T* of(int64_t b, int64_t h) const { return at + b * batch + h * head; }
};
template <class T>
Heads<T> readHeads(Frame& f) {
  T* const at = f.ptr<T>();
  const int64_t batch = f.i64(), head = f.i64();
  return {at, batch, head, f.i64()};
}

// What is added to scores: nothing, -inf where a byte is 0, or a number. Any stride may be 0; that of keys is 0 or 1.
enum class MaskKind : int { none = 0, keep = 1, add = 2 };
struct Mask {
  const void* at;
  MaskKind kind;
  int64_t batch, head, row, key;
};

template <class T>
struct Attention {
  int64_t batch, heads, group;  // `group` neighbouring heads of q share one of k and v
  int64_t l, s, e, ev;
  bool causal;
  T scale;
  Heads<const T> q, k, v;
  Mask mask;
  Heads<T> out;
  T* lse;  // [batch, heads, l]: log of the sum of exp(scores); inf where there is nothing to attend to
  // Of the backward pass; gradQ, gradK, gradV are written.
  Heads<const T> grad, result;
  Heads<T> gradQ, gradK, gradV;

  int64_t queryBlocks() const { return ceilDiv(l, kQueries); }
  int64_t keyBlocks() const { return ceilDiv(s, kBackwardKeys); }
};

template <class T>
Attention<T> readAttention(Frame& f) {
  Attention<T> x{};
  x.batch = f.i64(), x.heads = f.i64(), x.group = f.i64();
  x.l = f.i64(), x.s = f.i64(), x.e = f.i64(), x.ev = f.i64();
  x.causal = f.flag();
  x.scale = static_cast<T>(f.f64());
  x.q = readHeads<const T>(f), x.k = readHeads<const T>(f), x.v = readHeads<const T>(f);
  x.mask.at = f.ptr<const void>();
  x.mask.kind = static_cast<MaskKind>(f.i64());
  x.mask.batch = f.i64(), x.mask.head = f.i64(), x.mask.row = f.i64(), x.mask.key = f.i64();
  return x;
}

// ---- products of tiles ----------------------------------------------------------------------------------------------

// A factor [depth, n] that is read in vectors.
template <class T>
struct Right {
  const T* at;
  int64_t row;
};
// Where its last vector is whole or may be masked it is read in place, else in `copy`, padded.
template <class T>
Right<T> readable(const T* from, int64_t row, int64_t depth, int64_t n, T* copy) {
  if (kMasks || n % kLanes<T> == 0) return {from, row};
  packStraight(copy, padded<T>(n), from, row, depth, n);
  return {copy, padded<T>(n)};
}

// c[rows, n] = (c +) a b, up to kHigh rows.
template <class T>
void times(int64_t rows, int64_t n, int64_t depth, const T* a, int64_t aRow, int64_t aStep, const Right<T>& b, T* c,
           int64_t cRow, bool add) {
  for (int64_t j = 0; j < n; j += kPanel<T>) {
    const int64_t columns = least(kPanel<T>, n - j);
    tile(static_cast<int>(rows), static_cast<int>(ceilDiv(columns, kLanes<T>)), columns, depth, a, aRow, aStep,
         b.at + j, b.row, TileOut<T>{c + j, cRow, 1, add, nullptr, nullptr, false});
  }
}

// Rows [0, count) of `from` as panels of columns, for productOfRows.
template <class T>
void packPanels(T* to, const T* from, int64_t row, int64_t count, int64_t depth) {
  for (int64_t j = 0; j < count; j += kPanel<T>) {
    const int64_t columns = least(kPanel<T>, count - j);
    packTurned(to + j * depth, padded<T>(columns), from + j * row, row, depth, columns);
  }
}

// to[i, j] = a row i . b row j, from b's panels, in which there are `packed` rows; `to` has room for whole vectors.
// Tiles whose first column is beyond `diagonal` + their last row are left out.
template <class T>
void productOfRows(int64_t rows, int64_t count, int64_t depth, const T* a, int64_t aRow, const T* panels,
                   int64_t packed, int64_t diagonal, T* to, int64_t toRow) {
  for (int64_t j = 0; j < count; j += kPanel<T>) {
    const int64_t width = padded<T>(least(kPanel<T>, count - j));
    for (int64_t i = 0; i < rows; i += kHigh) {
      const int64_t high = least(kHigh, rows - i);
      if (j > diagonal + i + high - 1) continue;
      tile(static_cast<int>(high), static_cast<int>(width / kLanes<T>), width, depth, a + i * aRow, aRow, 1,
           panels + j * depth, padded<T>(least(kPanel<T>, packed - j)),
           TileOut<T>{to + i * toRow + j, toRow, 1, false, nullptr, nullptr, false});
    }
  }
}

// ---- rows of scores -------------------------------------------------------------------------------------------------

template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> loadUpTo(D d, const T* from, int64_t rest) {
  return rest >= kLanes<T> ? hn::LoadU(d, from) : LoadFirst(d, from, static_cast<size_t>(rest));
}

// The mask of `n` keys of one row, of which this is the first.
template <class T>
struct MaskRow {
  const void* at;
  MaskKind kind;
  int64_t step;

  // x + mask, for keys from j on.
  template <class D>
  HWY_INLINE hn::Vec<D> apply(D d, hn::Vec<D> x, int64_t j, int64_t rest) const {
    if (kind == MaskKind::none) return x;
    if (kind == MaskKind::add) {
      const T* const m = static_cast<const T*>(at) + j * step;
      return hn::Add(x, step == 0 ? hn::Set(d, *m) : loadUpTo(d, m, rest));
    }
    const auto low = hn::Set(d, -std::numeric_limits<T>::infinity());
    const uint8_t* const m = static_cast<const uint8_t*>(at) + j * step;
    if (step == 0) return *m ? x : low;
    const hn::Rebind<uint8_t, D> d8;
    const hn::Rebind<int32_t, D> d32;
    hn::Vec<decltype(d32)> words;
    if (rest >= kLanes<T>) {
      words = hn::PromoteTo(d32, hn::LoadU(d8, m));
    } else {
      uint8_t bytes[16] = {};
      static_assert(hn::MaxLanes(d8) <= 16);
      for (int64_t i = 0; i < rest; ++i) bytes[i] = m[i];
      words = hn::PromoteTo(d32, hn::LoadU(d8, bytes));
    }
    hn::Vec<D> numbers;
    if constexpr (sizeof(T) == 4) {
      numbers = hn::ConvertTo(d, words);
    } else {
      numbers = hn::PromoteTo(d, words);
    }
    return hn::IfThenElse(hn::Ne(numbers, hn::Zero(d)), x, low);
  }
};

template <class T>
MaskRow<T> maskRow(const Mask& m, int64_t b, int64_t h, int64_t i, int64_t j) {
  const int64_t at = b * m.batch + h * m.head + i * m.row + j * m.key;
  const size_t bytes = m.kind == MaskKind::add ? sizeof(T) : 1;
  return {m.at ? static_cast<const char*>(m.at) + static_cast<size_t>(at) * bytes : nullptr, m.kind, m.key};
}

// exp(x) for a weight, which is 0 where it would be subnormal: masked scores are -infinity, and arithmetic that ends in
// subnormal numbers takes a hundred times as long.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE V Weight(D d, V x) {
  const auto least = hn::Set(d, sizeof(T) == 4 ? T{-87} : T{-708});
  const auto none = hn::Lt(x, least);
  return hn::IfThenZeroElse(none, Exp(d, hn::IfThenElse(none, least, x)));
}

// x becomes exp(x scale + mask - the greatest so far), and a row's greatest and sum go on. What was summed before is to
// be multiplied by the result.
template <class T>
T weigh(T* x, int64_t n, T scale, const MaskRow<T>& mask, T& greatest, T& sum) {
  const hn::ScalableTag<T> d;
  const auto factor = hn::Set(d, scale);
  const auto low = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto max = low;
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    auto v = hn::Mul(hn::LoadU(d, x + j), factor);  // the rows have room for whole vectors
    v = mask.apply(d, v, j, n - j);
    hn::StoreU(v, d, x + j);
    if (n - j < kLanes<T>) v = hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(n - j)), v, low);
    max = hn::Max(max, v);
  }
  const T before = greatest, now = hn::GetLane(hn::MaxOfLanes(d, max));
  if (now > before) greatest = now;
  const T shift = greatest == -std::numeric_limits<T>::infinity() ? T{0} : greatest;
  const auto by = hn::Set(d, shift);
  auto total = hn::Zero(d);
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    auto v = Weight(d, hn::Sub(hn::LoadU(d, x + j), by));
    if (n - j < kLanes<T>) v = hn::IfThenElseZero(hn::FirstN(d, static_cast<size_t>(n - j)), v);
    hn::StoreU(v, d, x + j);
    total = hn::Add(total, v);
  }
  const T old = std::exp(before - shift);
  sum = sum * old + hn::GetLane(hn::SumOfLanes(d, total));
  return old;
}

template <class T>
void scaleRow(T* x, int64_t n, T by) {
  const hn::ScalableTag<T> d;
  const auto factor = hn::Set(d, by);
  int64_t j = 0;
  for (; j + kLanes<T> <= n; j += kLanes<T>) hn::StoreU(hn::Mul(hn::LoadU(d, x + j), factor), d, x + j);
  for (; j < n; ++j) x[j] *= by;
}

template <class T>
void clear(T* x, int64_t from, int64_t to) {
  if (to > from) std::memset(x + from, 0, static_cast<size_t>(to - from) * sizeof(T));
}

// ---- attention -----------------------------------------------------------------------------------------------------

template <class T>
struct Forward {
  const Attention<T>& x;
  bool byItem;  // ranges are of items; otherwise of blocks of queries

  void operator()(int64_t begin, int64_t end) const {
    const int64_t blocks = x.queryBlocks();
    if (byItem) {
      for (int64_t item = begin; item < end; ++item) run(item, 0, blocks);
      return;
    }
    while (begin < end) {
      const int64_t item = begin / blocks, first = begin % blocks, count = least(blocks - first, end - begin);
      run(item, first, first + count);
      begin += count;
    }
  }

  // Blocks [from, to) of queries of one head.
  void run(int64_t item, int64_t from, int64_t to) const {
    const int64_t b = item / x.heads, h = item % x.heads;
    const bool dots = x.l <= kMaxDotRows && x.e >= kLanes<T>;
    const int64_t seen = x.causal ? least(x.s, least(x.l, to * kQueries)) : x.s;
    const int64_t evWidth = padded<T>(x.ev), keysRoom = dots ? 0 : ceilDiv(seen, kPanel<T>) * kPanel<T> * x.e;
    const bool copies = x.ev % kLanes<T> ? !kMasks : false;
    const int64_t valuesRoom = copies ? seen * evWidth : 0;
    T* const keys = static_cast<T*>(
        workspace(Workspace::result,
                  static_cast<size_t>(keysRoom + valuesRoom + kQueries * (kKeys + evWidth + 2) + 64) * sizeof(T)));
    T* const values = keys + keysRoom;
    T* const scores = values + valuesRoom;
    T* const sums = scores + kQueries * kKeys;
    T* const greatest = sums + kQueries * evWidth;
    T* const totals = greatest + kQueries;
    const T *const k = x.k.of(b, h / x.group), *const v = x.v.of(b, h / x.group);
    if (!dots) packPanels(keys, k, x.k.row, seen, x.e);
    const Right<T> right = readable(v, x.v.row, seen, x.ev, values);
    for (int64_t block = from; block < to; ++block) {
      const int64_t i0 = block * kQueries, rows = least(kQueries, x.l - i0);
      const T* const q = x.q.of(b, h) + i0 * x.q.row;
      for (int64_t i = 0; i < rows; ++i) greatest[i] = -std::numeric_limits<T>::infinity(), totals[i] = 0;
      const int64_t last = x.causal ? least(x.s, i0 + rows) : x.s;
      for (int64_t j0 = 0; j0 < last; j0 += kKeys) {
        const int64_t count = least(kKeys, last - j0);
        const int64_t diagonal = x.causal ? i0 - j0 : x.s;  // keys up to row + diagonal
        if (dots) {
          scoreFew(rows, count, q, k + j0 * x.k.row, scores);
        } else {
          productOfRows(rows, count, x.e, q, x.q.row, keys + j0 * x.e, seen - j0, diagonal, scores, kKeys);
        }
        for (int64_t i = 0; i < rows; ++i) {
          T* const row = scores + i * kKeys;
          const int64_t n = most(0, least(count, diagonal + i + 1));
          const T old = weigh(row, n, x.scale, maskRow<T>(x.mask, b, h, i0 + i, j0), greatest[i], totals[i]);
          if (j0 > 0 && old != 1) scaleRow(sums + i * evWidth, x.ev, old);
          clear(row, n, least(count, diagonal + i / kHigh * kHigh + kHigh));
        }
        for (int64_t i = 0; i < rows; i += kHigh) {
          const int64_t high = least(kHigh, rows - i), depth = least(count, diagonal + i + high);
          if (depth <= 0) continue;
          times(high, x.ev, depth, scores + i * kKeys, kKeys, 1, {right.at + j0 * right.row, right.row},
                sums + i * evWidth, evWidth, j0 > 0);
        }
      }
      finish(b, h, i0, rows, sums, evWidth, greatest, totals);
    }
  }

  void scoreFew(int64_t rows, int64_t count, const T* q, const T* k, T* scores) const {
    constexpr void (*few[])(int64_t, int64_t, const T*, int64_t, const T*, int64_t, TileOut<T>) = {
        dotRows<T, 1>, dotRows<T, 2>, dotRows<T, 3>, dotRows<T, 4>};
    static_assert(sizeof few / sizeof *few == kMaxDotRows);
    few[rows - 1](count, x.e, q, x.q.row, k, x.k.row, {scores, kKeys, 1, false, nullptr, nullptr, false});
  }

  void finish(int64_t b, int64_t h, int64_t i0, int64_t rows, T* sums, int64_t width, const T* greatest,
              const T* totals) const {
    T* const out = x.out.of(b, h);
    for (int64_t i = 0; i < rows; ++i) {
      T* const row = sums + i * width;
      // Rows of which nothing is kept are 0.
      if (totals[i] == 0) {
        clear(row, 0, x.ev);
      } else {
        scaleRow(row, x.ev, 1 / totals[i]);
      }
      std::memcpy(out + (i0 + i) * x.out.row, row, static_cast<size_t>(x.ev) * sizeof(T));
      if (x.lse)
        x.lse[(b * x.heads + h) * x.l + i0 + i] =
            totals[i] == 0 ? std::numeric_limits<T>::infinity() : greatest[i] + std::log(totals[i]);
    }
  }
};

template <class T>
void attention(const Kernel&, Frame f) {
  Attention<T> x = readAttention<T>(f);
  x.out = readHeads<T>(f);
  x.lse = f.ptr<T>();
  const int64_t items = x.batch * x.heads, work = kQueries * x.s * (x.e + x.ev);
  if (items <= 0 || x.l <= 0) return;
  const bool byItem = items >= 4 * numThreads() || x.queryBlocks() == 1;
  const int64_t units = byItem ? items : items * x.queryBlocks();
  const int64_t each = byItem ? x.l * x.s * (x.e + x.ev) : work;
  parallelFor(units, most(1, kGrainWork / most(each, 1)), Forward<T>{x, byItem}, 1);
}

// ---- attentionBackward ---------------------------------------------------------------------------------------------
// With p = exp(scores - lse) and delta = sum(grad out) of each row: gradV = p^T grad, and with ds
// = p (grad v^T - delta) scale, gradQ = ds k and gradK = ds^T q.

// p and ds of one row, from scores and grad v^T, which they replace.
template <class T>
void differentiate(T* p, T* ds, int64_t n, T scale, const MaskRow<T>& mask, T lse, T delta) {
  const hn::ScalableTag<T> d;
  const auto factor = hn::Set(d, scale), shift = hn::Set(d, lse), mean = hn::Set(d, delta);
  for (int64_t j = 0; j < n; j += kLanes<T>) {
    const auto x = mask.apply(d, hn::Mul(hn::LoadU(d, p + j), factor), j, n - j);
    const auto weight = Weight(d, hn::Sub(x, shift));
    hn::StoreU(weight, d, p + j);
    hn::StoreU(hn::Mul(hn::Mul(weight, hn::Sub(hn::LoadU(d, ds + j), mean)), factor), d, ds + j);
  }
}

template <class T>
struct Backward {
  const Attention<T>& x;
  T* delta;  // [batch, heads, l]

  // Working memory of a thread.
  struct Room {
    T *keys, *values, *p, *ds, *copyK, *copyQ, *copyGrad;
  };
  Room room() const {
    const int64_t depth = x.e + x.ev, width = padded<T>(x.e), wideV = padded<T>(x.ev);
    const int64_t square = kQueries * kBackwardKeys;
    T* at = static_cast<T*>(
        workspace(Workspace::result, static_cast<size_t>(kBackwardKeys * depth + 2 * square + kBackwardKeys * width +
                                                         kQueries * (width + wideV) + 64) *
                                         sizeof(T)));
    Room r;
    r.keys = at, at += kBackwardKeys * x.e;
    r.values = at, at += kBackwardKeys * x.ev;
    r.p = at, at += square;
    r.ds = at, at += square;
    r.copyK = at, at += kBackwardKeys * width;
    r.copyQ = at, at += kQueries * width;
    r.copyGrad = at;
    return r;
  }

  void deltas(int64_t b, int64_t h) const {
    const hn::ScalableTag<T> d;
    const T *const grad = x.grad.of(b, h), *const out = x.result.of(b, h);
    for (int64_t i = 0; i < x.l; ++i) {
      const T *const g = grad + i * x.grad.row, *const y = out + i * x.result.row;
      auto sum = hn::Zero(d);
      for (int64_t j = 0; j < x.ev; j += kLanes<T>)
        sum = hn::MulAdd(loadUpTo(d, g + j, x.ev - j), loadUpTo(d, y + j, x.ev - j), sum);
      delta[(b * x.heads + h) * x.l + i] = hn::GetLane(hn::SumOfLanes(d, sum));
    }
  }

  void packKeys(int64_t b, int64_t h, int64_t j0, int64_t count, const Room& r) const {
    packPanels(r.keys, x.k.of(b, h / x.group) + j0 * x.k.row, x.k.row, count, x.e);
    packPanels(r.values, x.v.of(b, h / x.group) + j0 * x.v.row, x.v.row, count, x.ev);
  }

  // One block of queries by one of keys, which are packed. firstKey: nothing was added yet to the keys' gradients.
  void block(int64_t b, int64_t h, int64_t i0, int64_t j0, bool queries, bool keys, bool firstKey,
             const Room& r) const {
    const int64_t rows = least(kQueries, x.l - i0), count = least(kBackwardKeys, x.s - j0);
    const int64_t diagonal = x.causal ? i0 - j0 : x.s;
    const T *const q = x.q.of(b, h) + i0 * x.q.row, *const grad = x.grad.of(b, h) + i0 * x.grad.row;
    productOfRows(rows, count, x.e, q, x.q.row, r.keys, count, diagonal, r.p, kBackwardKeys);
    productOfRows(rows, count, x.ev, grad, x.grad.row, r.values, count, diagonal, r.ds, kBackwardKeys);
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t n = most(0, least(count, diagonal + i + 1)), at = (b * x.heads + h) * x.l + i0 + i;
      T *const p = r.p + i * kBackwardKeys, *const ds = r.ds + i * kBackwardKeys;
      differentiate(p, ds, n, x.scale, maskRow<T>(x.mask, b, h, i0 + i, j0), x.lse[at], delta[at]);
      clear(p, n, count);
      clear(ds, n, count);
    }
    if (keys) {
      const Right<T> toV = readable(grad, x.grad.row, rows, x.ev, r.copyGrad);
      const Right<T> toK = readable(q, x.q.row, rows, x.e, r.copyQ);
      T* const gradK = x.gradK.of(b, h / x.group) + j0 * x.gradK.row;
      T* const gradV = x.gradV.of(b, h / x.group) + j0 * x.gradV.row;
      for (int64_t j = 0; j < count; j += kHigh) {
        const int64_t high = least(kHigh, count - j), skip = least(rows, most(0, j - diagonal));
        times(high, x.ev, rows - skip, r.p + skip * kBackwardKeys + j, 1, kBackwardKeys,
              {toV.at + skip * toV.row, toV.row}, gradV + j * x.gradV.row, x.gradV.row, !firstKey);
        times(high, x.e, rows - skip, r.ds + skip * kBackwardKeys + j, 1, kBackwardKeys,
              {toK.at + skip * toK.row, toK.row}, gradK + j * x.gradK.row, x.gradK.row, !firstKey);
      }
    }
    if (queries) {
      const Right<T> toQ = readable(x.k.of(b, h / x.group) + j0 * x.k.row, x.k.row, count, x.e, r.copyK);
      T* const gradQ = x.gradQ.of(b, h) + i0 * x.gradQ.row;
      for (int64_t i = 0; i < rows; i += kHigh) {
        const int64_t high = least(kHigh, rows - i), depth = most(0, least(count, diagonal + i + high));
        times(high, x.e, depth, r.ds + i * kBackwardKeys, kBackwardKeys, 1, toQ, gradQ + i * x.gradQ.row, x.gradQ.row,
              j0 > 0);
      }
    }
  }

  // The first block of queries that sees keys from j0 on.
  int64_t firstBlock(int64_t j0) const { return x.causal ? j0 / kQueries : 0; }

  // A block of keys, for all queries of the heads that share it; their own gradients are taken along where `queries`.
  void keysOf(int64_t b, int64_t kvHead, int64_t block0, bool queries, const Room& r) const {
    const int64_t j0 = block0 * kBackwardKeys, count = least(kBackwardKeys, x.s - j0);
    bool first = true;
    for (int64_t h = kvHead * x.group; h < (kvHead + 1) * x.group; ++h) {
      if (h == kvHead * x.group) packKeys(b, h, j0, count, r);
      for (int64_t i = firstBlock(j0); i < x.queryBlocks(); ++i) {
        block(b, h, i * kQueries, j0, queries, true, first, r);
        first = false;
      }
    }
    if (!first) return;  // nobody sees these keys
    for (int64_t j = j0; j < j0 + count; ++j) {
      clear(x.gradK.of(b, kvHead) + j * x.gradK.row, 0, x.e);
      clear(x.gradV.of(b, kvHead) + j * x.gradV.row, 0, x.ev);
    }
  }
};

// All of a head of keys, and the heads of queries that share it.
template <class T>
struct BackwardHeads {
  const Backward<T>& run;
  void operator()(int64_t begin, int64_t end) const {
    const Attention<T>& x = run.x;
    const int64_t kvHeads = x.heads / x.group;
    const auto r = run.room();
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / kvHeads, kvHead = item % kvHeads;
      for (int64_t h = kvHead * x.group; h < (kvHead + 1) * x.group; ++h) run.deltas(b, h);
      for (int64_t j = 0; j < x.keyBlocks(); ++j) run.keysOf(b, kvHead, j, true, r);
    }
  }
};
// Of few heads: blocks of keys by themselves, then blocks of queries, which costs the scores twice.
template <class T>
struct BackwardKeys {
  const Backward<T>& run;
  void operator()(int64_t begin, int64_t end) const {
    const Attention<T>& x = run.x;
    const int64_t kvHeads = x.heads / x.group, blocks = x.keyBlocks();
    const auto r = run.room();
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t item = unit / blocks;
      run.keysOf(item / kvHeads, item % kvHeads, unit % blocks, false, r);
    }
  }
};
template <class T>
struct BackwardQueries {
  const Backward<T>& run;
  void operator()(int64_t begin, int64_t end) const {
    const Attention<T>& x = run.x;
    const auto r = run.room();
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t item = unit / x.queryBlocks(), b = item / x.heads, h = item % x.heads;
      const int64_t i0 = unit % x.queryBlocks() * kQueries, last = x.causal ? least(x.s, i0 + kQueries) : x.s;
      for (int64_t j0 = 0; j0 < last; j0 += kBackwardKeys) {
        run.packKeys(b, h, j0, least(kBackwardKeys, x.s - j0), r);
        run.block(b, h, i0, j0, true, false, false, r);
      }
    }
  }
};

template <class T>
void attentionBackward(const Kernel&, Frame f) {
  Attention<T> x = readAttention<T>(f);
  x.grad = readHeads<const T>(f), x.result = readHeads<const T>(f);
  x.lse = f.ptr<T>();
  x.gradQ = readHeads<T>(f), x.gradK = readHeads<T>(f), x.gradV = readHeads<T>(f);
  const int64_t items = x.batch * x.heads, kvItems = items / most(x.group, 1);
  if (items <= 0) return;
  T* const delta =
      static_cast<T*>(workspace(Workspace::partial, static_cast<size_t>(items * most(x.l, 1)) * sizeof(T)));
  const Backward<T> run{x, delta};
  const int64_t threads = numThreads(), work = 3 * x.l * x.s * (x.e + x.ev) * x.group;
  if (threads == 1 || kvItems >= 4 * threads || work < kGrainWork) {
    parallelFor(kvItems, most(1, kGrainWork / most(work, 1)), BackwardHeads<T>{run}, 1);
    return;
  }
  for (int64_t item = 0; item < items; ++item) run.deltas(item / x.heads, item % x.heads);
  parallelFor(kvItems * x.keyBlocks(), 1, BackwardKeys<T>{run}, 1);
  parallelFor(items * x.queryBlocks(), 1, BackwardQueries<T>{run}, 1);
}

}  // namespace

#ifndef TENFOLD_ATTENTION_FRAME
// What both read first: readAttention. Strides are those of batch, head and row, of a mask also of key.
#define TENFOLD_ATTENTION_FRAME(T)                                                                    \
  "batch, heads, group, l, s, e, ev, causal, scale: f64, in q: strided, qStrides[3], in k: strided, " \
  "kStrides[3], in v: strided, vStrides[3], in? mask: " T "|b8 strided, maskKind, maskStrides[4], "
#define TENFOLD_ATTENTION_OUT "out y: strided, yStrides[3], out lse[batch*heads*l]"
#define TENFOLD_ATTENTION_BACKWARD                                                                            \
  "in grad: strided, gradStrides[3], in y: strided, yStrides[3], in lse[batch*heads*l], out gradQ: strided, " \
  "gradQStrides[3], out gradK: strided, gradKStrides[3], out gradV: strided, gradVStrides[3]"
#endif

extern const Kernel kAttentionKernels[];
const Kernel kAttentionKernels[] = {
    {"attention", DType::f32, attention<float>, TENFOLD_ATTENTION_FRAME("f32") TENFOLD_ATTENTION_OUT},
    {"attention", DType::f64, attention<double>, TENFOLD_ATTENTION_FRAME("f64") TENFOLD_ATTENTION_OUT},
    {"attentionBackward", DType::f32, attentionBackward<float>,
     TENFOLD_ATTENTION_FRAME("f32") TENFOLD_ATTENTION_BACKWARD},
    {"attentionBackward", DType::f64, attentionBackward<double>,
     TENFOLD_ATTENTION_FRAME("f64") TENFOLD_ATTENTION_BACKWARD},
};

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable attentionKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kAttentionKernels), 4}; }
}  // namespace tenfold
#endif
