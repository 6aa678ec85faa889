// SPDX-License-Identifier: Apache-2.0
// Everything belongs to the server's one account: the ACL that can be read is that, and the only one that can be set.
#include <algorithm>
#include <array>

#include "platform/services/s3/errors.h"
#include "platform/services/s3/operations.h"
#include "platform/services/s3/xml.h"

namespace clary::s3 {

Response get_acl(S3Request& in, Context& context) {
  if (!in.key.empty() && !context.store.head(in.bucket, in.key)) fail(Code::kNoSuchKey, {}, {{"Key", in.key}});
  Xml xml("AccessControlPolicy");
  add_owner(xml, "Owner", in);
  xml.open("AccessControlList").open("Grant");
  // The attributes are written as part of the element's name; the closing tag takes the first word only.
  add_owner(xml, "Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"", in);
  xml.element("Permission", "FULL_CONTROL");
  return xml_response(xml);
}

Response put_acl(S3Request& in, Context& context) {
  constexpr std::array<std::string_view, 3> kAccepted{"private", "bucket-owner-full-control", "bucket-owner-read"};
  const auto acl = in.header("x-amz-acl");
  // "bucket-owner-..." grants to the one account again.
  if (!acl || std::find(kAccepted.begin(), kAccepted.end(), *acl) == kAccepted.end())
    not_implemented("An ACL other than private");
  if (!in.key.empty() && !context.store.head(in.bucket, in.key)) fail(Code::kNoSuchKey, {}, {{"Key", in.key}});
  return {};
}

}  // namespace clary::s3
