// Reductions and scans on every instruction set: sums against what PyTorch gave, bit by bit; everything against plain
// loops in float64; and that threads change nothing.
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "check.h"
#include "kernels/all.h"
#include "loops/cast.h"
#include "recorded_sums.h"
#include "simd/cpu.h"
#include "threads/pool.h"

namespace {

using namespace tenfold;
using Bytes = std::vector<char>;

struct Shape {
  int64_t outer, n, inner;
};
const Shape kShapes[] = {{1, 1, 1},   {1, 7, 1}, {3, 8, 1},  {5, 31, 1},   {4, 33, 1},    {2, 4097, 1}, {1, 100003, 1},
                         {90, 10, 1}, {2, 3, 5}, {1, 17, 2}, {3, 100, 40}, {1, 1000, 7},  {2, 70, 600}, {1, 50000, 3},
                         {1, 0, 3},   {0, 4, 1}, {2, 5, 0},  {700, 64, 1}, {1, 130, 2500}};

// Numbers with ties, signs and, where `specials` says so, infinities and NaN; as `type`.
Bytes numbers(DType type, int64_t count, bool specials) {
  std::vector<double> x(static_cast<size_t>(count));
  uint32_t state = 99;
  for (double& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<double>(state >> 27) - (type == DType::u8 || type == DType::b8 ? 0 : 16);
    if (type == DType::f32 || type == DType::f64) v = v / 4 + (state >> 20 & 7) * 0.01;
    if (specials && (state >> 8 & 63) == 5) v = (state & 0x10000) ? NAN : (state & 0x20000) ? INFINITY : -INFINITY;
  }
  Bytes out(x.size() * sizeOf(type));
  if (count > 0) castTile(type, out.data(), DType::f64, x.data(), x.size());
  return out;
}

std::vector<double> asDoubles(const Bytes& x, DType type, int64_t count) {
  std::vector<double> out(static_cast<size_t>(count));
  if (count > 0) castTile(DType::f64, out.data(), type, x.data(), out.size());
  return out;
}

const Kernel& kernelOf(const std::vector<Kernel>& all, const char* name, DType dtype) {
  for (const Kernel& k : all) {
    if (k.dtype == dtype && !std::strcmp(k.name, name)) return k;
  }
  throw KernelError("TypeError", std::string("no kernel ") + name);
}

double addressOf(const void* p) { return static_cast<double>(reinterpret_cast<uintptr_t>(p)); }

void runReduction(const Kernel& k, const Shape& s, const Bytes& in, DType inType, Bytes& out,
                  std::vector<int64_t>* index, double param) {
  const double frame[] = {static_cast<double>(s.outer),
                          static_cast<double>(s.n),
                          static_cast<double>(s.inner),
                          addressOf(in.data()),
                          static_cast<double>(static_cast<int>(inType)),
                          addressOf(out.data()),
                          index ? addressOf(index->data()) : 0,
                          param};
  k.run(k, Frame{frame});
}

template <class F>
void onEveryTarget(F f) {
  for (const int64_t target : kTargets) {
    if (supports(target)) f(target, allKernels(target));
  }
}

// One output from the elements that it comes from, in order.
using Reference = std::function<double(const std::vector<double>&)>;

double extreme(const std::vector<double>& x, bool max) {
  double best = x[0];
  for (const double v : x) best = best != best ? best : v != v || (max ? v > best : v < best) ? v : best;
  return best;
}
double whereExtreme(const std::vector<double>& x, bool max) {
  const double best = extreme(x, max);
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] == best || (best != best && x[i] != x[i])) return static_cast<double>(i);
  }
  return -1;
}
double sumOf(const std::vector<double>& x, double (*of)(double)) {
  double sum = 0;
  for (const double v : x) sum += of(v);
  return sum;
}
double variance(const std::vector<double>& x) {
  if (x.empty()) return NAN;
  const double mean = sumOf(x, [](double v) { return v; }) / static_cast<double>(x.size());
  double sum = 0;
  for (const double v : x) sum += (v - mean) * (v - mean);
  return sum / (static_cast<double>(x.size()) - 1);
}
double logSumExp(const std::vector<double>& x) {
  if (x.empty()) return -INFINITY;
  const double max = extreme(x, true), shift = std::isinf(max) ? 0 : max;
  double sum = 0;
  for (const double v : x) sum += std::exp(v - shift);
  return std::log(sum) + shift;
}

struct Row {
  const char* name;
  DType dtype, out;
  bool specials;     // defined for infinities and NaN in a way that can be compared
  bool needs;        // at least one element
  double tolerance;  // relative to the sum of magnitudes, or 0: exact
  double param;
  Reference reference;
};

