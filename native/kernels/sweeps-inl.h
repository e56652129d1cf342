// Implicit QR sweeps, which make a bidiagonal matrix diagonal, and their rotations on what are to be singular vectors.
#if defined(TENFOLD_SWEEPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_SWEEPS_INL_H_
#undef TENFOLD_SWEEPS_INL_H_
#else
#define TENFOLD_SWEEPS_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kStored = 32;  // whole sweeps whose rotations are applied together
constexpr int64_t kSweeps = 60;  // allowed for each singular value; two or three are needed
constexpr int64_t kVectors = 4;  // of columns that are rotated together

constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline double magnitude(double x) { return std::fabs(x); }

// A matrix whose rows are `ld` elements apart.
template <class T>
struct Rows {
  T* at;
  int64_t ld;
  T* row(int64_t i) const { return at + i * ld; }
  Rows from(int64_t i, int64_t j) const { return {at + i * ld + j, ld}; }
};

// ---- rotations ------------------------------------------------------------------------------------------------------

template <class T>
struct Rotation {
  T c, s;
};

// One sweep: rotation k takes rows x = first + k * step and y = x + step to c x + s y and c y - s x.
struct Sweep {
  int64_t first, step, count;
};

// K vectors of columns, from a sweep's first row to its last.
template <int64_t K, class T>
HWY_INLINE void rotateColumns(T* HWY_RESTRICT at, int64_t ld, const Sweep& sweep, const Rotation<T>* HWY_RESTRICT by) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d)), next = sweep.step * ld;
  T* row = at + sweep.first * ld;
  hn::Vec<decltype(d)> x[K];
  for (int64_t q = 0; q < K; ++q) x[q] = hn::LoadU(d, row + q * lanes);
  for (int64_t k = 0; k < sweep.count; ++k, row += next) {
    const auto c = hn::Set(d, by[k].c), s = hn::Set(d, by[k].s);
    for (int64_t q = 0; q < K; ++q) {
      const auto y = hn::LoadU(d, row + next + q * lanes);
      hn::StoreU(hn::MulAdd(c, x[q], hn::Mul(s, y)), d, row + q * lanes);
      x[q] = hn::NegMulAdd(s, x[q], hn::Mul(c, y));
    }
  }
  for (int64_t q = 0; q < K; ++q) hn::StoreU(x[q], d, row + q * lanes);
}

template <class T>
struct RotateTask {
  Rows<T> x;
  int64_t vectors;
  const Sweep* sweeps;
  int64_t count;
  const Rotation<T>* rotations;
  // Groups [begin, end) of kVectors vectors of columns.
  void operator()(int64_t begin, int64_t end) const {
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
    for (int64_t group = begin; group < end; ++group) {
      const int64_t first = group * kVectors, last = least(first + kVectors, vectors);
      const Rotation<T>* by = rotations;
      for (int64_t i = 0; i < count; ++i) {
        if (last - first == kVectors) {
          rotateColumns<kVectors>(x.at + first * lanes, x.ld, sweeps[i], by);
        } else {
          for (int64_t q = first; q < last; ++q) rotateColumns<1>(x.at + q * lanes, x.ld, sweeps[i], by);
        }
        by += sweeps[i].count;
      }
    }
  }
};

// The vectors' first n rows and columns, and the rotations that they have yet to undergo.
template <class T>
struct Pending {
  int64_t n;
  Rows<T> left, right;
  Rotation<T>*leftBy, *rightBy;  // kStored n
  Sweep* sweeps;                 // kStored n
  int64_t count = 0, used = 0;

  void begin(int64_t first, int64_t step, int64_t rotations) {
    if (used + rotations > kStored * n || count == kStored * n) flush();
    sweeps[count++] = {first, step, rotations};
  }
  void add(Rotation<T> l, Rotation<T> r) {
    leftBy[used] = l;
    rightBy[used++] = r;
  }
  void flush() {
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()));
    const int64_t vectors = (n + lanes - 1) / lanes, groups = (vectors + kVectors - 1) / kVectors;
    const int64_t grain = 1 + (1 << 16) / (used * kVectors + 1);
    parallelFor(groups, grain, RotateTask<T>{left, vectors, sweeps, count, leftBy}, 1);
    parallelFor(groups, grain, RotateTask<T>{right, vectors, sweeps, count, rightBy}, 1);
    count = used = 0;
  }
};

