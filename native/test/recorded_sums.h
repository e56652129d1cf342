// What PyTorch 1.13 (CPU, AVX2 kernels, one thread) gives for sums over the middle dimension of [outer, n, inner], all
// results folded into one number by FNV-1a over their bits. Elements: lcg() of reduce_test.cc.
#pragma once
#include "dtype.h"

namespace tenfold::test {
struct RecordedSum {
  DType dtype;
  int64_t outer, n, inner;
  uint64_t hash;
};
constexpr RecordedSum kRecordedSums[] = {
    {DType::f32, 1, 1, 1, 0x1047f46d08a9c971u},      {DType::f32, 1, 3, 1, 0x9e37546c46d78991u},
    {DType::f32, 1, 7, 1, 0x80fcab6c152cdc66u},      {DType::f32, 1, 8, 1, 0x5296126bc654866bu},
    {DType::f32, 1, 10, 1, 0xd822906ca9424085u},     {DType::f32, 1, 31, 1, 0x99fd8b9472a95ab9u},
    {DType::f32, 1, 32, 1, 0xc17c3c6c82c59fc9u},     {DType::f32, 1, 100, 1, 0x93afbe6839f32762u},
    {DType::f32, 1, 511, 1, 0x9bef2b6847f6ed99u},    {DType::f32, 1, 512, 1, 0xc6e6ff66ddfa0ad5u},
    {DType::f32, 1, 1000, 1, 0x1d07df677053e775u},   {DType::f32, 1, 8191, 1, 0xc72f1c3eab749269u},
    {DType::f32, 1, 8192, 1, 0xc181d43ea1cf2111u},   {DType::f32, 1, 30000, 1, 0xe5a6893d2c3980a0u},
    {DType::f32, 1, 131072, 1, 0x94984b3e557e4d46u}, {DType::f32, 1, 300001, 1, 0xa280fe3cba20b56fu},
    {DType::f32, 50, 5, 1, 0xffec786c1c1ba404u},     {DType::f32, 100, 10, 1, 0x13ced36c1c9c3a49u},
    {DType::f32, 30, 33, 1, 0x01e17222314cfa77u},    {DType::f32, 9, 1000, 1, 0x4152aaac51d2ff16u},
    {DType::f32, 1, 100, 3, 0xa841e0737d8ea37fu},    {DType::f32, 1, 100, 5, 0x931f12ba03528b5fu},
    {DType::f32, 1, 1000, 7, 0x36d9ab784d5489c4u},   {DType::f32, 1, 1000, 8, 0xeded4249eb479528u},
    {DType::f32, 1, 500, 13, 0x129c367c5de31c12u},   {DType::f32, 1, 70, 40, 0x5f078128fa0cec92u},
    {DType::f32, 1, 300, 130, 0x872cc911aaf3f2abu},  {DType::f32, 4, 50, 6, 0x8b61cb91acefdfa4u},
    {DType::f32, 3, 77, 100, 0xe5ec4b2b33724442u},   {DType::f32, 1, 100000, 3, 0xff437b77705d2bbbu},
    {DType::f32, 1, 1000, 300, 0xe735f191c18081aeu}, {DType::f64, 1, 1, 1, 0xf2cd5854a5d1d87bu},
    {DType::f64, 1, 3, 1, 0xfb4f0004a5d1d87bu},      {DType::f64, 1, 7, 1, 0xf9328872da2e2e51u},
    {DType::f64, 1, 8, 1, 0x9c10e1f773ccf5e6u},      {DType::f64, 1, 10, 1, 0x7ba56d5273ccf5e6u},
    {DType::f64, 1, 31, 1, 0xa91e51775a2e2e51u},     {DType::f64, 1, 32, 1, 0x94fa64bb1803433du},
    {DType::f64, 1, 100, 1, 0xa538777d3803418au},    {DType::f64, 1, 511, 1, 0xdd18695d73ccf799u},
    {DType::f64, 1, 512, 1, 0xb89542ebcc3306b4u},    {DType::f64, 1, 1000, 1, 0x400fd67208033fd7u},
    {DType::f64, 1, 8191, 1, 0xa3f0b44f25d1e0fau},   {DType::f64, 1, 8192, 1, 0xa4a18f3da5d1d87bu},
    {DType::f64, 1, 30000, 1, 0xb6024d6f0cd1d6c8u},  {DType::f64, 1, 131072, 1, 0x1537880ca5d1e0fau},
    {DType::f64, 1, 300001, 1, 0x4c2b83f79d51d6c8u}, {DType::f64, 50, 5, 1, 0xa56b2851179547eau},
    {DType::f64, 100, 10, 1, 0xfe0c5afc55f80bf2u},   {DType::f64, 30, 33, 1, 0xf1398d511c0601ffu},
    {DType::f64, 9, 1000, 1, 0x05282afe128bfb1eu},   {DType::f64, 1, 100, 3, 0x8167111a9ccb3e6au},
    {DType::f64, 1, 100, 5, 0xd5f3700d9a4d338fu},    {DType::f64, 1, 1000, 7, 0xddc8307668c178f2u},
    {DType::f64, 1, 1000, 8, 0xac8604c94c48e3d6u},   {DType::f64, 1, 500, 13, 0xce25c77857974ed7u},
    {DType::f64, 1, 70, 40, 0xafb3a60d975a0af7u},    {DType::f64, 1, 300, 130, 0xc3fe42e5d4e5aeedu},
    {DType::f64, 4, 50, 6, 0xd6f9d4e10f006078u},     {DType::f64, 3, 77, 100, 0x4eed67ab9f0331d2u},
    {DType::f64, 1, 100000, 3, 0xf013ef7eb6363fb9u}, {DType::f64, 1, 1000, 300, 0x40269385ef037eeeu}};
}  // namespace tenfold::test
