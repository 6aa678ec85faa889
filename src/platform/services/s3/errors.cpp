// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/errors.h"

#include <array>

namespace clary::s3 {

namespace {

using objects::Problem;

struct Row {
  Problem problem;
  Code code;
  bool own_text;  // the store's message says more than the code's
};

constexpr auto kRows = std::to_array<Row>({
    {Problem::kNoSuchBucket, Code::kNoSuchBucket, false},
    {Problem::kNoSuchKey, Code::kNoSuchKey, false},
    {Problem::kNoSuchUpload, Code::kNoSuchUpload, false},
    {Problem::kInvalidBucketName, Code::kInvalidBucketName, true},
    {Problem::kInvalidKey, Code::kInvalidURI, true},
    {Problem::kKeyTooLong, Code::kKeyTooLongError, true},
    {Problem::kBucketExists, Code::kBucketAlreadyOwnedByYou, false},
    {Problem::kBucketNotEmpty, Code::kBucketNotEmpty, false},
    {Problem::kPreconditionFailed, Code::kPreconditionFailed, false},
    {Problem::kInvalidPart, Code::kInvalidPart, true},
    {Problem::kInvalidPartOrder, Code::kInvalidPartOrder, true},
    {Problem::kPartTooSmall, Code::kEntityTooSmall, true},
    {Problem::kBadChecksum, Code::kBadDigest, true},
    {Problem::kBadSize, Code::kInvalidRequest, true},
});

constexpr bool rows_are_in_enum_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (static_cast<std::size_t>(kRows[i].problem) != i) return false;
  return true;
}
static_assert(rows_are_in_enum_order(), "kRows: one row per Problem, in enum order");

}  // namespace

void fail(Code code, const std::string& message, Json extra) {
  throw aws::ServiceError(code, message.empty() ? std::string(aws::row(code).text) : message, std::move(extra));
}

void fail_argument(std::string_view name, std::string_view value, const std::string& message) {
  fail(Code::kInvalidArgument, message,
       {{"ArgumentName", std::string(name)}, {"ArgumentValue", std::string(value.substr(0, 200))}});
}

void not_implemented(std::string_view what) {
  fail(Code::kNotImplemented, std::string(what) + " is not implemented by this server.");
}

Code code_of(Problem problem) { return kRows[static_cast<std::size_t>(problem)].code; }

aws::ServiceError service_error(const objects::ObjectError& error) {
  const Row& row = kRows[static_cast<std::size_t>(error.problem())];
  Json extra = Json::object();
  if (!error.key().empty()) extra["Key"] = error.key();
  if (!error.bucket().empty()) extra["BucketName"] = error.bucket();
  return {row.code, row.own_text ? std::string(error.what()) : std::string(aws::row(row.code).text), std::move(extra)};
}

}  // namespace clary::s3
