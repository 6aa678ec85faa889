// SPDX-License-Identifier: Apache-2.0
// Request documents and opaque tokens, with their errors in S3's words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/request.h"

namespace clary::s3 {

/// parse(in.body). @throws ServiceError{MalformedXML} saying what is wrong
template <class F>
auto parsed_body(F parse, const S3Request& in) {
  try {
    return parse(std::string_view(in.body));
  } catch (const aws::ServiceError&) {
    throw;
  } catch (const Error& e) {
    if (e.kind() != Kind::kMalformed) throw;
    fail(Code::kMalformedXML,
         "The XML you provided was not well-formed or did not validate against our published schema: " +
             std::string(e.what()));
  }
}

/// An opaque token that names a place in a listing.
inline std::string token_of(std::string_view place) { return to_base64("1:" + std::string(place)); }

/// The place that the parameter's token names; nothing when it is absent or empty.
/// @throws ServiceError{InvalidArgument} on a token that this server never gave
inline std::optional<std::string> token_text(const S3Request& in, std::string_view parameter) {
  const auto token = in.parameter(parameter);
  if (!token || token->empty()) return std::nullopt;
  auto text = from_base64(*token);
  if (!text || !text->starts_with("1:") || token_of(text->substr(2)) != *token)
    fail_argument(parameter, *token, "The continuation token provided is incorrect");
  return text->substr(2);
}

}  // namespace clary::s3
