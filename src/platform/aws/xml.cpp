// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/xml.h"

#include "base/text.h"

namespace clary::aws {

Xml::Xml(std::string_view root, Control control) : control_(control) {
  out_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  open(root);
}

// `name` may carry attributes; only its first word is closed.
Xml& Xml::open(std::string_view name) {
  out_.append("<").append(name).append(">");
  open_.emplace_back(name.substr(0, name.find(' ')));
  return *this;
}

Xml& Xml::close() {
  out_.append("</").append(open_.back()).append(">");
  open_.pop_back();
  return *this;
}

Xml& Xml::text(std::string_view text) {
  const bool utf8 = is_utf8(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out_ += "&amp;";
    } else if (c == '<') {
      out_ += "&lt;";
    } else if (c == '>') {
      out_ += "&gt;";
    } else if (c == '"') {
      out_ += "&quot;";
    } else if (c == '\t' || c == '\n' || c == '\r' || (byte < 0x20 && control_ == Control::kReference)) {
      // Whitespace as references: attribute and text normalisation would change it otherwise, and S3 keys may contain
      // it.
      out_.append("&#").append(std::to_string(byte)).append(";");
    } else if (byte < 0x20 || (byte >= 0x80 && !utf8)) {
      // Not representable in XML 1.0: replaced, so that the client's parser does not refuse the whole answer.
      out_ += '?';
    } else {
      out_ += c;
    }
  }
  return *this;
}

Xml& Xml::fragment(std::string_view xml) {
  out_.append(xml);
  return *this;
}

std::string Xml::finish() {
  while (!open_.empty()) close();
  return std::move(out_);
}

}  // namespace clary::aws
