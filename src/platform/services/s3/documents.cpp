// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/documents.h"

#include <charconv>
#include <pugixml.hpp>

#include "base/error.h"
#include "base/text.h"

namespace clary::s3 {

namespace {

using Node = pugi::xml_node;

constexpr std::size_t kMaxTags = 50;  // of a bucket; an object's limit is checked by its operation

// kMalformed becomes S3's MalformedXML (parsed_body).
[[noreturn]] void malformed(const std::string& why) { throw Error(Kind::kMalformed, why); }

// Clients differ in whether they use the namespace as default or with a prefix.
std::string_view local_name(const Node& node) {
  std::string_view name = node.name();
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

class Document {
 public:
  Document(std::string_view text, std::string_view root) {
    // pugixml does not expand entities and builds a flat tree: memory is a small multiple of the document, which is
    // bounded.
    if (text.size() > kMaxDocumentBytes)
      malformed("the document is larger than " + std::to_string(kMaxDocumentBytes) + " bytes");
    const auto result = document_.load_buffer(text.data(), text.size(),
                                              // Keys may consist of blanks alone: text nodes of white space are kept
                                              // where they are the only content.
                                              pugi::parse_default | pugi::parse_ws_pcdata_single | pugi::parse_doctype,
                                              pugi::encoding_utf8);
    if (!result)
      malformed("not well-formed XML at byte " + std::to_string(result.offset) + ": " + result.description());
    // S3 refuses every document type declaration, whatever it declares.
    for (const Node& node : document_.children())
      if (node.type() == pugi::node_doctype) malformed("a document type declaration is not allowed");
    root_ = document_.document_element();
    if (local_name(root_) != root) malformed("the document's element must be " + std::string(root));
  }
  const Node& root() const { return root_; }

 private:
  pugi::xml_document document_;
  Node root_;
};

// Text only: nested elements would otherwise be dropped silently.
std::string text_of(const Node& node) {
  for (const Node& child : node)
    if (child.type() == pugi::node_element) malformed("element " + std::string(node.name()) + " must hold text only");
  std::string text = node.text().get();
  if (!is_utf8(text)) malformed("element " + std::string(node.name()) + " is not UTF-8");
  return text;
}

int number_of(const Node& node, int low, int high) {
  const std::string text(trimmed(text_of(node)));
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
    malformed("element " + std::string(node.name()) + ": '" + text.substr(0, 40) + "' is not a number from " +
              std::to_string(low) + " to " + std::to_string(high));
  return value;
}

}  // namespace

std::string_view without_quotes(std::string_view etag) {
  etag = trimmed(etag);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

DeleteDocument parse_delete(std::string_view text) {
  const Document document(text, "Delete");
  DeleteDocument out;
  for (const Node& child : document.root().children()) {
    if (local_name(child) == "Quiet") out.quiet = trimmed(text_of(child)) == "true";
    if (local_name(child) != "Object") continue;
    // AWS limit, checked while reading: the list stays bounded.
    if (out.entries.size() == kMaxDeleteKeys) malformed("a Delete may name at most 1000 objects");
    DeleteDocument::Entry entry;
    for (const Node& field : child.children()) {
      if (local_name(field) == "Key") entry.key = text_of(field);
      if (local_name(field) == "VersionId") entry.version = text_of(field);
      if (local_name(field) == "ETag") entry.etag = std::string(without_quotes(text_of(field)));
    }
    if (entry.key.empty()) malformed("an Object of a Delete needs a Key");
    out.entries.push_back(std::move(entry));
  }
  if (out.entries.empty()) malformed("a Delete needs at least one Object");
  return out;
}

std::vector<objects::CompletedPart> parse_complete_multipart(std::string_view text) {
  const Document document(text, "CompleteMultipartUpload");
  std::vector<objects::CompletedPart> out;
  for (const Node& child : document.root().children()) {
    if (local_name(child) != "Part") continue;
    if (out.size() == objects::kMaxParts) malformed("a multipart upload has at most 10000 parts");
    objects::CompletedPart part;
    for (const Node& field : child.children()) {
      if (local_name(field) == "PartNumber") part.number = number_of(field, 1, objects::kMaxParts);
      if (local_name(field) == "ETag") part.etag = std::string(without_quotes(text_of(field)));
      if (local_name(field).starts_with("Checksum")) part.checksum = std::string(trimmed(text_of(field)));
    }
    if (part.number == 0 || part.etag.empty()) malformed("a Part needs PartNumber and ETag");
    out.push_back(std::move(part));
  }
  if (out.empty()) malformed("a CompleteMultipartUpload needs at least one Part");
  return out;
}

objects::Tags parse_tagging(std::string_view text) {
  const Document document(text, "Tagging");
  objects::Tags tags;
  for (const Node& set : document.root().children()) {
    if (local_name(set) != "TagSet") continue;
    for (const Node& tag : set.children()) {
      if (local_name(tag) != "Tag") continue;
      if (tags.size() == kMaxTags) malformed("a TagSet has at most 50 tags");
      std::pair<std::string, std::string> entry;
      for (const Node& field : tag.children()) {
        if (local_name(field) == "Key") entry.first = text_of(field);
        if (local_name(field) == "Value") entry.second = text_of(field);
      }
      tags.push_back(std::move(entry));
    }
  }
  return tags;
}

std::string parse_location_constraint(std::string_view text) {
  // An empty body means the default region.
  if (trimmed(text).empty()) return {};
  const Document document(text, "CreateBucketConfiguration");
  for (const Node& child : document.root().children())
    if (local_name(child) == "LocationConstraint") return std::string(trimmed(text_of(child)));
  return {};
}

void check_document(std::string_view text, std::string_view root) { const Document document(text, root); }

}  // namespace clary::s3
