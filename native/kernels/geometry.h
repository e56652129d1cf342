// The geometry of convolutions and poolings: three spatial dims, of which the first ones are 1 for 1-dim and 2-dim
// calls.
#pragma once
#include <cstdint>
#include <initializer_list>

#include "kernel.h"

namespace tenfold {

struct Triple {
  int64_t d, h, w;
  int64_t count() const { return d * h * w; }
  int64_t operator[](int i) const { return i == 0 ? d : i == 1 ? h : w; }
  int64_t& operator[](int i) { return i == 0 ? d : i == 1 ? h : w; }
};

inline Triple readTriple(Frame& f) {
  const int64_t d = f.i64(), h = f.i64();
  return {d, h, f.i64()};
}

// Kernels divide by sizes, strides and dilations; callers leave out what has nothing to compute.
inline void checkPositive(std::initializer_list<Triple> sizes) {
  for (const Triple& t : sizes) {
    if (t.d < 1 || t.h < 1 || t.w < 1) throw KernelError("shape", "a spatial size, stride or dilation below 1");
  }
}

// What a convolution is made of, in the order of its frame. `in` and `out` are the sizes of the image and of the
// result; `pad` is what lies before the image, what lies behind follows from `out`.
#define TENFOLD_CONVOLUTION_FRAME \
  "batch, groups, channels, filters, size[3], kernel[3], result[3], stride[3], padding[3], dilation[3], "
struct Convolution {
  int64_t batch, groups, channels, filters;  // channels and filters of all groups
  Triple in, kernel, out, stride, pad, dilation;

  explicit Convolution(Frame& f)
      : batch(f.i64()),
        groups(f.i64()),
        channels(f.i64()),
        filters(f.i64()),
        in(readTriple(f)),
        kernel(readTriple(f)),
        out(readTriple(f)),
        stride(readTriple(f)),
        pad(readTriple(f)),
        dilation(readTriple(f)) {
    checkPositive({in, kernel, out, stride, dilation, {groups, channels, 1}});
  }

  int64_t channelsPerGroup() const { return channels / groups; }
  int64_t filtersPerGroup() const { return filters / groups; }
  int64_t taps() const { return kernel.count(); }
  int64_t patch() const { return channelsPerGroup() * taps(); }  // elements of an image that one result is made of
};

// Sizes of an image with its margin, its columns sorted by their remainder modulo `phases`. Element (c, d, h, w) is at
//   c * channel + d * plane + h * row + w % phases * part + w / phases
struct Margin {
  Triple size, pad;  // with the margin; what lies before the image, negative where the image is cropped
  int64_t phases, part, row, plane, channel;

  Margin(Triple size_, Triple pad_, int64_t phases_)
      : size(size_),
        pad(pad_),
        phases(phases_),
        part((size.w + phases - 1) / phases),
        row(part * phases),
        plane(row * size.h),
        channel(plane * size.d) {}
  int64_t column(int64_t w) const { return w % phases * part + w / phases; }
  // Whether an image of size `in` can be read where it lies.
  bool isPlain(Triple in) const {
    return phases == 1 && pad.d == 0 && pad.h == 0 && pad.w == 0 && size.d == in.d && size.h == in.h && size.w == in.w;
  }
};

}  // namespace tenfold
