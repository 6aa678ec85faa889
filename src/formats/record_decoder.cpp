// SPDX-License-Identifier: Apache-2.0
#include "formats/record_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "formats/csv.h"
#include "formats/recordio.h"

namespace clary::formats {
namespace {

using wire::Problem;

constexpr std::string_view kValuesKey = "values";

constexpr std::uint32_t kExponentBits = 0x7F800000;

// A vector operation over the bits, where isfinite() in a loop with an exit would not be.
bool all_finite(const float* values, std::size_t count) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, values + i, 4);
    bad |= static_cast<std::uint32_t>((bits & kExponentBits) == kExponentBits);
  }
  return bad == 0;
}

/// Copies and checks in one pass over memory.
bool copy_finite(float* out, const std::byte* in, std::size_t count) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, in + 4 * i, 4);
    bad |= static_cast<std::uint32_t>((bits & kExponentBits) == kExponentBits);
    std::memcpy(out + i, &bits, 4);
  }
  return bad == 0;
}

}  // namespace

void RecordDecoder::decode(Block& block, RowShape& shape, BatchBuilder& to, std::int64_t max_rows) {
  // Offsets in messages count from the beginning of the file.
  RecordIoReader reader(block.bytes.subspan(block.position), "", block.offset + block.position);
  const std::size_t start = block.position;
  while (to.rows() < max_rows) {
    std::optional<RecordIoRecord> record;
    try {
      record = reader.next();
    } catch (const Error& error) {
      throw RowProblem{block.units, std::string(error.what()).substr(2)};  // without ": " after the empty name
    }
    if (!record) break;
    try {
      add(record->payload, shape, to);
    } catch (const Problem& problem) {
      throw RowProblem{block.units, fmt::format("byte {}: {}", record->offset, problem.text)};
    }
    // The first row's size is a good guess for all.
    if (to.rows() == 1)
      to.expect(std::min(max_rows, rows_expected(block.bytes.size() - start, reader.position())),
                static_cast<std::int64_t>(row_numbers_));
    block.position = start + reader.position();
    ++block.units;
  }
}

void RecordDecoder::add(std::span<const std::byte> record, RowShape& shape, BatchBuilder& to) {
  const Texts texts = split(record);
  if (!has_features_) {
    throw Problem{other_keys_.empty() ? "the record has no features"
                                      : "features: no key \"values\", only " + quoted_for_message(other_keys_)};
  }
  add_features(shape, to);
  to.add_row(row_numbers_, add_labels(shape, to));
  to.set_uid(texts.uid);
  to.set_metadata(texts.metadata);
  to.set_configuration(texts.configuration);
}

RecordDecoder::Texts RecordDecoder::split(std::span<const std::byte> record) {
  has_features_ = has_label_ = false;
  other_keys_.clear();
  Texts texts;
  wire::Reader reader(record);
  while (!reader.done()) {
    const wire::Tag tag = reader.tag();
    // Unknown fields are skipped, as protobuf asks.
    if (tag.type != wire::kBytes || tag.field > kConfiguration) {
      reader.skip(tag);
      continue;
    }
    const auto bytes = reader.bytes();
    switch (tag.field) {
      case kFeatures:
        map_entry(bytes, features_, "features");
        break;
      case kLabel:
        map_entry(bytes, label_, "label");
        break;
      case kUid:
        texts.uid = as_text(bytes);
        break;
      case kMetadata:
        texts.metadata = as_text(bytes);
        break;
      default:
        texts.configuration = as_text(bytes);
        break;
    }
  }
  return texts;
}

/// The entry "values" of a map; a later one replaces an earlier one, other names are left alone.
void RecordDecoder::map_entry(std::span<const std::byte> entry, TensorFields& tensor, std::string_view map) {
  std::string_view key;
  std::span<const std::byte> value;
  int values = 0;
  for_each_entry_field(
      entry, [&](auto bytes) { key = as_text(bytes); },
      [&](auto bytes) {
        value = bytes;
        ++values;
      });
  const bool is_features = map == "features";
  if (key != kValuesKey) {
    if (is_features && other_keys_.size() < 64)
      other_keys_ += (other_keys_.empty() ? "" : ", ") + std::string(key.substr(0, 64));
    return;
  }
  (is_features ? has_features_ : has_label_) = true;
  tensor.clear();
  if (values == 1) {
    parse_value(value, tensor);
  } else {  // protobuf merges the values of an entry that has several
    // Later values add to the earlier ones or replace them, field by field.
    for_each_entry_field(
        entry, [](auto) {}, [&](auto bytes) { parse_value(bytes, tensor); });
  }
}

