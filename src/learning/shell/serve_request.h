// SPDX-License-Identifier: Apache-2.0
// What a model may know of the request beside its rows: the parameters that rode on Accept and Content-Type
// ("application/json; verbose=true; k=5"); what a GET of an extra page answers; and the whole request, for models that
// answer it themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/content_type.h"

namespace clary::shell {

struct ServeRequest {
  formats::ContentType content_type;
  formats::ContentType accept;
  std::string_view custom_attributes;  // X-Amzn-SageMaker-Custom-Attributes

  /// Accept's parameter, else Content-Type's. Names compare without case.
  std::optional<std::string_view> parameter(std::string_view name) const;
  /// `name=true`, `name=True`, `name=1` or a bare `name`.
  bool flag(std::string_view name) const;
  /// @throws Error{kInvalid} unless an integer of [low, high]
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high) const;
};

/// One POST /invocations as it came; header values are empty when absent.
struct Invocation {
  std::string_view content_type, accept, custom_attributes, body;
};

struct Answer {
  int status = 200;
  std::string content_type;
  std::string body;
};

/// A ready answer: what `model.document("topics")` gives.
struct Document {
  std::string content_type = "application/json";
  std::string body;
};

}  // namespace clary::shell
