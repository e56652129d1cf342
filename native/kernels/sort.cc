// Sorting and its like along the rows of a dense matrix [rows, n]. Everything works on unsigned keys in the order that
// PyTorch sorts by: NaN is the greatest number, -0 equals 0, ties keep their order. A key of 32 bits is packed with its
// position into 64, so that sorting needs no second array and std::sort is stable.
//
// Compiled once, not per instruction set: sorting is branches and memory.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "kernel.h"
#include "kernels/all.h"
#include "threads/pool.h"

namespace tenfold {
namespace {

// ---- keys -----------------------------------------------------------------------------------------------------------

// Elements sorted in about 10 microseconds.
constexpr int64_t kSortGrain = 512;

// A key of 32 bits and a position below 2^32 in one number.
struct Packed {
  uint64_t bits;
  uint32_t key() const { return static_cast<uint32_t>(bits >> 32); }
  int64_t position() const { return static_cast<int64_t>(bits & 0xffffffffu); }
  static Packed of(uint32_t key, int64_t i) { return {static_cast<uint64_t>(key) << 32 | static_cast<uint64_t>(i)}; }
  bool operator<(const Packed& o) const { return bits < o.bits; }
  static constexpr int kKeyBits = 32;
};
struct Wide {
  uint64_t bits;
  int64_t at;
  uint64_t key() const { return bits; }
  int64_t position() const { return at; }
  static Wide of(uint64_t key, int64_t i) { return {key, i}; }
  bool operator<(const Wide& o) const { return bits < o.bits || (bits == o.bits && at < o.at); }
  static constexpr int kKeyBits = 64;
};

template <class T>
T bitsOf(const char* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
// Of IEEE floats: magnitudes above `infinity` are NaN.
template <class U>
U floatKey(U b, U sign, U infinity) {
  const U magnitude = static_cast<U>(b & ~sign);
  if (magnitude > infinity) return static_cast<U>(~U{0});
  if (magnitude == 0) return sign;
  return static_cast<U>(b & sign ? ~b : b | sign);
}

struct F32Key {
  using Item = Packed;
  static uint32_t of(const char* p) { return floatKey<uint32_t>(bitsOf<uint32_t>(p), 0x80000000u, 0x7f800000u); }
};
struct F64Key {
  using Item = Wide;
  static uint64_t of(const char* p) {
    return floatKey<uint64_t>(bitsOf<uint64_t>(p), uint64_t{1} << 63, uint64_t{0x7ff} << 52);
  }
};
struct F16Key {
  using Item = Packed;
  static uint32_t of(const char* p) { return floatKey<uint16_t>(bitsOf<uint16_t>(p), 0x8000, 0x7c00); }
};
struct BF16Key {
  using Item = Packed;
  static uint32_t of(const char* p) { return floatKey<uint16_t>(bitsOf<uint16_t>(p), 0x8000, 0x7f80); }
};
struct I64Key {
  using Item = Wide;
  static uint64_t of(const char* p) { return bitsOf<uint64_t>(p) ^ (uint64_t{1} << 63); }
};
struct I32Key {
  using Item = Packed;
  static uint32_t of(const char* p) { return bitsOf<uint32_t>(p) ^ 0x80000000u; }
};
struct I16Key {
  using Item = Packed;
  static uint32_t of(const char* p) { return bitsOf<uint16_t>(p) ^ 0x8000u; }
};
struct I8Key {
  using Item = Packed;
  static uint32_t of(const char* p) { return bitsOf<uint8_t>(p) ^ 0x80u; }
};
struct U8Key {
  using Item = Packed;
  static uint32_t of(const char* p) { return bitsOf<uint8_t>(p); }
};

template <class F>
void withKey(DType type, const F& f) {
  switch (type) {
    case DType::f32:
      return f(F32Key{});
    case DType::f64:
      return f(F64Key{});
    case DType::f16:
      return f(F16Key{});
    case DType::bf16:
      return f(BF16Key{});
    case DType::i64:
      return f(I64Key{});
    case DType::i32:
      return f(I32Key{});
    case DType::i16:
      return f(I16Key{});
    case DType::i8:
      return f(I8Key{});
    case DType::u8:
    case DType::b8:
      return f(U8Key{});
  }
}

// ---- one row --------------------------------------------------------------------------------------------------------

// Radix sort by digits of 11 bits, lowest first; digits that all items share are passed over. `a` holds the result.
template <class Item>
void radixSort(Item* a, Item* other, int64_t n) {
  constexpr int kDigit = 11, kBuckets = 1 << kDigit, kPasses = (Item::kKeyBits + kDigit - 1) / kDigit;
  std::vector<uint32_t> counts(static_cast<size_t>(kPasses) * kBuckets);
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t key = a[i].key();
    for (int p = 0; p < kPasses; ++p)
      ++counts[static_cast<size_t>(p) * kBuckets + (key >> (p * kDigit) & (kBuckets - 1))];
  }
  Item *from = a, *to = other;
  for (int p = 0; p < kPasses; ++p) {
    uint32_t* count = counts.data() + static_cast<size_t>(p) * kBuckets;
    const int shift = p * kDigit;
    if (count[static_cast<uint64_t>(from[0].key()) >> shift & (kBuckets - 1)] == n) continue;
    uint32_t sum = 0;
    for (int b = 0; b < kBuckets; ++b) {
      const uint32_t c = count[b];
      count[b] = sum;
      sum += c;
    }
    for (int64_t i = 0; i < n; ++i)
      to[count[static_cast<uint64_t>(from[i].key()) >> shift & (kBuckets - 1)]++] = from[i];
    std::swap(from, to);
  }
  if (from != a) std::memcpy(static_cast<void*>(a), from, static_cast<size_t>(n) * sizeof(Item));
}

// Below, std::sort is quicker than clearing and filling the histograms.
constexpr int64_t kRadixFrom = 2048;
template <class Item>
void sortItems(Item* a, Item* other, int64_t n) {
  if (n < kRadixFrom || n >= int64_t{1} << 32)
    std::sort(a, a + n);
  else
    radixSort(a, other, n);
}

template <class Item>
struct SortPieces {
  Item *a, *other;
  int64_t n, pieces;
  void operator()(int64_t begin, int64_t end) const {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t from = n * p / pieces, to = n * (p + 1) / pieces;
      sortItems(a + from, other + from, to - from);
    }
  }
};
// Positions make all items different, so the pieces can't be told from the result.
template <class Item>
void sortInPieces(Item* a, Item* other, int64_t n, int64_t pieces) {
  parallelFor(pieces, 1, SortPieces<Item>{a, other, n, pieces}, 1);
  for (int64_t step = 1; step < pieces; step *= 2) {
    for (int64_t p = 0; p + step < pieces; p += 2 * step) {
      const int64_t from = n * p / pieces, mid = n * (p + step) / pieces;
      const int64_t to = n * (p + 2 * step < pieces ? p + 2 * step : pieces) / pieces;
      std::merge(a + from, a + mid, a + mid, a + to, other + from);
      std::copy(other + from, other + to, a + from);
    }
  }
}

struct Rows {
  int64_t rows, n;
  DType type;
  const char* in;
  explicit Rows(Frame& f) : rows(f.i64()), n(f.i64()), type(static_cast<DType>(f.i64())), in(f.ptr<const char>()) {
    if (n >= int64_t{1} << 32) throw KernelError("RangeError", "rows of 2^32 elements or more can't be sorted");
  }
  int64_t size() const { return static_cast<int64_t>(sizeOf(type)); }
};

// Items of a row; keys are inverted where the greatest comes first.
template <class Key>
void load(const Rows& r, int64_t row, bool inverted, typename Key::Item* items) {
  const char* p = r.in + row * r.n * r.size();
  using K = decltype(Key::of(p));
  for (int64_t i = 0; i < r.n; ++i, p += r.size()) {
    const K key = Key::of(p);
    items[i] = Key::Item::of(inverted ? static_cast<K>(~key) : key, i);
  }
}
template <class Item>
void store(const Rows& r, int64_t row, const Item* items, int64_t count, char* values, int64_t* indices) {
  const int64_t size = r.size();
  const char* from = r.in + row * r.n * size;
  if (values) {
    char* to = values + row * count * size;
    switch (size) {
      case 1:
        for (int64_t i = 0; i < count; ++i) to[i] = from[items[i].position()];
        break;
      case 2:
        for (int64_t i = 0; i < count; ++i) std::memcpy(to + 2 * i, from + 2 * items[i].position(), 2);
        break;
      case 4:
        for (int64_t i = 0; i < count; ++i) std::memcpy(to + 4 * i, from + 4 * items[i].position(), 4);
        break;
      default:
        for (int64_t i = 0; i < count; ++i) std::memcpy(to + 8 * i, from + 8 * items[i].position(), 8);
        break;
    }
  }
  if (indices) {
    for (int64_t i = 0; i < count; ++i) indices[row * count + i] = items[i].position();
  }
}

template <class Body>
void overRows(const Rows& r, const Body& body) {
  parallelFor(r.rows, kSortGrain / (r.n < 1 ? 1 : r.n) + 1, body, 1);
}

// ---- kernels --------------------------------------------------------------------------------------------------------
#define TENFOLD_ROWS "rows, n, code, in x[rows*n]: any, "

// Stable.
constexpr char kSortFrame[] = TENFOLD_ROWS "out? values[rows*n]: any, out? indices[rows*n]: i64, descending";
void runSort(const Kernel&, Frame f) {
  const Rows r(f);
  char* values = f.ptr<char>();
  int64_t* indices = f.ptr<int64_t>();
  const bool descending = f.flag();
  if (r.rows == 0 || r.n == 0) return;
  withKey(r.type, [&](auto k) {
    using Key = decltype(k);
    using Item = typename Key::Item;
    const int64_t threads = numThreads();
    if (r.rows < threads && r.n > (int64_t{1} << 16)) {
      std::vector<Item> items(static_cast<size_t>(r.n)), other(static_cast<size_t>(r.n));
      for (int64_t row = 0; row < r.rows; ++row) {
        load<Key>(r, row, descending, items.data());
        sortInPieces(items.data(), other.data(), r.n, threads);
        store(r, row, items.data(), r.n, values, indices);
      }
      return;
    }
    overRows(r, [&](int64_t begin, int64_t end) {
      std::vector<Item> items(static_cast<size_t>(r.n)), other(r.n < kRadixFrom ? 0 : static_cast<size_t>(r.n));
      for (int64_t row = begin; row < end; ++row) {
        load<Key>(r, row, descending, items.data());
        sortItems(items.data(), other.data(), r.n);
        store(r, row, items.data(), r.n, values, indices);
      }
    });
  });
}

template <class Item>
bool byKey(const Item& a, const Item& b) {
  return a.key() < b.key();
}

constexpr char kTopkFrame[] = TENFOLD_ROWS "k, out values[rows*k]: any, out indices[rows*k]: i64, largest, sorted";
// Which of equal elements is chosen, and their order, are what the standard library's selection gives, as in PyTorch.
void runTopk(const Kernel&, Frame f) {
  const Rows r(f);
  const int64_t k = f.i64();
  char* values = f.ptr<char>();
  int64_t* indices = f.ptr<int64_t>();
  const bool largest = f.flag(), sorted = f.flag();
  if (r.rows == 0 || k == 0) return;
  withKey(r.type, [&](auto key) {
    using Key = decltype(key);
    using Item = typename Key::Item;
    overRows(r, [&](int64_t begin, int64_t end) {
      std::vector<Item> items(static_cast<size_t>(r.n));
      for (int64_t row = begin; row < end; ++row) {
        load<Key>(r, row, largest, items.data());
        const auto first = items.begin();
        if (k * 64 <= r.n) {
          std::partial_sort(first, first + k, items.end(), byKey<Item>);
        } else {
          std::nth_element(first, first + (k - 1), items.end(), byKey<Item>);
          if (sorted) std::sort(first, first + (k - 1), byKey<Item>);
        }
        store(r, row, items.data(), k, values, indices);
      }
    });
  });
}

// Brings the k-th smallest to place k: quickselect with the median of three as pivot (Numerical Recipes, section 8.5),
// which decides, among equal elements, the one that PyTorch finds.
template <class Item>
void select(Item* a, int64_t n, int64_t k) {
  int64_t low = 0, high = n - 1;
  while (high > low + 1) {
    std::swap(a[low + (high - low) / 2], a[low + 1]);
    if (byKey(a[high], a[low + 1])) std::swap(a[low + 1], a[high]);
    if (byKey(a[high], a[low])) std::swap(a[low], a[high]);
    if (byKey(a[low], a[low + 1])) std::swap(a[low + 1], a[low]);
    const Item pivot = a[low];
    int64_t i = low + 1, j = high;
    for (;;) {
      do ++i;
      while (byKey(a[i], pivot));
      do --j;
      while (byKey(pivot, a[j]));
      if (j < i) break;
      std::swap(a[i], a[j]);
    }
    std::swap(a[low], a[j]);
    if (j <= k) low = i;
    if (j >= k) high = j - 1;
  }
  if (high == low + 1 && byKey(a[high], a[low])) std::swap(a[low], a[high]);
}

// k counts from 0.
constexpr char kKthvalueFrame[] = TENFOLD_ROWS "k, out values[rows]: any, out indices[rows]: i64";
void runKthvalue(const Kernel&, Frame f) {
  const Rows r(f);
  const int64_t k = f.i64();
  char* values = f.ptr<char>();
  int64_t* indices = f.ptr<int64_t>();
  if (r.rows == 0) return;
  withKey(r.type, [&](auto key) {
    using Key = decltype(key);
    using Item = typename Key::Item;
    overRows(r, [&](int64_t begin, int64_t end) {
      std::vector<Item> items(static_cast<size_t>(r.n));
      for (int64_t row = begin; row < end; ++row) {
        load<Key>(r, row, false, items.data());
        select(items.data(), r.n, k);
        store(r, row, items.data() + k, 1, values, indices);
      }
    });
  });
}

constexpr char kMedianFrame[] = TENFOLD_ROWS "out values[rows]: any, out indices[rows]: i64, ignoreNaN";
// The lower of two in the middle, of equal ones
// as if sorted stably; the first NaN, if any.
void runMedian(const Kernel&, Frame f) {
  const Rows r(f);
  char* values = f.ptr<char>();
  int64_t* indices = f.ptr<int64_t>();
  const bool ignoreNaN = f.flag();
  if (r.rows == 0 || r.n == 0) return;
  const bool isFloat = r.type == DType::f32 || r.type == DType::f64 || r.type == DType::f16 || r.type == DType::bf16;
  withKey(r.type, [&](auto key) {
    using Key = decltype(key);
    using Item = typename Key::Item;
    using K = decltype(Key::of(nullptr));
    const K nan = r.size() == 2 ? static_cast<K>(0xffff) : static_cast<K>(~K{0});
    overRows(r, [&](int64_t begin, int64_t end) {
      std::vector<Item> items(static_cast<size_t>(r.n));
      for (int64_t row = begin; row < end; ++row) {
        load<Key>(r, row, false, items.data());
        int64_t nans = 0, first = -1;
        for (int64_t i = 0; isFloat && i < r.n; ++i) {
          if (items[static_cast<size_t>(i)].key() != nan) continue;
          ++nans;
          if (first < 0) first = i;
        }
        int64_t at = first;
        if (nans == 0 || ignoreNaN) {
          at = (r.n - nans - 1) / 2;
          if (nans == r.n) at = 0;
          std::nth_element(items.begin(), items.begin() + at, items.end());
        }
        store(r, row, items.data() + at, 1, values, indices);
      }
    });
  });
}

constexpr char kModeFrame[] = TENFOLD_ROWS "out values[rows]: any, out indices[rows]: i64";
// The smallest of the most frequent ones.
void runMode(const Kernel&, Frame f) {
  const Rows r(f);
  char* values = f.ptr<char>();
  int64_t* indices = f.ptr<int64_t>();
  if (r.rows == 0 || r.n == 0) return;
  withKey(r.type, [&](auto key) {
    using Key = decltype(key);
    using Item = typename Key::Item;
    overRows(r, [&](int64_t begin, int64_t end) {
      std::vector<Item> items(static_cast<size_t>(r.n));
      for (int64_t row = begin; row < end; ++row) {
        load<Key>(r, row, false, items.data());
        std::sort(items.begin(), items.end(), byKey<Item>);
        int64_t best = 0, most = 0, run = 0;
        for (int64_t i = 0; i < r.n; ++i) {
          ++run;
          const size_t s = static_cast<size_t>(i);
          if (i + 1 < r.n && items[s].key() == items[s + 1].key()) continue;
          if (run > most) {
            most = run;
            best = i;
          }
          run = 0;
        }
        store(r, row, items.data() + best, 1, values, indices);
      }
    });
  });
}

constexpr char kLexSortFrame[] = TENFOLD_ROWS "out order[rows]: i64";
// The rows in lexicographic order, stable.
void runLexSort(const Kernel&, Frame f) {
  const Rows r(f);
  int64_t* order = f.ptr<int64_t>();
  for (int64_t i = 0; i < r.rows; ++i) order[i] = i;
  withKey(r.type, [&](auto key) {
    using Key = decltype(key);
    std::stable_sort(order, order + r.rows, [&](int64_t a, int64_t b) {
      const char *x = r.in + a * r.n * r.size(), *y = r.in + b * r.n * r.size();
      for (int64_t i = 0; i < r.n; ++i, x += r.size(), y += r.size()) {
        const auto p = Key::of(x), q = Key::of(y);
        if (p != q) return p < q;
      }
      return false;
    });
  });
}

constexpr char kRunsFrame[] =
    TENFOLD_ROWS "in? order[rows]: i64, isFloat, out inverse[rows]: i64, out starts[rows]: i64, out count[1]: f64";
// Runs of equal rows, taken in `order`: of each row the number of its run, and where in the order each run starts. NaN
// equals nothing.
void runRuns(const Kernel&, Frame f) {
  const Rows r(f);
  const int64_t* order = f.ptr<const int64_t>();
  const bool isFloat = f.flag();
  int64_t* inverse = f.ptr<int64_t>();
  int64_t* starts = f.ptr<int64_t>();
  double* count = f.ptr<double>();
  int64_t runs = 0;
  withKey(r.type, [&](auto key) {
    using Key = decltype(key);
    using K = decltype(Key::of(nullptr));
    const K nan = r.size() == 2 ? static_cast<K>(0xffff) : static_cast<K>(~K{0});
    const auto rowAt = [&](int64_t i) { return r.in + (order ? order[i] : i) * r.n * r.size(); };
    for (int64_t i = 0; i < r.rows; ++i) {
      bool same = i > 0;
      if (same) {
        const char *x = rowAt(i - 1), *y = rowAt(i);
        for (int64_t c = 0; same && c < r.n; ++c, x += r.size(), y += r.size()) {
          const K p = Key::of(x);
          same = p == Key::of(y) && !(isFloat && p == nan);
        }
      }
      if (!same) starts[runs++] = i;
      inverse[order ? order[i] : i] = runs - 1;
    }
  });
  *count = static_cast<double>(runs);
}

// sorted [rows, n], or [n] where it is shared; sorter is like it.
constexpr char kSearchsortedFrame[] =
    "rows, n, in sorted[n], shared, in? sorter[n]: i64, m, in values[rows*m], out places[rows*m]: i64, right";
// How many elements of a row are less than (right: at most) each value.
template <class T>
void runSearchsorted(const Kernel&, Frame f) {
  const int64_t rows = f.i64(), n = f.i64();
  const T* sorted = f.ptr<const T>();
  const bool shared = f.flag();
  const int64_t* sorter = f.ptr<const int64_t>();
  const int64_t m = f.i64();
  const T* values = f.ptr<const T>();
  int64_t* out = f.ptr<int64_t>();
  const bool right = f.flag();
  if (sorter) {
    for (int64_t i = 0; i < (shared ? 1 : rows) * n; ++i) {
      if (sorter[i] < 0 || sorter[i] >= n) {
        throw KernelError("RangeError", "sorter index " + std::to_string(sorter[i]) + " is out of range for " +
                                            std::to_string(n) + " boundaries");
      }
    }
  }
  parallelFor(rows * m, 256, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t base = shared ? 0 : p / m * n;
      const T value = values[p];
      int64_t low = 0, high = n;
      while (low < high) {
        const int64_t mid = low + (high - low) / 2;
        const T x = sorted[base + (sorter ? sorter[base + mid] : mid)];
        if (right ? !(x > value) : !(x >= value))
          low = mid + 1;
        else
          high = mid;
      }
      out[p] = low;
    }
  });
}

const Kernel kSortKernels[] = {
    {"sort", DType::i64, runSort, kSortFrame},
    {"topk", DType::i64, runTopk, kTopkFrame},
    {"kthvalue", DType::i64, runKthvalue, kKthvalueFrame},
    {"median", DType::i64, runMedian, kMedianFrame},
    {"mode", DType::i64, runMode, kModeFrame},
    {"lexSort", DType::i64, runLexSort, kLexSortFrame},
    {"runs", DType::i64, runRuns, kRunsFrame},
    {"searchsorted", DType::f32, runSearchsorted<float>, kSearchsortedFrame},
    {"searchsorted", DType::f64, runSearchsorted<double>, kSearchsortedFrame},
    {"searchsorted", DType::i64, runSearchsorted<int64_t>, kSearchsortedFrame},
    {"searchsorted", DType::i32, runSearchsorted<int32_t>, kSearchsortedFrame},
};

}  // namespace

KernelTable sortKernels(int64_t) { return {kSortKernels, sizeof(kSortKernels) / sizeof(kSortKernels[0])}; }

}  // namespace tenfold