const double kSingle = 2e-7, kDouble = 1e-15;
#define TENFOLD_FLOATS(NAME, SPECIALS, NEEDS, EXACT, PARAM, ...)                              \
  {NAME, DType::f32, DType::f32, SPECIALS, NEEDS, EXACT ? 0 : kSingle, PARAM, __VA_ARGS__}, { \
    NAME, DType::f64, DType::f64, SPECIALS, NEEDS, EXACT ? 0 : kDouble, PARAM, __VA_ARGS__    \
  }
#define TENFOLD_ANY(NAME, OUT_OF, NEEDS, ...)                                    \
  {NAME, DType::f32, OUT_OF(DType::f32), true, NEEDS, 0, 0, __VA_ARGS__},        \
      {NAME, DType::f64, OUT_OF(DType::f64), true, NEEDS, 0, 0, __VA_ARGS__},    \
      {NAME, DType::i64, OUT_OF(DType::i64), false, NEEDS, 0, 0, __VA_ARGS__}, { \
    NAME, DType::i32, OUT_OF(DType::i32), false, NEEDS, 0, 0, __VA_ARGS__        \
  }
constexpr DType same(DType t) { return t; }
constexpr DType toIndex(DType) { return DType::i64; }
using X = const std::vector<double>&;

const Row kRows[] = {
    TENFOLD_FLOATS("sum", true, false, false, 0, [](X x) { return sumOf(x, [](double v) { return v; }); }),
    {"sum", DType::i64, DType::i64, false, false, 0, 0, [](X x) { return sumOf(x, [](double v) { return v; }); }},
    TENFOLD_FLOATS("nansum", true, false, false, 0,
                   [](X x) { return sumOf(x, [](double v) { return v == v ? v : 0; }); }),
    TENFOLD_FLOATS("mean", true, false, false, 0,
                   [](X x) { return sumOf(x, [](double v) { return v; }) / static_cast<double>(x.size()); }),
    TENFOLD_FLOATS("sumSquares", true, false, false, 0, [](X x) { return sumOf(x, [](double v) { return v * v; }); }),
    TENFOLD_FLOATS("norm", true, false, false, 0,
                   [](X x) { return std::sqrt(sumOf(x, [](double v) { return v * v; })); }),
    TENFOLD_FLOATS("sumAbs", true, false, false, 0,
                   [](X x) { return sumOf(x, [](double v) { return std::fabs(v); }); }),
    TENFOLD_FLOATS("sumPow", true, false, false, 3,
                   [](X x) { return sumOf(x, [](double v) { return std::fabs(v * v * v); }); }),
    TENFOLD_FLOATS("var", false, false, false, 1, variance),
    TENFOLD_FLOATS("std", false, false, false, 1, [](X x) { return std::sqrt(variance(x)); }),
    TENFOLD_FLOATS("logsumexp", true, false, false, 0, logSumExp),
    TENFOLD_FLOATS("maxAbs", true, false, true, 0,
                   [](X x) {
                     double m = 0;
                     for (const double v : x) m = m != m ? m : v != v ? v : std::fmax(m, std::fabs(v));
                     return m;
                   }),
    TENFOLD_FLOATS("minAbs", true, true, true, 0,
                   [](X x) {
                     double m = INFINITY;
                     for (const double v : x) m = m != m ? m : v != v ? v : std::fmin(m, std::fabs(v));
                     return m;
                   }),
    {"countNonzero", DType::b8, DType::i64, true, false, 0, 0,
     [](X x) { return sumOf(x, [](double v) { return v != 0 ? 1.0 : 0.0; }); }},
    {"any", DType::b8, DType::b8, true, false, 0, 0,
     [](X x) {
       for (const double v : x) {
         if (v != 0) return 1.0;
       }
       return 0.0;
     }},
    {"all", DType::b8, DType::b8, true, false, 0, 0,
     [](X x) {
       for (const double v : x) {
         if (v == 0) return 0.0;
       }
       return 1.0;
     }},
    TENFOLD_ANY("amax", same, true, [](X x) { return extreme(x, true); }),
    TENFOLD_ANY("amin", same, true, [](X x) { return extreme(x, false); }),
    TENFOLD_ANY("max", same, true, [](X x) { return extreme(x, true); }),
    TENFOLD_ANY("min", same, true, [](X x) { return extreme(x, false); }),
    TENFOLD_ANY("argmax", toIndex, true, [](X x) { return whereExtreme(x, true); }),
    TENFOLD_ANY("argmin", toIndex, true, [](X x) { return whereExtreme(x, false); }),
};

bool near(double got, double want, double scale, double tolerance) {
  if (got != got || want != want) return got != got && want != want;
  return got == want || std::fabs(got - want) <= tolerance * scale;
}

