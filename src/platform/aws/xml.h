// SPDX-License-Identifier: Apache-2.0
// The XML writer of all services: S3's documents, the query protocol's answers, errors. Our own and not pugixml's,
// because pugixml builds a tree first and writes a carriage return as it is, which every parser then reads as a line
// feed: an object key with one in it would come back changed. (Reading is pugixml's: services/s3/documents.h.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clary::aws {

/// Appends to one text; the elements come in the order of the calls.
class Xml {
 public:
  /// What becomes of control characters that XML 1.0 cannot express, not even as references. Tab, line feed and
  /// carriage return are references in either case, bytes that are not UTF-8 are "?".
  enum class Control {
    kReplace,    // "?": the document can be read in any case. For messages.
    kReference,  // "&#1;", as S3 does: most parsers refuse it, none takes another text for the right one. For keys.
  };

  /// A fragment: no declaration, no root.
  explicit Xml(Control control = Control::kReplace) : control_(control) {}
  /// A document with its root element opened. @param root  as open() takes it
  explicit Xml(std::string_view root, Control control = Control::kReplace);

  /// @param name  may be followed by attributes, already escaped: "Grantee xsi:type=\"CanonicalUser\""
  Xml& open(std::string_view name);
  Xml& close();
  /// Character data of the open element.
  Xml& text(std::string_view text);
  /// What another Xml has written.
  Xml& fragment(std::string_view xml);
  Xml& element(std::string_view name, std::string_view text) { return open(name).text(text).close(); }
  Xml& element(std::string_view name, std::int64_t value) { return element(name, std::to_string(value)); }
  Xml& flag(std::string_view name, bool value) { return element(name, value ? "true" : "false"); }
  /// Closes what is open; the object is empty afterwards.
  std::string finish();

 private:
  Control control_;
  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace clary::aws
