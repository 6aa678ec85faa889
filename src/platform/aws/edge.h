// SPDX-License-Identifier: Apache-2.0
// Every request enters here: finds out which AWS service it means, checks its signature, decodes its body, validates it
// against the service model, calls the service, and writes its answer or its error in the service's wire form.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/message.h"
#include "platform/aws/credentials.h"
#include "platform/aws/handlers.h"
#include "platform/aws/service_error.h"
#include "platform/aws/services.h"

namespace clary::aws {

struct EdgeOptions {
  std::string account = "123456789012";
  std::string default_region = "us-east-1";
  bool dev = false;                      // any signature is good (loopback only: the server sees to that)
  std::vector<std::string> s3_suffixes;  // own domains for virtual-host buckets, beside amazonaws.com
  std::uint64_t max_json_bytes = 8ULL << 20;
  std::uint64_t max_runtime_bytes = 6291456;                 // AWS limit of InvokeEndpoint's body
  std::function<EpochMs()> clock = [] { return now_ms(); };  // tests move it
};

class Edge {
 public:
  using Options = EdgeOptions;

  Edge(Credentials& credentials, Options options, http::asio::thread_pool& workers);
  ~Edge();

  /// Call all of these before handler().
  void add(JsonService service);
  void add(QueryService service);
  void set_s3(RawHandler handler);
  void set_runtime(WholeBodyHandler handler);
  /// Paths that begin with `prefix` ("/_clary/") go to that handler without a signature; everything else needs one.
  void add_open(std::string prefix, http::Handler handler);

  http::Handler handler();

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

/// The bucket that a Host of virtual-host form names ("b" of b.s3.us-east-1.amazonaws.com), or nothing.
/// @param suffixes  further domains below which labels are buckets
std::optional<std::string> bucket_of_host(std::string_view host, const std::vector<std::string>& suffixes = {});

}  // namespace clary::aws
