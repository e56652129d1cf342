// Convolution without a packed matrix: tiles held in registers, that read the padded image where it lies. For the
// result a tile is some filters times some vectors of places, for the weight's gradient some taps times some vectors of
// filters. Where rows of places fill vectors well, this saves the packing, which costs 10 to 30 % of a small product.
#if defined(TENFOLD_DIRECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_DIRECT_INL_H_
#undef TENFOLD_DIRECT_INL_H_
#else
#define TENFOLD_DIRECT_INL_H_
#endif

#include <hwy/highway.h>

#include <array>
#include <utility>

#include "kernels/patches-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4
constexpr int kTileVectors = 3;  // of 16 registers, 12 hold sums
constexpr int tileRows(int vectors) { return vectors == 3 ? 4 : vectors == 2 ? 6 : 8; }
#else
constexpr int kTileVectors = 4;  // of 32 registers, 24 hold sums
constexpr int tileRows(int vectors) { return vectors == 4 ? 6 : vectors == 3 ? 8 : 9; }
#endif
constexpr int kTileRows = 9;

constexpr int64_t pieces(int64_t n, int64_t most) { return (n + most - 1) / most; }
// Where piece i begins, of n things in `count` pieces that differ by one at most.
constexpr int64_t pieceAt(int64_t n, int64_t count, int64_t i) {
  return n / count * i + (i < n % count ? i : n % count);
}

// A vector of places, or a part of one.
struct Lane {
  int64_t place, at, count;  // in the image, in the result; how many
};

// `count` elements of s go to `to`.
template <class D, class V, class T>
HWY_INLINE void storePart(D d, V s, T* to, int64_t count) {
  if (HWY_LIKELY(count == kWidth<T>)) return hn::StoreU(s, d, to);
#if HWY_TARGET == HWY_AVX3
  hn::BlendedStore(s, hn::FirstN(d, static_cast<size_t>(count)), d, to);
#else
  HWY_ALIGN T copy[kWidth<T>];
  hn::Store(s, d, copy);
  for (int64_t i = 0; i < count; ++i) to[i] = copy[i];
#endif
}

// Rows filters times Vecs vectors of places: out[r * n + place] = weight[r, k] @ patches[k, place] + bias[r].
template <class T, int Rows, int Vecs>
void placesTile(const Patches<T>& x, const Lane* lanes, const T* weight, int64_t k, const T* bias, bool relu, T* out,
                int64_t n) {
  constexpr hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  const T* at[Vecs];
  for (int v = 0; v < Vecs; ++v) at[v] = x.base + lanes[v].place;
  V sum[Rows][Vecs];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vecs; ++v) sum[r][v] = hn::Zero(d);
  }
  for (int64_t p = 0; p < k; ++p) {
    const int64_t offset = x.offsets[p];
    V b[Vecs];
    for (int v = 0; v < Vecs; ++v) b[v] = hn::LoadU(d, at[v] + offset);
    for (int r = 0; r < Rows; ++r) {
      const V w = hn::Set(d, weight[r * k + p]);
      for (int v = 0; v < Vecs; ++v) sum[r][v] = hn::MulAdd(w, b[v], sum[r][v]);
    }
  }
  for (int r = 0; r < Rows; ++r) {
    const V add = hn::Set(d, bias ? bias[r] : T{0});
    for (int v = 0; v < Vecs; ++v) {
      V s = hn::Add(sum[r][v], add);
      if (relu) s = hn::IfThenZeroElse(hn::Lt(s, hn::Zero(d)), s);
      storePart(d, s, out + r * n + lanes[v].at, lanes[v].count);
    }
  }
}

