// Moves a box of strided elements to or from dense memory. Elements are bytes of one size here; dtypes don't matter.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <hwy/highway.h>  // for the oldest instruction set only: moving memory gains little from the others

namespace tenfold {

// The dimensions of a box, outermost first: which dimension of the strides each is, and how many elements of it.
struct Box {
  int dims = 0;
  int dim[16];
  int64_t extent[16];
};

namespace strided {

// n copies of a value. Sixteen bytes at a time, written out: compilers store them one by one. The C library knows wider
// ones, for bytes.
template <class U>
HWY_ATTR void repeat(U* to, U value, int64_t n) {
  if (value == 0) {
    std::memset(to, 0, static_cast<size_t>(n) * sizeof(U));
    return;
  }
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<U, 16 / sizeof(U)> d;
  constexpr int64_t kLanes = 16 / sizeof(U);
  const auto values = hn::Set(d, value);
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    hn::StoreU(values, d, to + i);
    hn::StoreU(values, d, to + i + kLanes);
    hn::StoreU(values, d, to + i + 2 * kLanes);
    hn::StoreU(values, d, to + i + 3 * kLanes);
  }
  for (; i < n; ++i) to[i] = value;
}

// to[i] = from[-i]
template <class U>
HWY_ATTR void reverse(U* to, const U* from, int64_t n) {
  namespace hn = hwy::HWY_NAMESPACE;
  int64_t i = 0;
  if constexpr (sizeof(U) >= 2) {
    const hn::CappedTag<U, 16 / sizeof(U)> d;
    constexpr int64_t kLanes = 16 / sizeof(U);
    for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Reverse(d, hn::LoadU(d, from - i - kLanes + 1)), d, to + i);
  }
  for (; i < n; ++i) to[i] = from[-i];
}

template <class U>
inline void gatherLine(U* to, const U* from, int64_t n, int64_t stride) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(U));
  } else if (stride == 0) {
    repeat(to, *from, n);
  } else if (stride == -1) {
    reverse(to, from, n);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
  }
}

template <class U>
inline void scatterLine(U* to, const U* from, int64_t n, int64_t stride) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(U));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
  }
}

inline int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

// to[j * toStep + i] = from[i * fromStep + j] for i < n, j < lines: 16-byte squares at a time where elements are large
// enough for it to pay.
template <class U>
HWY_ATTR void transpose(U* to, int64_t toStep, const U* from, int64_t fromStep, int64_t n, int64_t lines) {
  int64_t i = 0;
  if constexpr (sizeof(U) >= 4) {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::CappedTag<U, 16 / sizeof(U)> d;
    constexpr int64_t kSide = 16 / sizeof(U);
    for (; i + kSide <= n; i += kSide) {
      const U* in = from + i * fromStep;
      U* out = to + i;
      int64_t j = 0;
      for (; j + kSide <= lines; j += kSide, in += kSide, out += kSide * toStep) {
        const auto a = hn::LoadU(d, in), b = hn::LoadU(d, in + fromStep);
        const auto low = hn::InterleaveLower(d, a, b), high = hn::InterleaveUpper(d, a, b);
        if constexpr (kSide == 2) {
          hn::StoreU(low, d, out);
          hn::StoreU(high, d, out + toStep);
        } else {
          const hn::RepartitionToWide<decltype(d)> w;
          const auto e = hn::LoadU(d, in + 2 * fromStep), f = hn::LoadU(d, in + 3 * fromStep);
          const auto ab0 = hn::BitCast(w, low), ab2 = hn::BitCast(w, high);
          const auto ef0 = hn::BitCast(w, hn::InterleaveLower(d, e, f)),
                     ef2 = hn::BitCast(w, hn::InterleaveUpper(d, e, f));
          hn::StoreU(hn::BitCast(d, hn::InterleaveLower(w, ab0, ef0)), d, out);
          hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(w, ab0, ef0)), d, out + toStep);
          hn::StoreU(hn::BitCast(d, hn::InterleaveLower(w, ab2, ef2)), d, out + 2 * toStep);
          hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(w, ab2, ef2)), d, out + 3 * toStep);
        }
      }
      for (; j < lines; ++j, ++in, out += toStep) {
        for (int64_t k = 0; k < kSide; ++k) out[k] = in[k * fromStep];
      }
    }
  }
  for (; i < n; ++i) {
    for (int64_t j = 0; j < lines; ++j) to[j * toStep + i] = from[i * fromStep + j];
  }
}

template <class U, bool kGather, class Dense, class Spread>
void move(Dense* dense, Spread* spread, const Box& box, const int64_t* strides) {
  const int inner = box.dims - 1;
  const int64_t n = box.extent[inner], step = strides[box.dim[inner]];
  const int64_t lines = inner > 0 ? box.extent[inner - 1] : 1, lineStep = inner > 0 ? strides[box.dim[inner - 1]] : 0;
  // Walk the strided side the way its memory lies: it has more cache lines than the dense side.
  const bool across = lineStep != 0 && magnitude(lineStep) < magnitude(step);
  int64_t at[16] = {};
  for (;;) {
    Spread* origin = spread;
    for (int d = 0; d < inner - 1; ++d) origin += at[d] * strides[box.dim[d]];
    if (across && lineStep == 1) {
      if constexpr (kGather)
        transpose(dense, n, origin, step, n, lines);
      else
        transpose(origin, step, dense, n, lines, n);
    } else if (across) {
      for (int64_t i = 0; i < n; ++i) {
        if constexpr (kGather) {
          for (int64_t j = 0; j < lines; ++j) dense[j * n + i] = origin[i * step + j * lineStep];
        } else {
          for (int64_t j = 0; j < lines; ++j) origin[i * step + j * lineStep] = dense[j * n + i];
        }
      }
    } else {
      for (int64_t j = 0; j < lines; ++j) {
        if constexpr (kGather)
          gatherLine<U>(dense + j * n, origin + j * lineStep, n, step);
        else
          scatterLine<U>(origin + j * lineStep, dense + j * n, n, step);
      }
    }
    dense += n * lines;
    int d = inner - 2;
    for (; d >= 0 && ++at[d] == box.extent[d]; --d) at[d] = 0;
    if (d < 0) return;
  }
}

// as(an unsigned integer of that many bytes): 1, 2, 4 or 8.
template <class As>
void bySize(size_t bytes, const As& as) {
  switch (bytes) {
    case 1:
      return as(uint8_t{});
    case 2:
      return as(uint16_t{});
    case 4:
      return as(uint32_t{});
    default:
      return as(uint64_t{});
  }
}

template <bool kGather, class Dense, class Spread>
void moveBySize(Dense* dense, Spread* spread, size_t bytes, const Box& box, const int64_t* strides) {
  bySize(bytes, [&](auto unit) {
    using U = decltype(unit);
    if constexpr (kGather) {
      move<U, true>(static_cast<U*>(dense), static_cast<const U*>(spread), box, strides);
    } else {
      move<U, false>(static_cast<const U*>(dense), static_cast<U*>(spread), box, strides);
    }
  });
}

}  // namespace strided

inline void gather(void* dense, const void* from, size_t bytes, const Box& box, const int64_t* strides) {
  strided::moveBySize<true>(dense, from, bytes, box, strides);
}
inline void scatter(void* to, const void* dense, size_t bytes, const Box& box, const int64_t* strides) {
  strided::moveBySize<false>(dense, to, bytes, box, strides);
}

}  // namespace tenfold