// Between them squares keep their digits.
constexpr double kLeast = 0x1p-900, kMost = 0x1p900;

// c f + s g = r, c g - s f = 0; r has f's sign.
struct Turn {
  double c, s, r;
  Turn(double c_, double s_, double r_) : c(c_), s(s_), r(r_) {}
  Turn(double f, double g) {
    if (g == 0) {
      c = 1, s = 0, r = f;
      return;
    }
    const double squares = f * f + g * g;
    double size;
    if (squares > kLeast && squares < kMost) {
      size = std::sqrt(squares);
    } else {
      const double most = magnitude(f) > magnitude(g) ? magnitude(f) : magnitude(g);
      size = most * std::sqrt(f / most * (f / most) + g / most * (g / most));
    }
    r = std::copysign(size, f);
    c = f / r, s = g / r;
  }
};

// The smaller singular value of (f g; 0 h).
inline double smallerOfTwo(double f, double g, double h) {
  f = magnitude(f), g = magnitude(g), h = magnitude(h);
  const double small = f < h ? f : h, large = f < h ? h : f, most = large > g ? large : g;
  if (small == 0) return 0;
  const double a = small / most, b = large / most, c = g / most;
  return small * (2 * b / (std::sqrt((b + a) * (b + a) + c * c) + std::sqrt((b - a) * (b - a) + c * c)));
}

// Makes the bidiagonal matrix of d [n] and e [n - 1] diagonal, whose magnitudes then are the singular values. `pending`
// gets the rotations, where vectors are wanted.
template <class T>
struct Diagonalize {
  int64_t n;
  double *d, *e;
  Pending<T>* pending;
  int64_t sweeps = 0;

  // What a part of the matrix is taken for 0 against: an eighth of T's rounding, and for float64 all of it.
  static constexpr double kSmall = sizeof(T) == 4 ? 0x1p-27 : 0x1p-50;

  // False where that takes too many sweeps, which has not been seen.
  bool run() {
    const double nothing = std::numeric_limits<double>::min() * static_cast<double>(n);
    const double perhaps = kSmall * norm();
    int64_t lastLo = n, lastHi = -1;
    bool down = true;
    double smallest = 0, largest = 0;  // of the block, which sweeps leave alone
    for (int64_t hi = n - 1; hi > 0;) {
      if (magnitude(e[hi - 1]) <= nothing) {
        e[--hi] = 0;
        continue;
      }
      int64_t lo = hi - 1;
      bool look = magnitude(e[lo]) <= perhaps;
      for (; lo > 0 && magnitude(e[lo - 1]) > nothing; --lo) look |= magnitude(e[lo - 1]) <= perhaps;
      if (lo > 0) e[lo - 1] = 0;
      // The end with the smaller numbers comes last in a sweep. A block keeps its direction while it shrinks.
      if (lo > lastHi || hi < lastLo) down = magnitude(d[lo]) >= magnitude(d[hi]);
      look |= lo != lastLo || hi != lastHi;
      lastLo = lo, lastHi = hi;
      const Chase chase = down ? Chase{d, e, lo, 1, hi - lo} : Chase{d, e, hi, -1, hi - lo};
      if (look && chase.deflate(smallest, largest)) continue;
      if (sweeps++ == kSweeps * n) return false;
      if (pending) pending->begin(chase.first, chase.step, chase.count);
      chase.sweep(chase.shift(smallest, largest), pending, down);
    }
    if (pending) pending->flush();
    return true;
  }

  // No less than the largest singular value.
  double norm() const {
    double ofD = magnitude(d[n - 1]), ofE = 0;
    for (int64_t k = 0; k + 1 < n; ++k) {
      ofD = magnitude(d[k]) > ofD ? magnitude(d[k]) : ofD;
      ofE = magnitude(e[k]) > ofE ? magnitude(e[k]) : ofE;
    }
    return ofD + ofE;
  }

  // A block of the matrix, seen from its first or from its last row: upper bidiagonal either way, where seen from the
  // last row it is turned, and so left and right change places.
  struct Chase {
    double *d, *e;
    int64_t first, step, count;  // count: of elements beside the diagonal
    double& diagonal(int64_t k) const { return d[first + k * step]; }
    double& beside(int64_t k) const { return e[step > 0 ? first + k : first - k - 1]; }