// Rows taps times Vecs vectors of filters, over rows of places of several images: to[tap * step + filter] (+)= sum over
// places of image[tap, place] * gradient[place * step + filter].
template <class T, int Rows, int Vecs>
void tapsTile(const Patches<T>& x, int64_t images, const int64_t* offsets, const T* HWY_RESTRICT gradient, int64_t step,
              T* HWY_RESTRICT to, bool add) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kWidth<T>;
  using V = hn::Vec<decltype(d)>;
  V sum[Rows][Vecs];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vecs; ++v) sum[r][v] = add ? hn::LoadU(d, to + r * step + v * lanes) : hn::Zero(d);
  }
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t dh = 0; dh < x.places.d * x.places.h; ++dh) {
      const T* const row = x.base + image * x.image + dh / x.places.h * x.plane + dh % x.places.h * x.row;
      const T* at[Rows];
      for (int r = 0; r < Rows; ++r) at[r] = row + offsets[r];
      for (int64_t w = 0; w < x.places.w; ++w, gradient += step) {
        V b[Vecs];
        for (int v = 0; v < Vecs; ++v) b[v] = hn::LoadU(d, gradient + v * lanes);
        for (int r = 0; r < Rows; ++r) {
          const V a = hn::Set(d, at[r][w]);
          for (int v = 0; v < Vecs; ++v) sum[r][v] = hn::MulAdd(a, b[v], sum[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vecs; ++v) hn::StoreU(sum[r][v], d, to + r * step + v * lanes);
  }
}

// Rows places times Vecs vectors of filters: out[r * step + filter] = patches[k, place r] * weight[k * step + filter] +
// bias[filter].
template <class T, int Rows, int Vecs>
void filtersTile(const T* const* places, const int64_t* offsets, const T* HWY_RESTRICT weight, int64_t k, int64_t step,
                 const T* bias, bool relu, T* HWY_RESTRICT out) {
  constexpr hn::ScalableTag<T> d;
  constexpr int64_t lanes = kWidth<T>;
  using V = hn::Vec<decltype(d)>;
  const T* at[Rows];
  for (int r = 0; r < Rows; ++r) at[r] = places[r];
  V sum[Rows][Vecs];
  for (int r = 0; r < Rows; ++r) {
    for (int v = 0; v < Vecs; ++v) sum[r][v] = hn::Zero(d);
  }
  for (int64_t p = 0; p < k; ++p, weight += step) {
    const int64_t offset = offsets[p];
    V b[Vecs];
    for (int v = 0; v < Vecs; ++v) b[v] = hn::LoadU(d, weight + v * lanes);
    for (int r = 0; r < Rows; ++r) {
      const V a = hn::Set(d, at[r][offset]);
      for (int v = 0; v < Vecs; ++v) sum[r][v] = hn::MulAdd(a, b[v], sum[r][v]);
    }
  }
  for (int v = 0; v < Vecs; ++v) {
    const V add = hn::LoadU(d, bias + v * lanes);
    for (int r = 0; r < Rows; ++r) {
      V s = hn::Add(sum[r][v], add);
      if (relu) s = hn::IfThenZeroElse(hn::Lt(s, hn::Zero(d)), s);
      hn::StoreU(s, d, out + r * step + v * lanes);
    }
  }
}

template <class T>
using FiltersTileFn = void (*)(const T* const*, const int64_t*, const T* HWY_RESTRICT, int64_t, int64_t, const T*, bool,
                               T* HWY_RESTRICT);
template <class T>
using PlacesTileFn = void (*)(const Patches<T>&, const Lane*, const T*, int64_t, const T*, bool, T*, int64_t);
template <class T>
using TapsTileFn = void (*)(const Patches<T>&, int64_t, const int64_t*, const T* HWY_RESTRICT, int64_t, T* HWY_RESTRICT,
                            bool);

template <class T, int I>
constexpr PlacesTileFn<T> placesTileOf() {
  constexpr int rows = I / kTileVectors + 1, vectors = I % kTileVectors + 1;
  if constexpr (rows <= tileRows(vectors))
    return &placesTile<T, rows, vectors>;
  else
    return nullptr;
}
template <class T, int I>
constexpr TapsTileFn<T> tapsTileOf() {
  constexpr int rows = I / kTileVectors + 1, vectors = I % kTileVectors + 1;
  if constexpr (rows <= tileRows(vectors))
    return &tapsTile<T, rows, vectors>;
  else
    return nullptr;
}
template <class T, int I>
constexpr FiltersTileFn<T> filtersTileOf() {
  constexpr int rows = I / kTileVectors + 1, vectors = I % kTileVectors + 1;
  if constexpr (rows <= tileRows(vectors))
    return &filtersTile<T, rows, vectors>;
  else
    return nullptr;
}
template <class T, int... I>
constexpr std::array<FiltersTileFn<T>, sizeof...(I)> filtersTiles(std::integer_sequence<int, I...>) {
  return {filtersTileOf<T, I>()...};
}
template <class T, int... I>
constexpr std::array<PlacesTileFn<T>, sizeof...(I)> placesTiles(std::integer_sequence<int, I...>) {
  return {placesTileOf<T, I>()...};
}
template <class T, int... I>
constexpr std::array<TapsTileFn<T>, sizeof...(I)> tapsTiles(std::integer_sequence<int, I...>) {
  return {tapsTileOf<T, I>()...};
}
// Tile of r rows and v vectors: [(r - 1) * kTileVectors + v - 1].
template <class T>
constexpr std::array<PlacesTileFn<T>, kTileRows * kTileVectors> kPlacesTiles =
    placesTiles<T>(std::make_integer_sequence<int, kTileRows * kTileVectors>());
template <class T>
constexpr std::array<TapsTileFn<T>, kTileRows * kTileVectors> kTapsTiles =
    tapsTiles<T>(std::make_integer_sequence<int, kTileRows * kTileVectors>());
template <class T>
constexpr std::array<FiltersTileFn<T>, kTileRows * kTileVectors> kFiltersTiles =
    filtersTiles<T>(std::make_integer_sequence<int, kTileRows * kTileVectors>());

// ---- weight[m, k] times the patches of one image -----------------------------------------------------------------

template <class T>
struct Direct {
  const Patches<T>& x;
  const T* weight;
  int64_t m, k;
  const T* bias;
  bool relu;
  T* out;

  // Vectors of places, row by row.
  struct Walk {
    const Patches<T>& x;
    int64_t d = 0, h = 0, w = 0, at = 0;
    Lane next() {
      const int64_t left = x.places.w - w, count = left < kWidth<T> ? left : kWidth<T>;
      const Lane lane{d * x.plane + h * x.row + w, at, count};
      at += count;
      w += count;
      if (w == x.places.w) {
        w = 0;
        if (++h == x.places.h) h = 0, ++d;
      }
      return lane;
    }
  };
  int64_t vectorCount() const { return pieces(x.places.w, kWidth<T>) * x.places.d * x.places.h; }

  // What would read beyond the image's end goes element by element.
  void run() const {
    int64_t furthest = 0;
    for (int64_t p = 0; p < k; ++p) furthest = furthest < x.offsets[p] ? x.offsets[p] : furthest;
    const int64_t reach = x.end - x.base - furthest - kWidth<T>;  // of the last place that a vector may begin at
    int64_t vectors = 0;
    Walk walk{x};
    for (int64_t i = vectorCount(); i > 0; --i) {
      const Lane lane = walk.next();
      if (lane.place <= reach) {
        ++vectors;
      } else {
        plain(lane);
      }
    }
    if (vectors == 0) return;
    const int64_t columns = pieces(vectors, kTileVectors);
    const int64_t rows = pieces(m, tileRows(static_cast<int>(pieces(vectors, columns))));
    // The smaller of image and weight is read again and again; the other passes by.
    const bool imageFirst = x.places.count() > m;
    for (int64_t i = 0; i < (imageFirst ? 1 : rows); ++i) {
      Walk places{x};
      for (int64_t j = 0; j < columns; ++j) {
        Lane lanes[kTileVectors];
        const int64_t count = pieceAt(vectors, columns, j + 1) - pieceAt(vectors, columns, j);
        for (int64_t v = 0; v < count; ++v) lanes[v] = places.next();
        if (imageFirst) {
          for (int64_t r = 0; r < rows; ++r) tile(r, rows, lanes, count);
        } else {
          tile(i, rows, lanes, count);
        }
      }
    }
  }

  void tile(int64_t row, int64_t rows, const Lane* lanes, int64_t count) const {
    const int64_t r0 = pieceAt(m, rows, row), r1 = pieceAt(m, rows, row + 1);
    kPlacesTiles<T>[static_cast<size_t>((r1 - r0 - 1) * kTileVectors + count - 1)](
        x, lanes, weight + r0 * k, k, bias ? bias + r0 : nullptr, relu, out + r0 * x.perImage(), x.perImage());
  }

  void plain(const Lane& l) const {
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t i = 0; i < l.count; ++i) {
        T sum = 0;
        for (int64_t p = 0; p < k; ++p) sum += weight[r * k + p] * x.base[x.offsets[p] + l.place + i];
        if (bias) sum += bias[r];
        out[r * x.perImage() + l.at + i] = relu && sum < 0 ? T{0} : sum;
      }
    }
  }

  // For integers, whose products Highway has not for every target.
  void runPlain() const {
    Walk walk{x};
    for (int64_t i = vectorCount(); i > 0; --i) plain(walk.next());
  }
};

