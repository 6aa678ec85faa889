// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/xml.h"

#include "base/time.h"

namespace clary::s3 {

namespace {

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "&#";
          out += std::to_string(static_cast<int>(c));
          out += ';';
        } else {
          out += c;
        }
    }
  }
}

}  // namespace

Xml::Xml(std::string_view root) {
  text_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<";
  text_ += root;
  text_ += " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  open_.emplace_back(root);
}

Xml& Xml::open(std::string_view name) {
  text_ += '<';
  text_ += name;
  text_ += '>';
  open_.emplace_back(name.substr(0, name.find(' ')));
  return *this;
}

Xml& Xml::close() {
  text_ += "</";
  text_ += open_.back();
  text_ += '>';
  open_.pop_back();
  return *this;
}

Xml& Xml::element(std::string_view name, std::string_view text) {
  open(name);
  append_escaped(text_, text);
  return close();
}

std::string Xml::finish() {
  while (!open_.empty()) close();
  return std::move(text_);
}

http::Response xml_response(Xml& xml) {
  http::Response out;
  out.headers.set("Content-Type", "application/xml");
  out.body = xml.finish();
  return out;
}

std::string xml_time(std::int64_t epoch_ms) { return iso8601_ms(epoch_ms / 1000 * 1000); }

}  // namespace clary::s3