void RecordDecoder::add_features(RowShape& shape, BatchBuilder& to) {
  if (features_.type == TensorFields::kNone) throw Problem{"features: \"values\" is empty"};
  if (features_.type == TensorFields::kBytes)
    throw Problem{"features: \"values\" holds bytes, expected a tensor of numbers"};
  const std::size_t count = count_values(features_);
  // A sparse tensor whose elements are all zero has a shape and no keys.
  const bool has_keys = !features_.keys.bytes().empty();
  if (has_keys || (count == 0 && features_.shape.present())) {
    add_sparse(count, shape, to);
  } else {
    add_dense(count, shape, to);
  }
}

void RecordDecoder::add_dense(std::size_t count, RowShape& shape, BatchBuilder& to) {
  if (count == 0) throw Problem{"features: no values and no shape"};
  if (features_.shape.present()) {
    const std::int64_t size = shape_size(features_.shape);
    if (size != static_cast<std::int64_t>(count)) {
      throw Problem{fmt::format("features: {} values do not fill the shape of {}", count, size)};
    }
  }
  fix_width(static_cast<std::int64_t>(count), shape);
  float* values = to.values_room(count);
  numbers(features_, count, values, "features");
  row_numbers_ = count;
  // Collected densely first: values are checked in one pass, zeros are dropped afterwards, in place.
  if (!to.sparse()) return;
  std::int32_t* columns = to.columns_room(count);
  row_numbers_ = 0;
  for (std::size_t d = 0; d < count; ++d) {
    if (values[d] == 0) continue;
    values[row_numbers_] = values[d];
    columns[row_numbers_++] = static_cast<std::int32_t>(d);
  }
}

void RecordDecoder::add_sparse(std::size_t count, RowShape& shape, BatchBuilder& to) {
  if (!features_.shape.present()) throw Problem{"features: keys without a shape"};
  fix_width(shape_size(features_.shape), shape);
  to.become_sparse();
  float* values = to.values_room(count);
  numbers(features_, count, values, "features");
  row_numbers_ = read_keys(count, shape.width, values, to.columns_room(count));
}

/// Keys to columns; when they are not ascending, sorts and adds up the values of equal ones. Returns how many remain.
std::size_t RecordDecoder::read_keys(std::size_t count, std::int64_t width, float* values, std::int32_t* columns) {
  const auto bytes = features_.keys.bytes();
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const unsigned char* const end = at + bytes.size();
  const auto limit = static_cast<std::uint64_t>(width);
  std::int64_t previous = -1;
  bool ascending = true;
  // Most keys have one to three bytes and are read by hand, longer ones by the general reader.
  std::size_t read = 0;
  while (at != end && read < count) {
    std::uint64_t key = *at;
    if (key < 0x80) {
      ++at;
    } else if (end - at >= 2 && at[1] < 0x80) {
      key = (key & 0x7F) | static_cast<std::uint64_t>(at[1]) << 7;
      at += 2;
    } else if (end - at >= 3 && at[2] < 0x80) {
      key = (key & 0x7F) | static_cast<std::uint64_t>(at[1] & 0x7F) << 7 | static_cast<std::uint64_t>(at[2]) << 14;
      at += 3;
    } else {
      const auto left = static_cast<std::size_t>(end - at);
      wire::Reader reader({reinterpret_cast<const std::byte*>(at), left});
      const auto raw = reader.scalar(wire::kVarint);
      key = wire::Reader(raw).varint();
      at += raw.size();
    }
    if (key >= limit) throw Problem{fmt::format("features: key {} is outside the shape of {}", key, width)};
    ascending &= static_cast<std::int64_t>(key) > previous;
    previous = static_cast<std::int64_t>(key);
    columns[read++] = static_cast<std::int32_t>(key);
  }
  if (read != count || at != end) {
    throw Problem{fmt::format(
        "features: {} values but {} keys", count,
        read + count_varints({reinterpret_cast<const std::byte*>(at), static_cast<std::size_t>(end - at)}))};
  }
  return ascending ? count : sort_and_sum(count, columns, values);
}

