// SPDX-License-Identifier: Apache-2.0
// One invocation on its way through a variant: which headers pass, how an answer is streamed, the texts of failures.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/client.h"
#include "platform/aws/caller.h"
#include "platform/aws/service_error.h"
#include "platform/serving/routing.h"

namespace clary::runtime {

namespace asio = http::asio;

inline constexpr std::chrono::milliseconds kAnswerLimit{60'000};  // AWS: a container answers within 60 s
// The next four are this server's own; AWS publishes none.
inline constexpr std::chrono::milliseconds kNoReplicaLimit{30'000};  // waiting for a process that is starting
inline constexpr std::chrono::milliseconds kRestartPatience{2'000};  // before asking a process again that hung up
inline constexpr int kMostProcesses = 2;                             // processes that may end over one request
inline constexpr std::uint64_t kWholeAnswerBytes = 64 << 10;         // larger answers are streamed
inline constexpr std::size_t kOriginalMessageBytes = 1024;

/// "Received client error (415) from primary with message ..." with the members that boto3 shows.
/// @param status  what the container answered; 0: nothing
aws::ServiceError model_error(const serving::EndpointRoute& route, const serving::VariantRoute& variant, int status,
                              std::string_view message);

/// The request as the container gets it.
http::ClientRequest container_request(const http::Request& request, std::string body);

/// A streamed answer; the visit lasts until its last byte has gone.
class AnswerBody final : public http::BodySource {
 public:
  AnswerBody(std::unique_ptr<http::BodySource> inner, serving::Visit visit)
      : inner_(std::move(inner)), visit_(std::move(visit)) {}
  asio::awaitable<std::size_t> read_some(std::span<std::byte> into) override { return inner_->read_some(into); }
  std::optional<std::uint64_t> size() const override { return inner_->size(); }

 private:
  std::unique_ptr<http::BodySource> inner_;
  serving::Visit visit_;
};

}  // namespace clary::runtime