void checkRow(const Row& row, const Kernel& k, const Shape& s, DType inType, int64_t target) {
  const int64_t outputs = s.outer * s.inner, count = outputs * s.n;
  const Bytes in = numbers(inType, count, row.specials && (inType == DType::f32 || inType == DType::f64));
  Bytes out(static_cast<size_t>(outputs + 1) * sizeOf(row.out), 0x5a);
  std::vector<int64_t> index(static_cast<size_t>(outputs + 1), -7);
  const bool indexed = !std::strcmp(row.name, "max") || !std::strcmp(row.name, "min");
  const bool refuses = row.needs && s.n == 0 && outputs > 0;
  bool refused = false;
  try {
    runReduction(k, s, in, inType, out, indexed ? &index : nullptr, row.param);
  } catch (const KernelError&) {
    refused = true;
  }
  CHECK(refused == refuses, "%s: refused %d", row.name, refused);
  if (refused) return;
  const std::vector<double> x = asDoubles(in, inType, count), got = asDoubles(out, row.out, outputs);
  int64_t wrong = 0;
  for (int64_t o = 0; o < outputs; ++o) {
    std::vector<double> column;
    double scale = 1;  // of a sum: n roundings of its partial sums, tree-wise
    for (int64_t i = 0; i < s.n; ++i)
      column.push_back(x[static_cast<size_t>((o / s.inner * s.n + i) * s.inner + o % s.inner)]);
    const double want = row.reference(column);
    for (const double v : column)
      scale += row.tolerance > 0 && std::isfinite(v) ? std::fabs(v) + v * v * (row.param == 3 ? std::fabs(v) : 1) : 0;
    if (!std::strcmp(row.name, "mean")) scale /= static_cast<double>(s.n);
    wrong += !near(got[static_cast<size_t>(o)], want, scale, row.tolerance);
    if (indexed)
      wrong += static_cast<double>(index[static_cast<size_t>(o)]) != whereExtreme(column, row.name[1] == 'a');
  }
  wrong += out.back() != 0x5a;
  CHECK(wrong == 0, "%s %s of %s [%d, %d, %d] on %s: %d of %d", row.name, nameOf(row.dtype), nameOf(inType),
        static_cast<int>(s.outer), static_cast<int>(s.n), static_cast<int>(s.inner), targetName(target),
        static_cast<int>(wrong), static_cast<int>(outputs));
}

TEST(reduce_against_plain_loops) {
  onEveryTarget([](int64_t target, const std::vector<Kernel>& all) {
    for (const Row& row : kRows) {
      const Kernel& k = kernelOf(all, row.name, row.dtype);
      for (const Shape& s : kShapes) {
        checkRow(row, k, s, row.dtype, target);
        if (row.dtype == DType::f32) checkRow(row, k, s, DType::bf16, target);
        if (row.dtype == DType::i32 || row.dtype == DType::i64) checkRow(row, k, s, DType::u8, target);
        if (row.dtype == DType::b8) checkRow(row, k, s, DType::f32, target);
      }
    }
  });
}

std::vector<double> lcg(int64_t count, bool halves) {
  std::vector<double> x(static_cast<size_t>(count));
  uint32_t state = 12345;
  for (double& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<double>(state >> 8) * 0x1p-24 - 0.5;
    if (!halves) v *= 0.1;
  }
  return x;
}

TEST(sum_adds_in_pytorchs_order) {
  onEveryTarget([](int64_t target, const std::vector<Kernel>& all) {
    for (const auto& r : test::kRecordedSums) {
      const std::vector<double> x = lcg(r.outer * r.n * r.inner, r.dtype == DType::f32);
      Bytes in(x.size() * sizeOf(r.dtype)), out(static_cast<size_t>(r.outer * r.inner) * sizeOf(r.dtype));
      castTile(r.dtype, in.data(), DType::f64, x.data(), x.size());
      runReduction(kernelOf(all, "sum", r.dtype), {r.outer, r.n, r.inner}, in, r.dtype, out, nullptr, 0);
      uint64_t hash = 1469598103934665603u;
      for (size_t i = 0; i < out.size(); i += sizeOf(r.dtype)) {
        uint64_t bits = 0;
        std::memcpy(&bits, out.data() + i, sizeOf(r.dtype));
        hash = (hash ^ bits) * 1099511628211u;
      }
      CHECK(hash == r.hash, "%s [%d, %d, %d] on %s", nameOf(r.dtype), static_cast<int>(r.outer), static_cast<int>(r.n),
            static_cast<int>(r.inner), targetName(target));
    }
  });
}

