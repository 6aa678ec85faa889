// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/mxnet_params.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

#include "base/error.h"
#include "learning/artifact/byte_cursor.h"

namespace clary::artifact {
namespace {

constexpr std::uint64_t kListMagic = 0x112;
constexpr std::uint32_t kMagicV1 = 0xF993FAC8;  // dimensions of 64 bits
constexpr std::uint32_t kMagicV2 = 0xF993FAC9;  // and a storage type
constexpr std::uint32_t kMagicV3 = 0xF993FACA;  // and shapes as NumPy's: -1 dimensions for no value, 0 for a scalar
constexpr std::uint64_t kMaxName = 1024;
const std::string kFile = "params";  // in messages

// mshadow's type flags.
constexpr std::array kTypes{ElementType::kFloat32, ElementType::kFloat64, ElementType::kFloat16, ElementType::kUint8,
                            ElementType::kInt32,   ElementType::kInt8,    ElementType::kInt64,   ElementType::kBool};

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, kFile + ": " + message); }

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

/// Number of dimensions; nothing for an array without a value.
std::int64_t dimensions_of(ByteCursor& in, std::uint32_t magic, const std::string& array) {
  if (magic == kMagicV3) return in.between<std::int32_t>("number of dimensions", -1, kMaxDimensions);
  // Before 0.9 an array began with its number of dimensions.
  const std::uint32_t count =
      magic == kMagicV1 || magic == kMagicV2 ? in.take<std::uint32_t>("number of dimensions") : magic;
  if (count > kMaxDimensions) {
    if (count == magic) malformed(fmt::format("{}: wrong magic number", array));
    malformed(fmt::format("{}: {} dimensions, at most {} allowed", array, count, kMaxDimensions));
  }
  return count == 0 ? -1 : static_cast<std::int64_t>(count);
}

TensorView view_array(ByteCursor& in, std::uint64_t number) {
  const std::string array = fmt::format("{}: array {}", kFile, number);
  TensorView out;
  const auto magic = in.take<std::uint32_t>("array magic");
  if (magic == kMagicV2 || magic == kMagicV3) {
    if (in.take<std::int32_t>("storage type") != 0) malformed(fmt::format("array {}: sparse storage", number));
  }
  const std::int64_t dimensions = dimensions_of(in, magic, fmt::format("array {}", number));
  if (dimensions < 0) {
    out.shape = {0};
    return out;
  }
  const bool narrow = magic <= kMaxDimensions;
  for (std::int64_t i = 0; i < dimensions; ++i)
    out.shape.push_back(narrow ? in.take<std::uint32_t>("dimension") : in.take<std::int64_t>("dimension"));
  in.take<std::int32_t>("device type");
  in.take<std::int32_t>("device id");
  out.type = kTypes[in.between<std::uint32_t>("type flag", 0, kTypes.size() - 1)];
  const std::uint64_t size = checked_size(array, out.shape, out.type, in.left());
  if (size == 0 && magic != kMagicV3) malformed(fmt::format("array {}: a dimension of 0 does not fit", number));
  out.bytes = in.block(size, bytes_of(out.type), "array data");
  return out;
}

void name_arrays(ByteCursor& in, std::vector<TensorView>& arrays) {
  const auto names = in.take<std::uint64_t>("number of names");
  if (names == 0) return;
  if (names != arrays.size()) malformed(fmt::format("{} names for {} arrays", names, arrays.size()));
  for (TensorView& a : arrays) {
    const auto length = in.take<std::uint64_t>("name length");
    if (length > kMaxName) malformed(fmt::format("a name of {} bytes, at most {} allowed", length, kMaxName));
    const auto name = in.skip(length, "name");
    a.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  }
}

}  // namespace

void write_arrays(std::span<const ArrayRef> arrays, const ByteSink& sink) {
  std::string out;
  put<std::uint64_t>(out, kListMagic);
  put<std::uint64_t>(out, 0);
  put<std::uint64_t>(out, arrays.size());
  for (const ArrayRef& a : arrays) {
    put<std::uint32_t>(out, kMagicV2);
    put<std::int32_t>(out, 0);
    put<std::uint32_t>(out, static_cast<std::uint32_t>(a.shape.size()));
    for (const std::int64_t n : a.shape) put<std::int64_t>(out, n);
    put<std::int32_t>(out, 1);  // CPU
    put<std::int32_t>(out, 0);
    put<std::int32_t>(out, 0);  // float32
    sink(std::as_bytes(std::span(out)));
    out.clear();
    sink(std::as_bytes(a.values));
  }
  put<std::uint64_t>(out, arrays.size());
  for (const ArrayRef& a : arrays) {
    put<std::uint64_t>(out, a.name.size());
    out += a.name;
  }
  sink(std::as_bytes(std::span(out)));
}

std::string write_arrays(const std::vector<NamedArray>& arrays) {
  std::vector<ArrayRef> refs;
  std::size_t size = 64;
  for (const NamedArray& a : arrays) {
    refs.push_back({a.name, a.shape, a.values});
    size += a.values.size() * sizeof(float) + 64 + a.name.size();
  }
  std::string out;
  out.reserve(size);
  write_arrays(refs, [&](std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return out;
}

std::vector<TensorView> view_arrays(std::span<const std::byte> bytes) {
  ByteCursor in(bytes, kFile);
  if (in.take<std::uint64_t>("list magic") != kListMagic) malformed("not an MXNet NDArray list (wrong magic number)");
  in.take<std::uint64_t>("reserved word");
  const auto count = in.take<std::uint64_t>("number of arrays");
  if (count > kMaxArrays) malformed(fmt::format("{} arrays, at most {} allowed", count, kMaxArrays));
  std::vector<TensorView> arrays;
  for (std::uint64_t i = 0; i < count; ++i) arrays.push_back(view_array(in, i));
  name_arrays(in, arrays);
  return arrays;
}

std::vector<NamedArray> read_arrays(std::string_view bytes) {
  std::vector<NamedArray> out;
  for (TensorView& view : view_arrays(std::as_bytes(std::span(bytes)))) {
    NamedArray a{std::move(view.name), std::move(view.shape), {}};
    a.values.resize(view.bytes.size() / bytes_of(view.type));
    view.copy_to(a.values);
    out.push_back(std::move(a));
  }
  return out;
}

}  // namespace clary::artifact
