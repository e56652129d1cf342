// Normals by Box and Muller's transform, the two ways that PyTorch makes them.
//
// BoxMuller16: blocks of 16 floats, eight pairs, with Cephes' single precision log, sine and cosine (S. Moshier;
// vectorised by J. Pommier and G. Garberoglio). The order of operations, and which product and sum are one fused
// operation, are those of PyTorch 1.13 as GCC compiles its AVX2 kernels: with FMA (AVX2, AVX-512, NEON) results are
// equal to the bit. SSE4 has none, so there they may differ in the last bits.
// Per-target header (Highway's convention): included once for each instruction set.
#if defined(TENFOLD_RANDOM_NORMAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENFOLD_RANDOM_NORMAL_INL_H_
#undef TENFOLD_RANDOM_NORMAL_INL_H_
#else
#define TENFOLD_RANDOM_NORMAL_INL_H_
#endif

#include <cmath>

#include "random/draws-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tenfold {
namespace HWY_NAMESPACE {

constexpr double kPi = 3.14159265358979323846;

// Natural logarithm of x in (0, 1]: x = 2^e m, sqrt(1/2) <= m < sqrt(2), and a polynomial in m - 1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V CephesLog(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto one = hn::Set(d, 1.0f);
  const auto bits = hn::BitCast(di, x);
  auto e = hn::ConvertTo(d, hn::Sub(hn::ShiftRight<23>(bits), hn::Set(di, 126)));
  auto m = hn::BitCast(d, hn::Or(hn::And(bits, hn::Set(di, 0x007fffff)), hn::Set(di, 0x3f000000)));  // [1/2, 1)
  const auto low = hn::Lt(m, hn::Set(d, 0.707106781186547524f));
  e = hn::Sub(e, hn::IfThenElseZero(low, one));
  m = hn::Add(hn::Sub(m, one), hn::IfThenElseZero(low, m));

  const auto z = hn::Mul(m, m);
  auto y = hn::Set(d, 7.0376836292E-2f);
  y = hn::MulAdd(y, m, hn::Set(d, -1.1514610310E-1f));
  y = hn::MulAdd(y, m, hn::Set(d, 1.1676998740E-1f));
  y = hn::MulAdd(y, m, hn::Set(d, -1.2420140846E-1f));
  y = hn::MulAdd(y, m, hn::Set(d, 1.4249322787E-1f));
  y = hn::MulAdd(y, m, hn::Set(d, -1.6668057665E-1f));
  y = hn::MulAdd(y, m, hn::Set(d, 2.0000714765E-1f));
  y = hn::MulAdd(y, m, hn::Set(d, -2.4999993993E-1f));
  y = hn::MulAdd(y, m, hn::Set(d, 3.3333331174E-1f));
  y = hn::Mul(y, m);
  y = hn::MulAdd(y, z, hn::Mul(e, hn::Set(d, -2.12194440e-4f)));  // log(2) in two parts
  y = hn::NegMulAdd(z, hn::Set(d, 0.5f), y);
  return hn::MulAdd(e, hn::Set(d, 0.693359375f), hn::Add(m, y));
}

// Sine and cosine of x in [0, 2 pi]: x minus a multiple of pi/4 in three parts, then one polynomial for each, which
// the octant exchanges and negates.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void CephesSinCos(D d, V x, V& sine, V& cosine) {
  const hn::RebindToSigned<D> di;
  const auto two = hn::Set(di, 2), four = hn::Set(di, 4);
  auto octant = hn::ConvertTo(di, hn::Mul(x, hn::Set(d, 1.27323954473516f)));  // 4 / pi
  octant = hn::And(hn::Add(octant, hn::Set(di, 1)), hn::Set(di, ~1));
  const auto q = hn::ConvertTo(d, octant);
  const auto swapSigns = hn::BitCast(d, hn::ShiftLeft<29>(hn::And(octant, four)));
  const auto cosSigns = hn::BitCast(d, hn::ShiftLeft<29>(hn::AndNot(hn::Sub(octant, two), four)));
  const auto direct = hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(di, hn::Eq(hn::And(octant, two), hn::Zero(di)))));

  x = hn::MulAdd(q, hn::Set(d, -0.78515625f), x);
  x = hn::MulAdd(q, hn::Set(d, -2.4187564849853515625e-4f), x);
  x = hn::MulAdd(q, hn::Set(d, -3.77489497744594108e-8f), x);
  const auto z = hn::Mul(x, x);

  auto c = hn::Set(d, 2.443315711809948E-005f);
  c = hn::MulAdd(c, z, hn::Set(d, -1.388731625493765E-003f));
  c = hn::MulAdd(c, z, hn::Set(d, 4.166664568298827E-002f));
  c = hn::Mul(c, z);
  c = hn::MulSub(c, z, hn::Mul(z, hn::Set(d, 0.5f)));
  c = hn::Add(c, hn::Set(d, 1.0f));

  auto s = hn::Set(d, -1.9515295891E-4f);
  s = hn::MulAdd(s, z, hn::Set(d, 8.3321608736E-3f));
  s = hn::MulAdd(s, z, hn::Set(d, -1.6666654611E-1f));
  s = hn::Mul(s, z);
  s = hn::MulAdd(s, x, x);

  sine = hn::Xor(hn::IfThenElse(direct, s, c), swapSigns);
  cosine = hn::Xor(hn::IfThenElse(direct, c, s), cosSigns);
}

// out[0, 16) = 16 normals from 16 uniforms in [0, 1): uniforms j and j + 8 make normals j and j + 8.
HWY_INLINE void BoxMuller16(const float* u, float* out, float mean, float std) {
  const hn::CappedTag<float, 8> d;
  for (size_t j = 0; j < 8; j += hn::Lanes(d)) {
    const auto u1 = hn::Sub(hn::Set(d, 1.0f), hn::LoadU(d, u + j));  // (0, 1], for the logarithm
    const auto u2 = hn::LoadU(d, u + j + 8);
    const auto radius = hn::Sqrt(hn::Mul(hn::Set(d, -2.0f), CephesLog(d, u1)));
    hn::Vec<decltype(d)> sine, cosine;
    CephesSinCos(d, hn::Mul(hn::Set(d, static_cast<float>(2 * kPi)), u2), sine, cosine);
    hn::StoreU(hn::MulAdd(hn::Mul(radius, cosine), hn::Set(d, std), hn::Set(d, mean)), d, out + j);
    hn::StoreU(hn::MulAdd(hn::Mul(radius, sine), hn::Set(d, std), hn::Set(d, mean)), d, out + j + 8);
  }
}

// The same in double, through the C library, as PyTorch does.
HWY_INLINE void BoxMuller16(const double* u, double* out, double mean, double std) {
  for (size_t j = 0; j < 8; ++j) {
    const double radius = std::sqrt(-2 * std::log(1 - u[j]));
    const double theta = 2 * kPi * u[j + 8];
    const double cosine = std::cos(theta), sine = std::sin(theta);
    out[j] = std::fma(radius * cosine, std, mean);
    out[j + 8] = std::fma(radius * sine, std, mean);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold
HWY_AFTER_NAMESPACE();
#endif
