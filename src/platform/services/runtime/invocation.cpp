// SPDX-License-Identifier: Apache-2.0
#include "platform/services/runtime/invocation.h"

#include <array>

namespace clary::runtime {
namespace {

// The only headers of a caller that a container sees (AWS: "Use Your Own Inference Code with Hosting Services").
constexpr std::array<std::string_view, 4> kForwarded{"Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes",
                                                     "X-Amzn-SageMaker-Inference-Id"};

}  // namespace

// AWS's ModelError: scripts read OriginalStatusCode, people the sentence.
aws::ServiceError model_error(const serving::EndpointRoute& route, const serving::VariantRoute& variant, int status,
                              std::string_view message) {
  // A cut may fall inside a character; the encoder of the answer replaces what is not UTF-8.
  const std::string text(message.substr(0, kOriginalMessageBytes));
  const std::string group = "/aws/sagemaker/Endpoints/" + route.name;
  const std::string kind = status >= 400 && status < 500 ? "client" : "server";
  return aws::ServiceError(
      aws::Code::kModelError,
      "Received " + kind + " error (" + std::to_string(status) + ") from " + variant.container + " with message \"" +
          text + "\". See the log group " + group + " in account " + route.account + " for more information.",
      {{"OriginalStatusCode", status},
       {"OriginalMessage", text},
       {"LogStreamArn", "arn:" + std::string(aws::partition_of(route.region)) + ":logs:" + route.region + ":" +
                            route.account + ":log-group:" + group}});
}

http::ClientRequest container_request(const http::Request& request, std::string body) {
  http::ClientRequest out;
  out.method = "POST";
  out.target = "/invocations";
  // Everything else of the caller's headers, the signature above all, stays on this side.
  for (const std::string_view name : kForwarded)
    if (const auto value = request.headers.get(name)) out.headers.add(name, *value);
  out.body = std::move(body);
  return out;
}

}  // namespace clary::runtime
