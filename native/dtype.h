// dtypes as they cross the border to JavaScript. The codes and their order are the contract with lib/tensor/dtype.ts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tenfold {

enum class DType : int { f32 = 0, f64, i64, i32, u8, b8, i8, i16, f16, bf16 };
constexpr int kDTypes = 10;
constexpr size_t kDTypeSize[kDTypes] = {4, 8, 8, 4, 1, 1, 1, 2, 2, 2};
constexpr const char* kDTypeName[kDTypes] = {"float32", "float64", "int64", "int32",   "uint8",
                                             "bool",    "int8",    "int16", "float16", "bfloat16"};
constexpr size_t sizeOf(DType t) { return kDTypeSize[static_cast<int>(t)]; }
constexpr const char* nameOf(DType t) { return kDTypeName[static_cast<int>(t)]; }

// Storage types of the dtypes that C++ has no arithmetic type for. bool is one byte, 0 or 1.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};
struct Bool {
  uint8_t byte;
};

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> : std::integral_constant<DType, DType::f32> {};
template <>
struct DTypeOf<double> : std::integral_constant<DType, DType::f64> {};
template <>
struct DTypeOf<int64_t> : std::integral_constant<DType, DType::i64> {};
template <>
struct DTypeOf<int32_t> : std::integral_constant<DType, DType::i32> {};
template <>
struct DTypeOf<uint8_t> : std::integral_constant<DType, DType::u8> {};
template <>
struct DTypeOf<Bool> : std::integral_constant<DType, DType::b8> {};
template <>
struct DTypeOf<int8_t> : std::integral_constant<DType, DType::i8> {};
template <>
struct DTypeOf<int16_t> : std::integral_constant<DType, DType::i16> {};
template <>
struct DTypeOf<Half> : std::integral_constant<DType, DType::f16> {};
template <>
struct DTypeOf<BFloat16> : std::integral_constant<DType, DType::bf16> {};

}  // namespace tenfold