// The same with vectors of filters: weight is [k, step], the filters filled up to whole vectors, bias is [step], and
// the result is [place, step].
template <class T>
struct ByFilters {
  const Patches<T>& x;
  const T* weight;
  int64_t step, k;
  const T* bias;
  bool relu;
  T* out;

  void run() const {
    const int64_t vectors = step / kWidth<T>, columns = pieces(vectors, kTileVectors), n = x.perImage();
    const int64_t rows = pieces(n, tileRows(static_cast<int>(pieces(vectors, columns))));
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t v0 = pieceAt(vectors, columns, c), width = pieceAt(vectors, columns, c + 1) - v0;
      int64_t d = 0, h = 0, w = 0;
      for (int64_t r = 0; r < rows; ++r) {
        const T* places[kTileRows];
        const int64_t i0 = pieceAt(n, rows, r), count = pieceAt(n, rows, r + 1) - i0;
        for (int64_t i = 0; i < count; ++i) {
          places[i] = x.base + d * x.plane + h * x.row + w;
          if (++w < x.places.w) continue;
          w = 0;
          if (++h == x.places.h) h = 0, ++d;
        }
        kFiltersTiles<T>[static_cast<size_t>((count - 1) * kTileVectors + width - 1)](
            places, x.offsets, weight + v0 * kWidth<T>, k, step, bias + v0 * kWidth<T>, relu,
            out + i0 * step + v0 * kWidth<T>);
      }
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
