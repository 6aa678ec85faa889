// SPDX-License-Identifier: Apache-2.0
#include "formats/sequence_record.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "formats/csv.h"
#include "formats/record_tensor.h"
#include "formats/recordio.h"

namespace clary::formats {
namespace {

using wire::Problem;

constexpr std::string_view kSource = "source", kTarget = "target";
constexpr std::size_t kMaxShown = 200;  // bytes of other features' names in a message

template <class Float>
void read_floats(std::span<const std::byte> bytes, std::vector<std::int32_t>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Float value;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);  // the bytes may be unaligned
    // NaN fails the comparison.
    if (!(std::abs(value) <= Float{1 << 24}) || std::trunc(value) != value)
      throw Problem{
          fmt::format("value {} is {}, not an id: a whole number from 0 to 2^24 in a tensor of floats", i, value)};
    out[i] = static_cast<std::int32_t>(value);
  }
}

void read_varints(std::span<const std::byte> bytes, std::vector<std::int32_t>& out) {
  wire::Reader reader(bytes);
  // A varint of int32 has 10 bytes for negative numbers; the cast takes the low 32 bits, as protobuf does.
  for (std::int32_t& id : out) id = static_cast<std::int32_t>(reader.varint());
}

void read_ids(const TensorFields& tensor, std::vector<std::int32_t>& out) {
  if (tensor.type == TensorFields::kNone) return;  // Value{}: the client made the entry and no tensor in it
  if (tensor.type == TensorFields::kBytes) throw Problem{"holds bytes, expected a tensor of integers"};
  const std::size_t count = count_values(tensor);
  if (!tensor.keys.bytes().empty()) throw Problem{"is sparse (it has keys), expected the ids one after the other"};
  if (tensor.shape.present() && shape_size(tensor.shape) != static_cast<std::int64_t>(count))
    throw Problem{fmt::format("{} values do not fill the shape of {}", count, shape_size(tensor.shape))};
  out.resize(count);
  switch (tensor.type) {
    case TensorFields::kInt32:
      return read_varints(tensor.values.bytes(), out);
    case TensorFields::kFloat32:
      return read_floats<float>(tensor.values.bytes(), out);
    default:
      return read_floats<double>(tensor.values.bytes(), out);
  }
}

/// One entry of the features map. Of several entries of one name the last counts, as protobuf says.
void read_feature(std::span<const std::byte> entry, SequenceRecord& out) {
  std::string_view name;
  TensorFields tensor;
  for_each_entry_field(
      entry, [&](auto bytes) { name = as_text(bytes); }, [&](auto bytes) { parse_value(bytes, tensor); });
  if (name != kSource && name != kTarget) {
    if (out.other_features.size() >= kMaxShown) return;
    if (!out.other_features.empty()) out.other_features += ", ";
    const std::string quoted = quoted_for_message(name);
    out.other_features += std::string_view(quoted).substr(1, quoted.size() - 2);
    return;
  }
  const bool is_source = name == kSource;
  (is_source ? out.has_source : out.has_target) = true;
  std::vector<std::int32_t>& ids = is_source ? out.source : out.target;
  ids.clear();
  try {
    read_ids(tensor, ids);
  } catch (const Problem& problem) {
    throw Problem{fmt::format("feature '{}': {}", name, problem.text)};
  }
  if (tensor.type == TensorFields::kFloat32 || tensor.type == TensorFields::kFloat64) out.from_floats = true;
}

void read_record(std::span<const std::byte> payload, SequenceRecord& out) {
  wire::Reader reader(payload);
  while (!reader.done()) {
    const wire::Tag tag = reader.tag();
    if (tag.type == wire::kBytes && tag.field == kFeatures)
      read_feature(reader.bytes(), out);
    else if (tag.type == wire::kBytes && tag.field == kConfiguration)
      out.configuration = as_text(reader.bytes());
    else
      reader.skip(tag);
  }
}

std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

/// Negative numbers take ten bytes.
std::uint64_t wire_form(std::int32_t id) { return static_cast<std::uint64_t>(std::int64_t{id}); }

void put_head(std::string& out, std::uint32_t field, std::size_t size) {
  wire::put_varint(out, field << 3 | wire::kBytes);
  wire::put_varint(out, size);
}

/// Size of a field with `size` bytes in it. Field numbers below 16 take one byte.
std::size_t framed(std::size_t size) { return 1 + varint_size(size) + size; }

/// Entry name -> Value{int32_tensor = {values = ids}}, its sizes from the inside out and then its bytes in one go.
void put_feature(std::string& record, std::string_view name, std::span<const std::int32_t> ids) {
  std::size_t packed = 0;
  for (const std::int32_t id : ids) packed += varint_size(wire_form(id));
  const std::size_t tensor = ids.empty() ? 0 : framed(packed), value = framed(tensor);
  put_head(record, kFeatures, framed(name.size()) + framed(value));
  wire::put_bytes(record, 1, name);
  put_head(record, 2, value);
  put_head(record, TensorFields::kInt32, tensor);
  if (ids.empty()) return;
  put_head(record, kValues, packed);
  for (const std::int32_t id : ids) wire::put_varint(record, wire_form(id));
}

}  // namespace

void parse_sequence_record(std::span<const std::byte> payload, SequenceRecord& out) {
  out.source.clear(), out.target.clear(), out.other_features.clear();
  out.has_source = out.has_target = out.from_floats = false;
  out.configuration = {};
  try {
    read_record(payload, out);
  } catch (const Problem& problem) {
    throw Error(Kind::kMalformed, problem.text);
  }
}

void append_sequence_record(std::string& out, std::optional<std::span<const std::int32_t>> source,
                            std::optional<std::span<const std::int32_t>> target) {
  std::string record;
  if (source) put_feature(record, kSource, *source);
  if (target) put_feature(record, kTarget, *target);
  append_recordio(out, record);
}

}  // namespace clary::formats
