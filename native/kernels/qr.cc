// QR factorizations: geqrf householder.
//
// Both go by panels of Householder reflections, which leaves nearly all work to matrix products
// (kernels/reflections-inl.h). Batches are shared between the threads; no bit of a result depends on their number.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/qr.cc"
#include "simd/targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstring>

#include "kernel.h"
#include "kernels/all.h"
#include "kernels/batch-inl.h"
#include "kernels/reflections-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace {

template <class T>
struct GeqrfTask {
  int64_t m, n;
  T *a, *tau;
  void operator()(int64_t begin, int64_t end) const {
    const int64_t count = least(m, n), longPitch = pitch<T>(m), rowPitch = pitch<T>(n);
    const auto of = [](int64_t elements) { return Memory::bytesOf<T>(elements); };
    for (int64_t item = begin; item < end; ++item) {
      Memory memory(of(m * rowPitch) + of(count * longPitch) + of(2 * kPanel * n));
      const Rows<T> given{a + item * m * n, n}, w{memory.take<T>(m * rowPitch), rowPitch};
      const Reflections<T> q{{memory.take<T>(count * longPitch), longPitch}, tau + item * count, count, m, 0};
      for (int64_t i = 0; i < m; ++i) std::memcpy(w.row(i), given.row(i), static_cast<size_t>(n) * sizeof(T));
      factorQr(m, n, w, q, memory.take<T>(2 * kPanel * n));
      for (int64_t i = 0; i < m; ++i) {
        const int64_t left = least(i, count);
        for (int64_t j = 0; j < left; ++j) given.row(i)[j] = q.v.row(j)[i];
        std::memcpy(given.row(i) + left, w.row(i) + left, static_cast<size_t>(n - left) * sizeof(T));
      }
    }
  }
};

// a becomes R in its upper triangle, and below the diagonal the vectors of k reflections 1 - tau v v^T without their
// leading ones; tau [batch, k], where k is the smaller size.
constexpr char kGeqrfFrame[] = "batch, m, n, inout a[batch*m*n], out tau";
template <class T>
void runGeqrf(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), m = f.i64(), n = f.i64();
  GeqrfTask<T> task{m, n, f.ptr<T>(), nullptr};
  task.tau = f.ptr<T>();
  const int64_t k = least(m, n);
  if (k > 0) overBatch(batch, m * n * k, task);
}

template <class T>
struct HouseholderTask {
  int64_t m, columns, count, width;
  const T *v, *tau;
  T* q;
  void operator()(int64_t begin, int64_t end) const {
    const int64_t longPitch = pitch<T>(m);
    const auto of = [](int64_t elements) { return Memory::bytesOf<T>(elements); };
    for (int64_t item = begin; item < end; ++item) {
      Memory memory(of(count * longPitch) + of(width * longPitch) + of(2 * kPanel * width) + of(count));
      Reflections<T> h{{memory.take<T>(count * longPitch), longPitch}, memory.take<T>(count), count, m, 0};
      const Rows<T> x{memory.take<T>(width * longPitch), longPitch};
      T* const scratch = memory.take<T>(2 * kPanel * width);
      std::memcpy(h.tau, tau + item * count, static_cast<size_t>(count) * sizeof(T));
      for (int64_t j = 0; j < count; ++j) {
        T* const row = h.v.row(j);
        const T* const from = v + item * m * columns + j;
        std::memset(row, 0, static_cast<size_t>(j) * sizeof(T));
        row[j] = 1;
        for (int64_t i = j + 1; i < m; ++i) row[i] = from[i * columns];
      }
      identity(x, width);
      h.applyTo(x, width, scratch);
      transpose<T>(width, m, constant(x), {q + item * m * width, width});
    }
  }
};

// v holds reflections as geqrf leaves them; q are the first columns of their product. count <= columns, and both count
// and width at most m.
constexpr char kHouseholderFrame[] =
    "batch, m, columns, count, width, in v[batch*m*columns], in tau[batch*count], out q[batch*m*width]";
template <class T>
void runHouseholder(const Kernel&, Frame f) {
  const int64_t batch = f.i64(), m = f.i64(), columns = f.i64(), count = f.i64(), width = f.i64();
  HouseholderTask<T> task{m, columns, count, width, f.ptr<const T>(), nullptr, nullptr};
  task.tau = f.ptr<const T>();
  task.q = f.ptr<T>();
  if (m > 0 && width > 0) overBatch(batch, 2 * m * count * width, task);
}

}  // namespace

extern const Kernel kQr[];
const Kernel kQr[] = {
    {"geqrf", DType::f32, runGeqrf<float>, kGeqrfFrame},
    {"geqrf", DType::f64, runGeqrf<double>, kGeqrfFrame},
    {"householder", DType::f32, runHouseholder<float>, kHouseholderFrame},
    {"householder", DType::f64, runHouseholder<double>, kHouseholderFrame},
};
constexpr size_t kQrCount = sizeof(kQr) / sizeof(kQr[0]);

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold {
KernelTable qrKernels(int64_t target) { return {*TENFOLD_FOR_TARGET(target, kQr), HWY_NAMESPACE::kQrCount}; }
}  // namespace tenfold
#endif
