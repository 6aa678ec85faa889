// SPDX-License-Identifier: Apache-2.0
#include "formats/record_proto.h"

#include "formats/recordio.h"
#include "formats/wire.h"

namespace clary::formats {
namespace {

using wire::put_bytes;
using wire::put_varint;

// Field numbers, see record_decoder.cpp: Record 1 features, 2 label, 3 uid, 4 metadata; entry 1 key, 2 value;
// Value 2 float32_tensor; tensor 1 values, 2 keys, 3 shape.
std::string_view raw(std::span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

/// One entry name -> Value{float32_tensor = tensor} of the map `field`.
void put_entry(std::string& out, std::uint32_t field, std::string_view name, std::string_view tensor) {
  std::string value;
  put_bytes(value, 2, tensor);
  std::string entry;
  put_bytes(entry, 1, name);
  put_bytes(entry, 2, value);
  put_bytes(out, field, entry);
}

}  // namespace

void RecordWriter::write_answer(std::span<const NamedTensor> labels, std::string_view uid, std::string_view metadata) {
  record_.clear();
  for (const NamedTensor& label : labels) {
    value_.clear();
    put_bytes(value_, 1, raw(label.values));
    put_entry(record_, 2, label.name, value_);
  }
  if (!uid.empty()) put_bytes(record_, 3, uid);
  if (!metadata.empty()) put_bytes(record_, 4, metadata);
  append_recordio(out_, record_);
}

void RecordWriter::write_dense(std::span<const float> values, std::span<const float> labels, std::string_view uid) {
  value_.clear();
  put_bytes(value_, 1, raw(values));
  finish_row(labels, uid);
}

// A row of zeros has a shape only.
void RecordWriter::write_sparse(std::span<const std::int32_t> columns, std::span<const float> values,
                                std::int64_t width, std::span<const float> labels, std::string_view uid) {
  value_.clear();
  std::string packed;
  if (!columns.empty()) {
    put_bytes(value_, 1, raw(values));
    for (const std::int32_t column : columns) put_varint(packed, static_cast<std::uint64_t>(column));
    put_bytes(value_, 2, packed);
    packed.clear();
  }
  put_varint(packed, static_cast<std::uint64_t>(width));
  put_bytes(value_, 3, packed);
  finish_row(labels, uid);
}

void RecordWriter::finish_row(std::span<const float> labels, std::string_view uid) {
  record_.clear();
  put_entry(record_, 1, "values", value_);
  if (!labels.empty()) {
    value_.clear();
    put_bytes(value_, 1, raw(labels));
    put_entry(record_, 2, "values", value_);
  }
  if (!uid.empty()) put_bytes(record_, 3, uid);
  append_recordio(out_, record_);
}

}  // namespace clary::formats
