// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/manifest_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "algorithms/blazingtext/data/ngrams.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "formats/recordio.h"

namespace clary::blazingtext {
namespace {

constexpr std::size_t kMaxSampleBytes = std::size_t{64} << 20;  // as for a line of a text file
constexpr std::size_t kWantedBytes = std::size_t{1} << 18;      // lines are made in runs of this size

void append_label(std::string& out, std::string_view text) {
  text = trimmed(text);
  if (text.empty()) throw Error(Kind::kMalformed, "the label is empty");
  if (!out.empty()) out += ' ';
  if (!text.starts_with(kLabelPrefix)) out += kLabelPrefix;
  for (const char c : text) out += is_separator(c) ? '_' : c;
}

class ManifestText : public formats::ByteSource {
 public:
  ManifestText(std::unique_ptr<formats::ByteSource> records, std::string name)
      : records_(std::move(records)), name_(std::move(name)) {}

  std::size_t read(std::span<std::byte> bytes) override {
    if (at_ == lines_.size()) make_lines();
    const std::size_t n = std::min(bytes.size(), lines_.size() - at_);
    std::memcpy(bytes.data(), lines_.data() + at_, n);
    // 0 only at the end: make_lines() leaves lines_ empty only there.
    at_ += n;
    return n;
  }

 private:
  void make_lines() {
    lines_.clear(), at_ = 0;
    std::string text, label;
    // Samples are pairs of records, in the order of AttributeNames: text, then label.
    while (lines_.size() < kWantedBytes && next_record(text)) {
      if (!next_record(label)) fail("has a text, but no label; AttributeNames must be the text and the label");
      add_line(text, label);
      ++sample_;
    }
  }

  void add_line(std::string& text, const std::string& label) {
    std::string labels;
    try {
      labels = labels_of(label);
    } catch (const Error& error) {
      fail(error.what());
    }
    // A line is a sample: newlines inside would end it.
    std::replace(text.begin(), text.end(), '\n', ' ');
    lines_.append(labels).append(" ").append(text).append("\n");
  }

  /// One record's payload; false at the end of the stream.
  bool next_record(std::string& out) {
    out.clear();
    for (bool more = true; more;) {
      std::array<std::uint32_t, 2> head{};
      const std::size_t got = read_exactly(reinterpret_cast<char*>(head.data()), sizeof(head));
      // The end of the stream between records is the only regular one.
      if (got == 0 && out.empty()) return false;
      if (got != sizeof(head)) fail("ends within a record's header");
      if (head[0] != formats::kRecordIoMagic)
        fail("is not a RecordIO record; the channel needs RecordWrapperType RecordIO and an augmented manifest");
      const std::uint32_t flag = head[1] >> 29, size = head[1] & 0x1fff'ffff;
      const bool goes_on = flag == 2 || flag == 3;
      // Sums, not differences: the magic word alone may have taken `out` to or over the limit.
      if (out.size() + (goes_on ? sizeof(formats::kRecordIoMagic) : 0) + size > kMaxSampleBytes)
        fail(fmt::format("is longer than {} bytes", kMaxSampleBytes));
      if (goes_on) append_magic(out);
      append_payload(out, size);
      more = flag == 1 || flag == 2;  // first or middle part of a split record
    }
    return true;
  }

  /// The magic word at which a split record was cut.
  static void append_magic(std::string& out) {
    constexpr std::uint32_t kMagic = formats::kRecordIoMagic;
    out.append(reinterpret_cast<const char*>(&kMagic), sizeof(kMagic));
  }

  void append_payload(std::string& out, std::uint32_t size) {
    // Payloads are padded to words of four bytes.
    const std::size_t start = out.size(), padded = (size + 3U) / 4 * 4;
    out.resize(start + padded);
    if (read_exactly(out.data() + start, padded) != padded) fail("ends within a record");
    out.resize(start + size);
  }

  std::size_t read_exactly(char* out, std::size_t size) {
    std::size_t have = 0;
    while (have < size) {
      const std::size_t got = records_->read(std::as_writable_bytes(std::span(out + have, size - have)));
      if (got == 0) break;
      have += got;
    }
    return have;
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(Kind::kMalformed, fmt::format("{}: sample {} {}", name_, sample_, problem));
  }

  std::unique_ptr<formats::ByteSource> records_;
  std::string name_;
  std::string lines_;
  std::size_t at_ = 0;
  std::int64_t sample_ = 1;
};

}  // namespace

std::string labels_of(std::string_view json_text) {
  const std::string_view text = trimmed(json_text);
  std::string out;
  if (!text.starts_with('[')) {
    if (text.starts_with('{')) throw Error(Kind::kMalformed, "the label is an object, must be a value or a list");
    append_label(out, text);
    return out;
  }
  for (const Json& label : parse_json(text)) {
    if (label.is_structured() || label.is_null())
      throw Error(Kind::kMalformed, "the label holds something that is neither a number nor a text");
    append_label(out, label.is_string() ? label.get<std::string>() : label.dump());
  }
  if (out.empty()) throw Error(Kind::kMalformed, "the list of labels is empty");
  return out;
}

std::unique_ptr<formats::ByteSource> manifest_text(std::unique_ptr<formats::ByteSource> records, std::string name) {
  return std::make_unique<ManifestText>(std::move(records), std::move(name));
}

}  // namespace clary::blazingtext