void RecordDecoder::fix_width(std::int64_t width, RowShape& shape) {
  // With feature_dim given, the first row must fit it as well.
  if (shape.width == 0) shape.width = options_.feature_dim > 0 ? options_.feature_dim : width;
  if (width == 0) throw Problem{"features: the shape has no elements"};
  if (width != shape.width) {
    throw Problem{fmt::format("the record has {} features, expected {}{}", width, shape.width,
                              options_.feature_dim > 0 ? " (feature_dim)" : " as in the first record")};
  }
}

std::size_t RecordDecoder::add_labels(RowShape& shape, BatchBuilder& to) {
  if (options_.ignore_labels) {
    shape.label_width = 0;
    return 0;
  }
  std::size_t count = 0;
  if (has_label_ && label_.type == TensorFields::kBytes)
    throw Problem{"label: \"values\" holds bytes, expected numbers"};
  if (has_label_ && label_.type != TensorFields::kNone) {
    if (!label_.keys.bytes().empty()) throw Problem{"label: a sparse label is not supported"};
    count = count_values(label_);
  }
  if (shape.label_width < 0) shape.label_width = static_cast<std::int64_t>(count);
  if (static_cast<std::int64_t>(count) != shape.label_width) {
    throw Problem{fmt::format("label: {} values, expected {} as in the first record", count, shape.label_width)};
  }
  numbers(label_, count, to.labels_room(count), "label");
  if (options_.label_rule) {
    if (count != 1) throw Problem{fmt::format("the record has {} labels, expected one", count)};
    const float label = *to.labels_room(1);
    if (!options_.label_rule->allows(label)) throw Problem{options_.label_rule->problem(label)};
  }
  return count;
}

/// The tensor's values as float32, checked to be finite unless options allow others.
void RecordDecoder::numbers(const TensorFields& tensor, std::size_t count, float* out, std::string_view map) const {
  if (count == 0) return;
  const std::byte* in = tensor.values.bytes().data();
  bool finite = true;
  if (tensor.type == TensorFields::kFloat32) {
    finite = copy_finite(out, in, count);
  } else if (tensor.type == TensorFields::kFloat64) {
    for (std::size_t i = 0; i < count; ++i) {
      double value;
      std::memcpy(&value, in + i * sizeof value, sizeof value);
      out[i] = static_cast<float>(value);
    }
    finite = all_finite(out, count);
  } else {
    wire::Reader reader(tensor.values.bytes());
    // A varint of int32 has 10 bytes for negative numbers; the cast takes the low 32 bits.
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<std::int32_t>(reader.varint()));
  }
  if (finite || options_.allow_non_finite) return;
  const auto* bad = std::find_if(out, out + count, [](float v) { return !std::isfinite(v); });
  throw Problem{fmt::format("{}: value {} is {}, not a finite float32", map, bad - out, *bad)};
}

// Walks over the headers only. Bad framing is passed on whole, so that the decoder reports it with its position.
std::size_t complete_records(std::span<const std::byte> bytes, std::size_t target) {
  std::size_t position = 0;
  std::size_t complete = 0;
  while (bytes.size() - position >= 8 && complete < target) {
    std::uint32_t words[2];
    std::memcpy(words, bytes.data() + position, sizeof words);
    if (words[0] != kRecordIoMagic) return bytes.size();
    // kMaxRecordIoPart masks the length's 29 bits; the padding to words is part of the record.
    const std::size_t size = 8 + ((static_cast<std::size_t>(words[1] & kMaxRecordIoPart) + 3) & ~std::size_t{3});
    if (size > bytes.size() - position) break;
    // The next headers are probably as far apart as this one: without the prefetch each would be a cache miss.
    if (bytes.size() - position > 8 * size) __builtin_prefetch(bytes.data() + position + 8 * size);
    position += size;
    const std::uint32_t flag = words[1] >> 29;
    // Parts 1 (first) and 2 (middle) of a split record must stay with its last part.
    if (flag != 1 && flag != 2) complete = position;
  }
  return complete;
}

}  // namespace clary::formats
