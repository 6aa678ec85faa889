// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "base/text.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

constexpr int kMaxLines = 1000;

std::set<std::string, std::less<>> wanted_attributes(const S3Request& in) {
  std::set<std::string, std::less<>> wanted;
  for (const auto field : in.http.headers.all("x-amz-object-attributes"))
    for (const auto part : split(field, ','))
      if (const auto name = trimmed(part); !name.empty()) wanted.emplace(name);
  if (wanted.empty())
    fail_argument("x-amz-object-attributes", "", "The x-amz-object-attributes header must name an attribute");
  return wanted;
}

// S3 lists parts only for objects with checksums; otherwise only their number.
void add_parts(Xml& xml, const S3Request& in, const objects::ObjectInfo& object) {
  const auto count = static_cast<int>(object.parts.size());
  xml.open("ObjectParts").element("PartsCount", count);
  if (!object.checksum.empty()) {
    int limit = kMaxLines, marker = 0;
    const auto read = [&](const char* name, int& value) {
      const auto text = in.header(name);
      if (!text) return;
      // 6 digits: no overflow in stoi().
      if (text->empty() || text->size() > 6 || text->find_first_not_of("0123456789") != std::string_view::npos)
        fail_argument(name, *text, "Argument " + std::string(name) + " must be an integer between 0 and 999999");
      value = std::stoi(std::string(*text));
    };
    read("x-amz-max-parts", limit);
    read("x-amz-part-number-marker", marker);
    const int end = std::min(count, marker + std::min(limit, kMaxLines));
    xml.element("PartNumberMarker", marker).element("MaxParts", limit).flag("IsTruncated", end < count);
    if (end < count) xml.element("NextPartNumberMarker", end);
    for (int i = marker; i < end; ++i) {
      // Parts are numbered in the order of completion, without the gaps of the upload.
      const Json& part = object.parts.at(static_cast<std::size_t>(i));
      xml.open("Part").element("PartNumber", i + 1).element("Size", part.at("Size").get<std::int64_t>());
      xml.element("Checksum" + object.checksum_algorithm, part.at("Checksum").get<std::string>()).close();
    }
  }
  xml.close();
}

}  // namespace

Response get_object_attributes(S3Request& in, Context& context) {
  check_version(in.parameter("versionId").value_or(""));
  const auto wanted = wanted_attributes(in);
  const auto object = context.store.head(in.bucket, in.key);
  if (!object) fail(Code::kNoSuchKey, {}, {{"Key", in.key}});
  Xml xml("GetObjectAttributesResponse");
  if (wanted.contains("ETag")) xml.element("ETag", object->etag);
  if (wanted.contains("Checksum") && !object->checksum.empty())
    xml.open("Checksum")
        .element("Checksum" + object->checksum_algorithm, object->checksum)
        .element("ChecksumType", object->checksum_type)
        .close();
  if (wanted.contains("ObjectParts") && object->parts.is_array()) add_parts(xml, in, *object);
  if (wanted.contains("StorageClass")) xml.element("StorageClass", object->storage_class);
  if (wanted.contains("ObjectSize")) xml.element("ObjectSize", static_cast<std::int64_t>(object->size));
  Response out = xml_response(xml);
  out.headers.set("Last-Modified", http_date(object->last_modified));
  return out;
}

}  // namespace clary::s3
