// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/bodies.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

namespace {

/// What became of one entry: nothing on success.
std::optional<Code> removal_problem(const DeleteDocument::Entry& entry, const S3Request& in, Context& context) {
  if (entry.key.size() > objects::kMaxKeyBytes) return Code::kKeyTooLongError;
  if (!entry.version.empty() && entry.version != "null") return Code::kNoSuchVersion;
  // Entries without a condition are collected and removed together: one fsync for up to 1,000 keys.
  if (!entry.etag) return std::nullopt;
  try {
    // One transaction each: the condition must hold at the moment of removal.
    context.store.remove(in.bucket, entry.key, entry.etag);
  } catch (const objects::ObjectError& e) {
    return code_of(e.problem());
  }
  return std::nullopt;
}

}  // namespace

Response delete_object(S3Request& in, Context& context) {
  check_version(in.parameter("versionId").value_or(""));
  std::optional<std::string> if_match;
  if (const auto match = in.header("If-Match")) if_match = std::string(without_quotes(*match));
  context.store.remove(in.bucket, in.key, if_match);
  Response out;
  out.status = 204;
  return out;
}

Response delete_objects(S3Request& in, Context& context) {
  const DeleteDocument document = parsed_body(parse_delete, in);
  std::vector<std::optional<Code>> problems;
  std::vector<std::string> plain;  // removed in one transaction
  // In the order of the document, as the answer lists them.
  for (const auto& entry : document.entries) {
    problems.push_back(removal_problem(entry, in, context));
    if (!problems.back() && !entry.etag) plain.push_back(entry.key);
  }
  // Missing keys are no error: S3 reports them as deleted.
  context.store.remove(in.bucket, plain);
  Xml xml("DeleteResult");
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const auto& entry = document.entries[i];
    if (problems[i]) {
      const auto& row = aws::row(*problems[i]);
      xml.open("Error").element("Key", entry.key);
      if (!entry.version.empty()) xml.element("VersionId", entry.version);
      xml.element("Code", row.name).element("Message", row.text).close();
    } else if (!document.quiet) {
      xml.open("Deleted").element("Key", entry.key);
      if (!entry.version.empty()) xml.element("VersionId", entry.version);
      xml.close();
    }
  }
  return xml_response(xml);
}

}  // namespace clary::s3
