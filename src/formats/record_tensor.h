// SPDX-License-Identifier: Apache-2.0
// The values of a Record's maps, as spans of the message: a tensor of one of three number types. Internal to formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/wire.h"

namespace clary::formats {

// Record, map entry and tensor field numbers of the published schema.
enum RecordField : std::uint32_t { kFeatures = 1, kLabel = 2, kUid = 3, kMetadata = 4, kConfiguration = 5 };
enum TensorField : std::uint32_t { kValues = 1, kKeys = 2, kShape = 3 };

/// A repeated field: usually one packed run in place; several runs or unpacked elements are put together in `joined`.
class RepeatedField {
 public:
  void clear() noexcept {
    bytes_ = {};
    present_ = false;
  }
  void add(std::span<const std::byte> run);
  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  bool present() const noexcept { return present_; }

 private:
  std::span<const std::byte> bytes_;
  std::string joined_;
  bool present_ = false;
};

/// One Value of the features or label map: a tensor of one of three number types.
struct TensorFields {
  enum Type : std::uint32_t { kNone = 0, kFloat32 = 2, kFloat64 = 3, kInt32 = 7, kBytes = 9 };  // as in Value's oneof
  std::uint32_t type = kNone;
  RepeatedField values, keys, shape;

  void clear() noexcept;
};

/// Adds a Value message to `tensor`, as protobuf merges messages: a later member of the oneof replaces an earlier one.
/// @throws wire::Problem
void parse_value(std::span<const std::byte> bytes, TensorFields& tensor);

/// Numbers in the tensor's values. @throws wire::Problem for a cut number
std::size_t count_values(const TensorFields& tensor);
/// A varint ends at its first byte without the high bit: counting those counts the numbers. @throws wire::Problem
std::size_t count_varints(std::span<const std::byte> bytes);

/// Product of the shape's extents. @throws wire::Problem above 2^31 - 1
std::int64_t shape_size(const RepeatedField& shape);

/// Calls on_key(bytes) and on_value(bytes) for the fields of a map entry, in their order. @throws wire::Problem
template <class OnKey, class OnValue>
void for_each_entry_field(std::span<const std::byte> entry, OnKey&& on_key, OnValue&& on_value) {
  wire::Reader reader(entry);
  while (!reader.done()) {
    const wire::Tag tag = reader.tag();
    if (tag.type != wire::kBytes || tag.field > 2) {
      reader.skip(tag);
      continue;
    }
    const auto bytes = reader.bytes();
    tag.field == 1 ? on_key(bytes) : on_value(bytes);
  }
}

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace clary::formats
