// SPDX-License-Identifier: Apache-2.0
#include "formats/record_tensor.h"

#include <limits>

namespace clary::formats {
namespace {

using wire::Problem;

// Packed and unpacked forms of a repeated field are both legal and may be mixed.
void parse_tensor(std::span<const std::byte> bytes, std::uint32_t type, TensorFields& tensor) {
  if (tensor.type != type) tensor.clear();  // a later member of the oneof replaces the earlier
  tensor.type = type;
  const std::uint32_t scalar = type == TensorFields::kFloat32   ? wire::kFixed32
                               : type == TensorFields::kFloat64 ? wire::kFixed64
                                                                : wire::kVarint;
  wire::Reader reader(bytes);
  while (!reader.done()) {
    const wire::Tag tag = reader.tag();
    RepeatedField* field = tag.field == kValues  ? &tensor.values
                           : tag.field == kKeys  ? &tensor.keys
                           : tag.field == kShape ? &tensor.shape
                                                 : nullptr;
    const std::uint32_t unpacked = tag.field == kValues ? scalar : static_cast<std::uint32_t>(wire::kVarint);
    if (field != nullptr && tag.type == wire::kBytes) {
      field->add(reader.bytes());
    } else if (field != nullptr && tag.type == unpacked) {
      field->add(reader.scalar(tag.type));
    } else {
      reader.skip(tag);
    }
  }
}

}  // namespace

// A field that comes in one run, the usual case, stays where it is; several runs are joined in a copy.
void RepeatedField::add(std::span<const std::byte> run) {
  if (!present_) {
    present_ = true;
    bytes_ = run;
    return;
  }
  // joined_ may already hold the earlier runs; the comparison avoids copying them onto themselves.
  if (reinterpret_cast<const char*>(bytes_.data()) != joined_.data()) joined_.assign(as_text(bytes_));
  joined_.append(as_text(run));
  bytes_ = std::as_bytes(std::span(joined_));
}

void TensorFields::clear() noexcept {
  type = kNone;
  values.clear();
  keys.clear();
  shape.clear();
}

void parse_value(std::span<const std::byte> bytes, TensorFields& tensor) {
  wire::Reader reader(bytes);
  while (!reader.done()) {
    const wire::Tag tag = reader.tag();
    const bool known = tag.field == TensorFields::kFloat32 || tag.field == TensorFields::kFloat64 ||
                       tag.field == TensorFields::kInt32 || tag.field == TensorFields::kBytes;
    if (!known || tag.type != wire::kBytes) {
      reader.skip(tag);
    } else if (tag.field == TensorFields::kBytes) {
      reader.bytes();
      tensor.clear();
      tensor.type = TensorFields::kBytes;
    } else {
      parse_tensor(reader.bytes(), tag.field, tensor);
    }
  }
}

std::size_t count_varints(std::span<const std::byte> bytes) {
  std::size_t count = 0;
  for (const std::byte b : bytes) count += static_cast<std::uint8_t>(b) < 0x80 ? 1 : 0;
  if (!bytes.empty() && static_cast<std::uint8_t>(bytes.back()) >= 0x80) throw Problem{"protobuf: a number is cut"};
  return count;
}

std::size_t count_values(const TensorFields& tensor) {
  const std::size_t bytes = tensor.values.bytes().size();
  if (tensor.type == TensorFields::kInt32) return count_varints(tensor.values.bytes());
  const std::size_t width = tensor.type == TensorFields::kFloat32 ? 4 : 8;
  if (bytes % width != 0) throw Problem{"protobuf: a packed field is not a whole number of values"};
  return bytes / width;
}

std::int64_t shape_size(const RepeatedField& shape) {
  wire::Reader reader(shape.bytes());
  std::uint64_t size = 1;
  while (!reader.done()) {
    const std::uint64_t extent = reader.varint();
    if (extent > std::numeric_limits<std::int32_t>::max() ||
        size * extent > static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max())) {
      throw Problem{"features: the shape exceeds 2147483647 elements"};
    }
    size *= extent;
  }
  return static_cast<std::int64_t>(size);
}

}  // namespace clary::formats
