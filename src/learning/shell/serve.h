// SPDX-License-Identifier: Apache-2.0
// The serving side of the container contract: GET /ping, POST /invocations, GET /execution-parameters, and the model's
// own documents, on TCP or a Unix socket, many requests at once over one shared model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "learning/shell/algorithm.h"

namespace clary::shell {

struct ServeOptions {
  std::filesystem::path socket;  // empty: TCP
  std::string host = "0.0.0.0";
  std::uint16_t port = contract::kServingPort;
  int threads = 1;
  std::uint64_t max_request_bytes = contract::kMaxRequestBytes;
};

/// From CLARY_BIND_SOCKET, SAGEMAKER_BIND_TO_PORT, MAX_CONTENT_LENGTH (bytes), SAGEMAKER_MAX_PAYLOAD_IN_MB and the
/// threads of this machine.
ServeOptions serve_options_from_environment();

/// The answer to one POST /invocations, without HTTP around it. Batch transform (SAGEMAKER_BATCH) gets the same
/// answers: one line a row in CSV and JSON lines, one document a request in JSON.
/// @param content_type, accept  header values as sent; empty when absent
Answer answer_invocation(const ServedModel& model, const Descriptor& descriptor, std::string_view content_type,
                         std::string_view accept, std::string_view custom_attributes, std::string_view body);

/// Serves until SIGTERM.
void serve(const ServedModel& model, const Descriptor& descriptor, const ServeOptions& options);

}  // namespace clary::shell