TEST(reduce_gives_the_same_on_any_number_of_threads) {
  const int before = numThreads();
  onEveryTarget([](int64_t target, const std::vector<Kernel>& all) {
    for (const Shape& s :
         {Shape{1, 300001, 1}, Shape{1, 100000, 3}, Shape{3, 90000, 1}, Shape{40, 9000, 1}, Shape{1, 900, 500}}) {
      const Bytes in = numbers(DType::f32, s.outer * s.n * s.inner, false);
      for (const char* name : {"sum", "prod", "var", "logsumexp", "max", "sumPow"}) {
        const Kernel& k = kernelOf(all, name, DType::f32);
        Bytes one(static_cast<size_t>(s.outer * s.inner) * 4), several = one;
        setNumThreads(1);
        runReduction(k, s, in, DType::f32, one, nullptr, 1);
        setNumThreads(3);
        runReduction(k, s, in, DType::f32, several, nullptr, 1);
        CHECK(one == several, "%s [%d, %d, %d] on %s", name, static_cast<int>(s.outer), static_cast<int>(s.n),
              static_cast<int>(s.inner), targetName(target));
      }
    }
  });
  setNumThreads(before);
}

TEST(prod_of_integers_wraps_around) {
  onEveryTarget([](int64_t target, const std::vector<Kernel>& all) {
    for (const Shape& s : {Shape{3, 50, 1}, Shape{1, 50, 20}}) {
      std::vector<int64_t> x(static_cast<size_t>(s.outer * s.n * s.inner));
      for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int64_t>(i * 2654435761u) | 1;
      Bytes in(x.size() * 8), out(static_cast<size_t>(s.outer * s.inner) * 8);
      std::memcpy(in.data(), x.data(), in.size());
      runReduction(kernelOf(all, "prod", DType::i64), s, in, DType::i64, out, nullptr, 0);
      for (int64_t o = 0; o < s.outer * s.inner; ++o) {
        uint64_t want = 1, got;
        for (int64_t i = 0; i < s.n; ++i)
          want *= static_cast<uint64_t>(x[static_cast<size_t>((o / s.inner * s.n + i) * s.inner + o % s.inner)]);
        std::memcpy(&got, out.data() + o * 8, 8);
        CHECK(got == want, "output %d on %s", static_cast<int>(o), targetName(target));
      }
    }
  });
}

// ---- scans ----------------------------------------------------------------------------------------------------------

struct ScanRow {
  const char* name;
  bool indexed;
  double (*next)(double acc, double x);
  double start;
  double tolerance;
};
double laterMax(double acc, double x) { return x != x || (acc == acc && x >= acc) ? x : acc; }
double laterMin(double acc, double x) { return x != x || (acc == acc && x <= acc) ? x : acc; }
const ScanRow kScanRows[] = {
    {"cumsum", false, [](double acc, double x) { return acc + x; }, 0, 0},
    {"cumprod", false, [](double acc, double x) { return acc * x; }, 1, 0},
    {"cummax", true, laterMax, -INFINITY, 0},
    {"cummin", true, laterMin, INFINITY, 0},
    {"logcumsumexp", false,
     [](double acc, double x) {
       const double m = std::fmax(acc, x);
       return acc != acc || x != x ? acc + x : std::isinf(m) ? m : std::log(std::exp(acc - m) + std::exp(x - m)) + m;
     },
     -INFINITY, 1e-12},
};

TEST(scans_against_plain_loops) {
  onEveryTarget([](int64_t target, const std::vector<Kernel>& all) {
    for (const ScanRow& row : kScanRows) {
      for (const Shape& s : kShapes) {
        for (const bool inPlace : {false, true}) {
          const DType type = DType::f64;
          const int64_t count = s.outer * s.n * s.inner;
          Bytes in = numbers(type, count, true), out(in.size());
          const std::vector<double> x = asDoubles(in, type, count);
          std::vector<int64_t> index(static_cast<size_t>(count));
          const Kernel& k = kernelOf(all, row.name, type);
          const double frame[] = {static_cast<double>(s.outer),
                                  static_cast<double>(s.n),
                                  static_cast<double>(s.inner),
                                  addressOf(in.data()),
                                  addressOf(inPlace ? in.data() : out.data()),
                                  row.indexed ? addressOf(index.data()) : 0};
          k.run(k, Frame{frame});
          const std::vector<double> got = asDoubles(inPlace ? in : out, type, count);
          int64_t wrong = 0;
          for (int64_t o = 0; o < s.outer * s.inner; ++o) {
            double acc = row.start;
            int64_t where = 0;
            for (int64_t i = 0; i < s.n; ++i) {
              const size_t at = static_cast<size_t>((o / s.inner * s.n + i) * s.inner + o % s.inner);
              const double next = row.next(acc, x[at]);
              if (row.indexed && (next != next ? x[at] != x[at] : x[at] == next)) where = i;
              acc = next;
              wrong += !near(got[at], acc, 1 + std::fabs(acc), row.tolerance) || (row.indexed && index[at] != where);
            }
          }
          CHECK(wrong == 0, "%s [%d, %d, %d] on %s: %d", row.name, static_cast<int>(s.outer), static_cast<int>(s.n),
                static_cast<int>(s.inner), targetName(target), static_cast<int>(wrong));
        }
      }
    }
  });
}

}  // namespace
