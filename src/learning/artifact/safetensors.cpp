// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/safetensors.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace clary::artifact {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 8 << 20;
constexpr std::uint64_t kAlignment = 8;  // of the first array, by blanks at the header's end

constexpr std::array<std::pair<std::string_view, ElementType>, 9> kTypes{{{"F32", ElementType::kFloat32},
                                                                          {"F64", ElementType::kFloat64},
                                                                          {"F16", ElementType::kFloat16},
                                                                          {"BF16", ElementType::kBFloat16},
                                                                          {"U8", ElementType::kUint8},
                                                                          {"I8", ElementType::kInt8},
                                                                          {"I32", ElementType::kInt32},
                                                                          {"I64", ElementType::kInt64},
                                                                          {"BOOL", ElementType::kBool}}};

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "safetensors: " + message); }

ElementType type_named(const std::string& array, const Json& name) {
  for (const auto& [word, type] : kTypes)
    if (name == word) return type;
  malformed(fmt::format("{:.200}: type {:.40} is not supported", array, dump_json(name)));
}

std::int64_t integer(const std::string& array, const Json& value) {
  const auto number = exact_integer(value);
  if (!number || *number < 0) malformed(fmt::format("{:.200}: {:.40} is no count", array, dump_json(value)));
  return *number;
}

TensorView view_of(const std::string& name, const Json& entry, std::span<const std::byte> data) {
  const auto part = [&](const char* key) -> const Json& {
    const auto found = entry.find(key);
    if (found == entry.end()) malformed(fmt::format("{:.200}: {} is missing", name, key));
    return *found;
  };
  if (!entry.is_object()) malformed(fmt::format("{:.200} is no object", name));
  TensorView out{.name = name, .type = type_named(name, part("dtype")), .shape = {}, .bytes = {}};
  const Json &shape = part("shape"), &offsets = part("data_offsets");
  if (!shape.is_array() || !offsets.is_array() || offsets.size() != 2)
    malformed(fmt::format("{:.200}: shape or data_offsets is no list", name));
  for (const Json& n : shape) out.shape.push_back(integer(name, n));
  const auto begin = static_cast<std::uint64_t>(integer(name, offsets[0]));
  const auto end = static_cast<std::uint64_t>(integer(name, offsets[1]));
  if (begin > end || end > data.size())
    malformed(fmt::format("{:.200}: bytes {} to {} of {} that the file has", name, begin, end, data.size()));
  out.bytes = data.subspan(begin, end - begin);
  if (checked_size("safetensors: " + name, out.shape, out.type, data.size()) * bytes_of(out.type) != out.bytes.size())
    malformed(fmt::format("{:.200}: shape [{}] of {} is not {} bytes", name, fmt::join(out.shape, ", "),
                          name_of(out.type), out.bytes.size()));
  return out;
}

}  // namespace

Safetensors read_safetensors(std::span<const std::byte> bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < kLengthBytes) malformed("the file is cut");
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeader) malformed(fmt::format("a header of {} bytes, at most {} allowed", length, kMaxHeader));
  if (length > bytes.size() - kLengthBytes) malformed("the header is cut");
  const Json header = parse_json({reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length});
  if (!header.is_object()) malformed("the header is no object");
  if (header.size() > kMaxArrays + 1) malformed(fmt::format("more than {} arrays", kMaxArrays));
  Safetensors out;
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") {
      out.arrays.push_back(view_of(name, entry, bytes.subspan(kLengthBytes + length)));
      continue;
    }
    if (!entry.is_object()) malformed("__metadata__ is no object");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) malformed("__metadata__ holds something that is no text");
      out.metadata[key] = value.get<std::string>();
    }
  }
  return out;
}

void write_safetensors(std::span<const ArrayRef> arrays, const std::map<std::string, std::string>& metadata,
                       const ByteSink& sink) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t at = 0;
  for (const ArrayRef& a : arrays) {
    const std::uint64_t end = at + a.values.size_bytes();
    header[a.name] = {{"dtype", "F32"}, {"shape", a.shape}, {"data_offsets", {at, end}}};
    at = end;
  }
  std::string text = header.dump();
  text.append((kAlignment - text.size() % kAlignment) % kAlignment, ' ');
  const std::uint64_t length = text.size();
  sink(std::as_bytes(std::span(&length, 1)));
  sink(std::as_bytes(std::span(text)));
  for (const ArrayRef& a : arrays) sink(std::as_bytes(a.values));
}

}  // namespace clary::artifact