    // Makes 0 what is small beside the singular values of what is before it: Demmel and Kahan's criteria. True where
    // there was something. Else a bound of the smallest singular value, and the largest element.
    bool deflate(double& smallest, double& largest) const {
      if (magnitude(beside(count - 1)) <= kSmall * magnitude(diagonal(count))) {
        beside(count - 1) = 0;
        return true;
      }
      double mu = magnitude(diagonal(0));
      smallest = largest = mu;
      for (int64_t k = 0; k < count; ++k) {
        const double b = magnitude(beside(k)), next = magnitude(diagonal(k + 1));
        if (b <= kSmall * mu) {
          beside(k) = 0;
          return true;
        }
        mu = next * (mu / (mu + b));
        smallest = mu < smallest ? mu : smallest;
        largest = b > largest ? b : largest;
        largest = next > largest ? next : largest;
      }
      return false;
    }
    // 0 where a shift would cost small singular values their digits, or is too small to count.
    double shift(double smallest, double largest) const {
      constexpr double epsilon = std::numeric_limits<double>::epsilon();
      if (smallest <= largest * 0x1p-20) return 0;
      const double sigma = smallerOfTwo(diagonal(count - 1), beside(count - 1), diagonal(count));
      const double part = sigma / magnitude(diagonal(0));
      return part * part < epsilon ? 0 : sigma;
    }
    void note(Pending<T>* pending, bool down, const Turn& right, const Turn& left) const {
      const Rotation<T> r{static_cast<T>(right.c), static_cast<T>(right.s)};
      const Rotation<T> l{static_cast<T>(left.c), static_cast<T>(left.s)};
      if (pending) pending->add(down ? l : r, down ? r : l);
    }
    void sweep(double sigma, Pending<T>* pending, bool down) const {
      if (sigma == 0) return sweepWithoutShift(pending, down);
      const double top = diagonal(0);
      double f = (magnitude(top) - sigma) * (std::copysign(1.0, top) + sigma / top), g = beside(0);
      for (int64_t k = 0; k < count; ++k) {
        double& a = diagonal(k);
        double& b = beside(k);
        double& next = diagonal(k + 1);
        double after = k + 1 < count ? beside(k + 1) : 0;
        // With the first turn c = f / r, s = g / r, the second one is of c a + s b and s next, which are F / r and
        // G / r. So it needs no wait for r: the roots, and then all quotients, are computed side by side, and a step
        // takes two thirds of the time.
        const double F = f * a + g * b, G = g * next, across = f * b - g * a;
        const double h = f * f + g * g, H = F * F + G * G;
        if (h > kLeast && h < kMost && H > kLeast && H < kMost) {
          const double r = std::copysign(std::sqrt(h), f), R = std::copysign(std::sqrt(H), F), both = 1 / (r * R);
          if (k > 0) beside(k - 1) = r;
          const double straight = f * next;
          note(pending, down, {f / r, g / r, r}, {F / R, G / R, R / r});
          a = R / r;
          f = (F * across + G * straight) * both;
          next = (F * straight - G * across) * both;
          g = G * after * r * both;
          after *= F / R;
        } else {
          const Turn right(f, g);
          if (k > 0) beside(k - 1) = right.r;
          const double bent = right.c * b - right.s * a, lower = right.c * next;
          const Turn left(right.c * a + right.s * b, right.s * next);
          note(pending, down, right, left);
          a = left.r;
          f = left.c * bent + left.s * lower;
          next = left.c * lower - left.s * bent;
          g = left.s * after;
          after *= left.c;
        }
        if (k + 1 < count) beside(k + 1) = after;
      }
      beside(count - 1) = f;
    }
    // No difference is taken: every element keeps its relative accuracy. A zero on the diagonal goes to the end.
    void sweepWithoutShift(Pending<T>* pending, bool down) const {
      Turn right(1, 0), left(1, 0);
      for (int64_t k = 0; k < count; ++k) {
        right = Turn(diagonal(k) * right.c, beside(k));
        if (k > 0) beside(k - 1) = left.s * right.r;
        left = Turn(left.c * right.r, diagonal(k + 1) * right.s);
        diagonal(k) = left.r;
        note(pending, down, right, left);
      }
      const double end = diagonal(count) * right.c;
      diagonal(count) = end * left.c;
      beside(count - 1) = end * left.s;
    }
  };
};

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
