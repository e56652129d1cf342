// Running reductions along a dimension: cumsum cumprod cummax cummin logcumsumexp.
//
// out may be in; index is for cummax and cummin. Floats are accumulated in float64, as PyTorch
// does on CPU; among equals cummax and cummin give the last index.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/scans.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include "kernel.h"
#include "kernels/all.h"
#include "simd/cpu.h"
#include "threads/pool.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kScanColumns = 512;
constexpr int64_t kScanGrain = 10000;  // elements that are scanned in about 10 microseconds

constexpr char kScanFrame[] =
    "outer, n, inner, in x[outer*n*inner], out y[outer*n*inner], out? index[outer*n*inner]: i64";
struct Scan {
  int64_t outer, n, inner;
  const void* in;
  void* out;
  int64_t* index;
  explicit Scan(Frame f)
      : outer(f.i64()),
        n(f.i64()),
        inner(f.i64()),
        in(f.ptr<const void>()),
        out(f.ptr<void>()),
        index(f.ptr<int64_t>()) {}
};

// A scan is an accumulator: Acc start(), Acc next(Acc, T), and the number that is stored, T value(Acc).
struct CumSum {
  template <class T>
  static T start() {
    return 0;
  }
  static double next(double acc, double x) { return acc + x; }
  static int64_t next(int64_t acc, int64_t x) {
    return static_cast<int64_t>(static_cast<uint64_t>(acc) + static_cast<uint64_t>(x));
  }
};
struct CumProd {
  template <class T>
  static T start() {
    return 1;
  }
  static double next(double acc, double x) { return acc * x; }
  static int64_t next(int64_t acc, int64_t x) {
    return static_cast<int64_t>(static_cast<uint64_t>(acc) * static_cast<uint64_t>(x));
  }
};
struct LogCumSumExp {
  template <class T>
  static T start() {
    return -std::numeric_limits<T>::infinity();
  }
  static double next(double acc, double x) {
    const double low = acc < x ? acc : x, high = acc < x ? x : acc;  // NaN in either reaches low + high
    if (low != low || high != high) return low + high;
    return low != high || std::isfinite(low) ? std::log1p(std::exp(low - high)) + high : x;
  }
};

template <class T>
struct AccumulatorOf {
  using type = double;
};
template <>
struct AccumulatorOf<int64_t> {
  using type = int64_t;
};

template <class Op, class T>
struct ScanColumns {
  using Acc = typename AccumulatorOf<T>::type;
  const Scan& s;
  int64_t blocks;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t c = b % blocks * kScanColumns;
      const int64_t width = s.inner - c < kScanColumns ? s.inner - c : kScanColumns;
      const int64_t offset = b / blocks * s.n * s.inner + c;
      const T* in = static_cast<const T*>(s.in) + offset;
      T* out = static_cast<T*>(s.out) + offset;
      if (width == 1) {
        Acc acc = Op::template start<Acc>();
        for (int64_t i = 0; i < s.n; ++i) {
          acc = Op::next(acc, static_cast<Acc>(in[i * s.inner]));
          out[i * s.inner] = static_cast<T>(acc);
        }
        continue;
      }
      Acc acc[kScanColumns];
      for (int64_t k = 0; k < width; ++k) acc[k] = Op::template start<Acc>();
      for (int64_t i = 0; i < s.n; ++i, in += s.inner, out += s.inner) {
        for (int64_t k = 0; k < width; ++k) {
          acc[k] = Op::next(acc[k], static_cast<Acc>(in[k]));
          out[k] = static_cast<T>(acc[k]);
        }
      }
    }
  }
};

template <class T>
bool noLess(T x, T than) {
  return x >= than;
}
template <class T>
bool noMore(T x, T than) {
  return x <= than;
}

template <class T, bool kMax>
struct ScanExtremes {
  const Scan& s;
  int64_t blocks;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t c = b % blocks * kScanColumns;
      const int64_t stop = s.inner - c < kScanColumns ? s.inner : c + kScanColumns;
      const int64_t offset = b / blocks * s.n * s.inner;
      for (int64_t k = offset + c; k < offset + stop; ++k) column(k);
    }
  }
  void column(int64_t at) const {
    const T* in = static_cast<const T*>(s.in);
    T* out = static_cast<T*>(s.out);
    T best = in[at];
    int64_t where = 0;
    for (int64_t i = 0; i < s.n; ++i, at += s.inner) {
      const T x = in[at];
      if (x != x || (best == best && (kMax ? noLess(x, best) : noMore(x, best)))) best = x, where = i;
      out[at] = best;
      if (s.index) s.index[at] = where;
    }
  }
};

template <class Run>
void scan(const Scan& s, const Run& run) {
  if (s.outer == 0 || s.n == 0 || s.inner == 0) return;
  const int64_t width = s.inner < kScanColumns ? s.inner : kScanColumns;
  parallelFor(s.outer * run.blocks, kScanGrain / (s.n * width) + 1, run, 1);
}

template <class Op, class T>
void runScan(const Kernel&, Frame f) {
  const Scan s(f);
  scan(s, ScanColumns<Op, T>{s, (s.inner + kScanColumns - 1) / kScanColumns});
}
template <class T, bool kMax>
void runExtremeScan(const Kernel&, Frame f) {
  const Scan s(f);
  scan(s, ScanExtremes<T, kMax>{s, (s.inner + kScanColumns - 1) / kScanColumns});
}

}  // namespace

extern const Kernel kScans[];
const Kernel kScans[] = {
    {"cumsum", DType::f32, runScan<CumSum, float>, kScanFrame},
    {"cumsum", DType::f64, runScan<CumSum, double>, kScanFrame},
    {"cumsum", DType::i64, runScan<CumSum, int64_t>, kScanFrame},
    {"cumprod", DType::f32, runScan<CumProd, float>, kScanFrame},
    {"cumprod", DType::f64, runScan<CumProd, double>, kScanFrame},
    {"cumprod", DType::i64, runScan<CumProd, int64_t>, kScanFrame},
    {"logcumsumexp", DType::f32, runScan<LogCumSumExp, float>, kScanFrame},
    {"logcumsumexp", DType::f64, runScan<LogCumSumExp, double>, kScanFrame},
    {"cummax", DType::f32, runExtremeScan<float, true>, kScanFrame},
    {"cummax", DType::f64, runExtremeScan<double, true>, kScanFrame},
    {"cummax", DType::i64, runExtremeScan<int64_t, true>, kScanFrame},
    {"cummax", DType::i32, runExtremeScan<int32_t, true>, kScanFrame},
    {"cummin", DType::f32, runExtremeScan<float, false>, kScanFrame},
    {"cummin", DType::f64, runExtremeScan<double, false>, kScanFrame},
    {"cummin", DType::i64, runExtremeScan<int64_t, false>, kScanFrame},
    {"cummin", DType::i32, runExtremeScan<int32_t, false>, kScanFrame},
};
constexpr size_t kScansCount = sizeof(kScans) / sizeof(kScans[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable scanKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kScans), HWY_NAMESPACE::kScansCount}; }
}  // namespace tenfold
#endif
