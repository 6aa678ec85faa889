// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/mxnet_params.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"

namespace clary::artifact {
namespace {

// MXNet's NDArray list file (src/ndarray/ndarray.cc, NDArray::Save): magic, reserved, number of arrays, each with its
// shape, context and type, then the names.
constexpr std::uint64_t kListMagic = 0x112;
constexpr std::uint32_t kArrayMagic = 0xF993FAC9;  // NDARRAY_V2_MAGIC
constexpr std::uint64_t kMaxArrays = 10'000;
constexpr std::uint32_t kMaxDimensions = 8;
constexpr std::uint64_t kMaxName = 1024;

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "params: " + message); }

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

// Every take is checked against what is left: the file is foreign.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T take(const char* what) {
    T value;
    std::memcpy(&value, bytes(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  std::string_view bytes(std::uint64_t n, const char* what) {
    if (n > rest_.size()) {
      malformed(fmt::format("{}: {} bytes wanted, {} left in the file", what, n, rest_.size()));
    }
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
};

NamedArray read_array(Cursor& in, std::uint64_t number) {
  NamedArray a;
  const auto fail = [&](const std::string& rule) { malformed(fmt::format("array {}: {}", number, rule)); };
  if (in.take<std::uint32_t>("array magic") != kArrayMagic) fail("wrong magic number");
  if (in.take<std::int32_t>("storage type") != 0) fail("sparse storage is not supported");
  const auto dimensions = in.take<std::uint32_t>("number of dimensions");
  if (dimensions == 0 || dimensions > kMaxDimensions) fail(fmt::format("{} dimensions, 1 to 8 allowed", dimensions));
  std::uint64_t size = 1;
  // The product of the dimensions is bounded by the bytes that follow, so that no shape can make a large allocation.
  const std::uint64_t limit = in.left() / sizeof(float);
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    const auto n = in.take<std::int64_t>("dimension");
    if (n <= 0 || static_cast<std::uint64_t>(n) > limit || size * static_cast<std::uint64_t>(n) > limit) {
      fail(fmt::format("dimension {} does not fit into the file", n));
    }
    size *= static_cast<std::uint64_t>(n);
    a.shape.push_back(n);
  }
  // Where the array lived when it was saved: of no use here.
  in.take<std::int32_t>("device type");
  in.take<std::int32_t>("device id");
  if (in.take<std::int32_t>("type flag") != 0) fail("only float32 is supported");
  const std::string_view data = in.bytes(size * sizeof(float), "array data");
  a.values.resize(size);
  std::memcpy(a.values.data(), data.data(), data.size());
  return a;
}

}  // namespace

std::string write_arrays(const std::vector<NamedArray>& arrays) {
  std::string out;
  // 64 bytes cover the header of the file, and of each array.
  std::size_t size = 64;
  for (const NamedArray& a : arrays) size += a.values.size() * sizeof(float) + 64 + a.name.size();
  out.reserve(size);
  put<std::uint64_t>(out, kListMagic);
  put<std::uint64_t>(out, 0);
  put<std::uint64_t>(out, arrays.size());
  for (const NamedArray& a : arrays) {
    put<std::uint32_t>(out, kArrayMagic);
    put<std::int32_t>(out, 0);
    put<std::uint32_t>(out, static_cast<std::uint32_t>(a.shape.size()));
    for (const std::int64_t n : a.shape) put<std::int64_t>(out, n);
    put<std::int32_t>(out, 1);  // CPU
    put<std::int32_t>(out, 0);
    put<std::int32_t>(out, 0);  // float32
    out.append(reinterpret_cast<const char*>(a.values.data()), a.values.size() * sizeof(float));
  }
  put<std::uint64_t>(out, arrays.size());
  for (const NamedArray& a : arrays) {
    put<std::uint64_t>(out, a.name.size());
    out += a.name;
  }
  return out;
}

std::vector<NamedArray> read_arrays(std::string_view bytes) {
  Cursor in(bytes);
  if (in.take<std::uint64_t>("list magic") != kListMagic) malformed("not an MXNet NDArray list (wrong magic number)");
  in.take<std::uint64_t>("reserved word");
  const auto count = in.take<std::uint64_t>("number of arrays");
  if (count > kMaxArrays) malformed(fmt::format("{} arrays, at most {} allowed", count, kMaxArrays));
  std::vector<NamedArray> arrays;
  for (std::uint64_t i = 0; i < count; ++i) arrays.push_back(read_array(in, i));
  const auto names = in.take<std::uint64_t>("number of names");
  if (names != count) malformed(fmt::format("{} names for {} arrays", names, count));
  for (NamedArray& a : arrays) {
    const auto length = in.take<std::uint64_t>("name length");
    if (length > kMaxName) malformed(fmt::format("a name of {} bytes, at most {} allowed", length, kMaxName));
    a.name = std::string(in.bytes(length, "name"));
  }
  return arrays;
}

}  // namespace clary::artifact
