// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/manifest_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "algorithms/blazingtext/data/ngrams.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "formats/recordio_stream.h"

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
      : records_(std::move(records), name, kMaxSampleBytes), name_(std::move(name)) {}

  std::size_t read(std::span<std::byte> bytes) override {
    if (at_ == lines_.size()) make_lines();
    const std::size_t n = std::min(bytes.size(), lines_.size() - at_);
    std::memcpy(bytes.data(), lines_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  void make_lines() {
    lines_.clear(), at_ = 0;
    std::string text, label;
    while (lines_.size() < kWantedBytes && records_.next(text)) {
      if (!records_.next(label)) fail("has a text, but no label; AttributeNames must be the text and the label");
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
    std::replace(text.begin(), text.end(), '\n', ' ');
    lines_.append(labels).append(" ").append(text).append("\n");
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(Kind::kMalformed, fmt::format("{}: sample {} {}", name_, sample_, problem));
  }

  formats::RecordIoStream records_;
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
