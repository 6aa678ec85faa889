// SPDX-License-Identifier: Apache-2.0
// The records of an augmented manifest, and the JSON text of one label: only Error may escape, and what comes out are
// lines that begin with a label.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "algorithms/blazingtext/data/manifest_text.h"
#include "algorithms/blazingtext/data/ngrams.h"
#include "base/error.h"

namespace {

class Bytes : public clary::formats::ByteSource {
 public:
  explicit Bytes(std::string_view bytes) : rest_(bytes) {}
  std::size_t read(std::span<std::byte> out) override {
    const std::size_t n = std::min(out.size(), rest_.size());
    std::memcpy(out.data(), rest_.data(), n);
    rest_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view rest_;
};

void require(bool condition) {
  if (!condition) std::abort();
}

void read_label(std::string_view text) {
  const std::string labels = clary::blazingtext::labels_of(text);
  require(labels.starts_with(clary::blazingtext::kLabelPrefix));
  require(std::none_of(labels.begin(), labels.end(),
                       [](char c) { return c != ' ' && clary::blazingtext::is_separator(c); }));
}

void read_lines(std::string_view records) {
  const auto text = clary::blazingtext::manifest_text(std::make_unique<Bytes>(records), "train");
  std::string out;
  std::array<std::byte, 4096> block{};
  while (const std::size_t n = text->read(block)) out.append(reinterpret_cast<const char*>(block.data()), n);
  require(out.empty() || (out.starts_with(clary::blazingtext::kLabelPrefix) && out.back() == '\n'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto read : {read_label, read_lines}) try {
      read(bytes);
    } catch (const clary::Error&) {  // NOLINT: the expected answer
    }
  return 0;
}
