// Moves a box of strided elements to or from dense memory. Elements are bytes of one size here; dtypes don't matter.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tenfold {

// The dimensions of a box, outermost first: which dimension of the strides each is, and how many elements of it.
struct Box {
  int dims = 0;
  int dim[16];
  int64_t extent[16];
};

namespace strided {

template <class U> inline void gatherLine(U* to, const U* from, int64_t n, int64_t stride) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(U));
  } else if (stride == 0) {
    const U value = *from;
    for (int64_t i = 0; i < n; ++i) to[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
  }
}

template <class U> inline void scatterLine(U* to, const U* from, int64_t n, int64_t stride) {
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(U));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
  }
}

inline int64_t magnitude(int64_t stride) { return stride < 0 ? -stride : stride; }

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
    if (across) {
      for (int64_t i = 0; i < n; ++i) {
        if constexpr (kGather) {
          for (int64_t j = 0; j < lines; ++j) dense[j * n + i] = origin[i * step + j * lineStep];
        } else {
          for (int64_t j = 0; j < lines; ++j) origin[i * step + j * lineStep] = dense[j * n + i];
        }
      }
    } else {
      for (int64_t j = 0; j < lines; ++j) {
        if constexpr (kGather) gatherLine<U>(dense + j * n, origin + j * lineStep, n, step);
        else scatterLine<U>(origin + j * lineStep, dense + j * n, n, step);
      }
    }
    dense += n * lines;
    int d = inner - 2;
    for (; d >= 0 && ++at[d] == box.extent[d]; --d) at[d] = 0;
    if (d < 0) return;
  }
}

template <bool kGather, class Dense, class Spread>
void moveBySize(Dense* dense, Spread* spread, size_t bytes, const Box& box, const int64_t* strides) {
  auto as = [&](auto unit) {
    using U = decltype(unit);
    if constexpr (kGather) {
      move<U, true>(static_cast<U*>(dense), static_cast<const U*>(spread), box, strides);
    } else {
      move<U, false>(static_cast<const U*>(dense), static_cast<U*>(spread), box, strides);
    }
  };
  switch (bytes) {
    case 1: return as(uint8_t{});
    case 2: return as(uint16_t{});
    case 4: return as(uint32_t{});
    default: return as(uint64_t{});
  }
}

}  // namespace strided

inline void gather(void* dense, const void* from, size_t bytes, const Box& box, const int64_t* strides) {
  strided::moveBySize<true>(dense, from, bytes, box, strides);
}
inline void scatter(void* to, const void* dense, size_t bytes, const Box& box, const int64_t* strides) {
  strided::moveBySize<false>(dense, to, bytes, box, strides);
}

}  // namespace tenfold
