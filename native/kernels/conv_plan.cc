#include "kernels/conv_plan.h"

#include <algorithm>

namespace tenfold {
namespace {

Margin forwardMargin(const Convolution& g) {
  Triple size{};
  for (int i = 0; i < 3; ++i) size[i] = (g.out[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] + 1;
  return Margin(size, g.pad, g.stride.w);
}

// One dim of one part: its inputs, and the taps that meet them with the output that input 0 of the part meets.
struct Axis {
  int64_t first, count;
  std::vector<int64_t> tap, shift;
};

std::vector<Axis> axesOf(const Convolution& g, int dim) {
  const int64_t in = g.in[dim], stride = g.stride[dim], pad = g.pad[dim];
  std::vector<Axis> axes;
  for (int64_t first = 0; first < std::min(stride, in); ++first) {
    Axis a{first, (in - first + stride - 1) / stride, {}, {}};
    for (int64_t k = 0; k < g.kernel[dim]; ++k) {
      const int64_t place = first + pad - k * g.dilation[dim];
      if (place % stride == 0) a.tap.push_back(k), a.shift.push_back(place / stride);
    }
    axes.push_back(a);
  }
  return axes;
}

// The part of the output's gradient that the taps of all parts reach, along one dim.
void reach(const std::vector<Axis>& axes, int64_t& pad, int64_t& size) {
  int64_t low = 0, high = 0;
  bool any = false;
  for (const Axis& a : axes) {
    for (const int64_t s : a.shift) {
      low = any ? std::min(low, s) : s;
      high = any ? std::max(high, s + a.count) : s + a.count;
      any = true;
    }
  }
  pad = -low;
  size = std::max<int64_t>(high - low, 1);
}

Margin inputMargin(const Convolution& g) {
  Triple size{}, pad{};
  for (int i = 0; i < 3; ++i) reach(axesOf(g, i), pad[i], size[i]);
  return Margin(size, pad, 1);
}

}  // namespace

ForwardPlan::ForwardPlan(const Convolution& g) : margin(forwardMargin(g)) {
  list.reserve(static_cast<size_t>(g.patch()));
  for (int64_t c = 0; c < g.channelsPerGroup(); ++c) {
    dense.push_back(c * g.out.count());
    for (int64_t d = 0; d < g.kernel.d; ++d) {
      for (int64_t h = 0; h < g.kernel.h; ++h) {
        for (int64_t w = 0; w < g.kernel.w; ++w) {
          list.push_back(c * margin.channel + d * g.dilation.d * margin.plane + h * g.dilation.h * margin.row +
                         margin.column(w * g.dilation.w));
        }
      }
    }
  }
}

InputPlan::InputPlan(const Convolution& g) : margin(inputMargin(g)) {
  const std::vector<Axis> ds = axesOf(g, 0), hs = axesOf(g, 1), ws = axesOf(g, 2);
  int64_t weightAt = 0;
  for (const Axis& d : ds) {
    for (const Axis& h : hs) {
      for (const Axis& w : ws) {
        Phase p{{d.first, h.first, w.first},       {d.count, h.count, w.count},         0,
                static_cast<int64_t>(list.size()), static_cast<int64_t>(kernel.size()), weightAt};
        std::vector<int64_t> taps;  // offsets for filter 0
        for (size_t i = 0; i < d.tap.size(); ++i) {
          for (size_t j = 0; j < h.tap.size(); ++j) {
            for (size_t k = 0; k < w.tap.size(); ++k) {
              kernel.push_back((d.tap[i] * g.kernel.h + h.tap[j]) * g.kernel.w + w.tap[k]);
              taps.push_back((d.shift[i] + margin.pad.d) * margin.plane + (h.shift[j] + margin.pad.h) * margin.row +
                             w.shift[k] + margin.pad.w);
            }
          }
        }
        p.taps = static_cast<int64_t>(taps.size());
        for (int64_t f = 0; f < g.filtersPerGroup(); ++f) {
          for (const int64_t t : taps) list.push_back(f * margin.channel + t);
        }
        weightAt += g.channels * g.filtersPerGroup() * p.taps;
        phases.push_back(p);
      }
    }
  }
}

}  // namespace tenfold
