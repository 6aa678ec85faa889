// SPDX-License-Identifier: Apache-2.0
#include "platform/services/runtime/runtime_handler.h"

#include <algorithm>
#include <array>
#include <random>

#include "base/text.h"
#include "http/stream.h"
#include "platform/services/runtime/invocation.h"
#include "platform/serving/endpoints.h"

namespace clary::runtime {
namespace {

using aws::Code;
using aws::ServiceError;
using serving::EndpointRoute;
using serving::VariantRoute;
using Clock = std::chrono::steady_clock;

struct Address {
  std::string endpoint;
  std::string_view operation;  // "invocations", ...
};

/// "/endpoints/<name>/<operation>"
/// Views into the request; the endpoint's name is decoded and therefore owned.
Address address_of(const http::Request& request) {
  constexpr std::string_view kPrefix = "/endpoints/";
  std::string_view path = request.path();
  if (!path.starts_with(kPrefix)) return {};
  path.remove_prefix(kPrefix.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return {};
  return {percent_decoded(path.substr(0, slash)).value_or(""), path.substr(slash + 1)};
}

// A generator for each thread: no lock, and the choice among variants needs no strong randomness.
double uniform() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

ServiceError not_found(const std::string& endpoint, const aws::Caller& caller) {
  return ServiceError(Code::kValidationError, "Endpoint " + endpoint + " of account " + caller.account + " not found.");
}

/// What the API says of texts that go to the container (InvokeEndpoint, "URI Request Parameters").
struct TextLimit {
  std::string_view header, member;
  std::size_t most;
};
constexpr auto kTextLimits = std::to_array<TextLimit>({
    {"X-Amzn-SageMaker-Custom-Attributes", "customAttributes", 1024},
    {"X-Amzn-SageMaker-Inference-Id", "inferenceId", 64},
});

void check_texts(const http::Headers& headers) {
  for (const auto& [header, member, most] : kTextLimits) {
    const auto value = headers.get(header);
    if (!value) continue;
    const bool visible = std::all_of(value->begin(), value->end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (visible && value->size() <= most) continue;
    throw ServiceError(Code::kValidationError,
                       "1 validation error detected: Value of " + std::to_string(value->size()) + " bytes at '" +
                           std::string(member) + "' failed to satisfy constraint: " +
                           (visible ? "Member must have length less than or equal to " + std::to_string(most)
                                    : std::string("Member must consist of visible ASCII characters")));
  }
}

void refuse_unsupported(const http::Request& request, const std::string& endpoint) {
  if (request.headers.has("X-Amzn-SageMaker-Target-Model"))
    throw ServiceError(Code::kValidationError,
                       "TargetModel is given, but endpoint " + endpoint + " is not a multi-model endpoint.");
  if (const auto component = request.headers.get("X-Amzn-SageMaker-Inference-Component"))
    throw ServiceError(Code::kValidationError, "Inference component " + std::string(*component) + " not found.");
  if (const auto container = request.headers.get("X-Amzn-SageMaker-Target-Container-Hostname"))
    throw ServiceError(Code::kValidationError, "TargetContainerHostname " + std::string(*container) +
                                                   " is given, but endpoint " + endpoint + " has one container.");
}

const VariantRoute& choose(const EndpointRoute& route, const http::Request& request) {
  // TargetVariant wins over the weights, also over a weight of 0.
  if (const auto wanted = request.headers.get("X-Amzn-SageMaker-Target-Variant")) {
    if (const VariantRoute* variant = route.variant(*wanted)) return *variant;
    throw ServiceError(Code::kValidationError,
                       "Variant " + std::string(*wanted) + " is not present in endpoint " + route.name + ".");
  }
  if (route.variants.size() == 1 && route.total_weight > 0) return route.variants[0];
  if (const VariantRoute* variant = route.draw(uniform())) return *variant;
  throw ServiceError(Code::kValidationError,
                     "All variants of endpoint " + route.name + " have weight 0; name one with TargetVariant.");
}

/// One invocation of a variant that has been entered.
/// Lives in the frame of invoke(), which holds the route. Runs on an I/O thread; of the serving processes it uses
/// their Backends only (backend.h).
class Invocation {
 public:
  Invocation(const EndpointRoute& route, const VariantRoute& variant, http::ClientRequest request,
             Clock::time_point begin)
      : route_(route), variant_(variant), request_(std::move(request)), begin_(begin), visit_(variant.replicas) {}

  asio::awaitable<http::Response> run() {
    http::ClientResponse answer = co_await send();
    if (answer.status < 200 || answer.status > 299) co_await fail(answer);
    co_return co_await pass(std::move(answer));
  }

 private:
  enum class Outcome {
    kAnswered,
    kTimedOut,
    kRefused,  // nothing listens there: the request was not delivered
    kStale,    // a kept connection ended: over the request, or because the process closed it as idle just then
    kLost,     // a new connection ended: the process ended over the request
  };

  asio::awaitable<http::ClientResponse> send() {
    // Ends by an answer, by failed(), or when kNoReplicaLimit has passed; `processes` bounds how many processes one
    // request may take down with it.
    for (int processes = 0;;) {
      const std::shared_ptr<http::Client> client = co_await ready_client();
      // asked_ separates the model's latency (from here) from the overhead (before).
      asked_ = Clock::now();
      http::ClientResponse answer;
      const Outcome outcome = co_await ask(*client, answer);
      if (outcome == Outcome::kAnswered) co_return answer;
      if (outcome == Outcome::kTimedOut)
        failed(0,
               "Your invocation timed out while waiting for a response from container " + variant_.container +
                   ". Review the latency metrics for each container in Amazon CloudWatch, resolve the issue, and try "
                   "again.");
      // No byte of an answer came, so another process may have the request. Each that may have ended over it counts
      // once, however many connections to it were lost (one that is being killed still accepts some): a request that
      // ends its process must not end them all. After a loss no connection is reused, so that the next loss is certain
      // to be the process's.
      if (outcome != Outcome::kRefused) {
        // A process that was started again has a new client: comparing clients compares processes.
        if (client != last_) ++processes;
        last_ = client;
        request_.new_connection = true;
      }
      // A stale connection says nothing about the process, which may be asked again at once.
      if (outcome != Outcome::kStale) {
        lost_ = client;
        lost_until_ = Clock::now() + kRestartPatience;
      }
      if ((processes == kMostProcesses && outcome != Outcome::kStale) || Clock::now() - begin_ > kNoReplicaLimit)
        failed(0, "The model process ended or refused the connection before it answered.");
    }
  }

  asio::awaitable<std::shared_ptr<http::Client>> ready_client() {
    const auto limit = Clock::now() + kNoReplicaLimit;
    // Polling: becoming ready happens on the serving loop, which knows no waiting requests. 5 ms are small beside a
    // start.
    for (;;) {
      if (const auto replica = visit_.next_replica()) {
        auto client = replica->client();
        // The process that failed may be gone before its Replica has noticed: the next one gets time to take its place.
        if (client && (client != lost_ || Clock::now() > lost_until_)) co_return client;
      }
      if (Clock::now() > limit) failed(503, "No process of the model is ready.");
      asio::steady_timer pause(co_await asio::this_coro::executor, std::chrono::milliseconds(5));
      co_await pause.async_wait(asio::use_awaitable);
    }
  }

  asio::awaitable<Outcome> ask(http::Client& client, http::ClientResponse& answer) {
    try {
      // The limit is on the whole invocation; a repeated attempt gets what is left of it, at least a millisecond.
      const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin_);
      answer = co_await client.send(request_, std::max(kAnswerLimit - spent, std::chrono::milliseconds(1)));
      co_return Outcome::kAnswered;
    } catch (const http::TimedOut&) {
      co_return Outcome::kTimedOut;
    } catch (const http::StaleConnection&) {
      co_return Outcome::kStale;
    } catch (const Error& e) {
      // kUnavailable: connecting failed, hence nothing was delivered.
      co_return e.kind() == Kind::kUnavailable ? Outcome::kRefused : Outcome::kLost;
    }
  }

  /// Errors of the model: the body becomes the message.
  /// At most kOriginalMessageBytes are read; the rest of a long error page is dropped with its connection.
  asio::awaitable<void> fail(http::ClientResponse& answer) {
    std::string text;
    try {
      char buffer[4096];
      while (text.size() < kOriginalMessageBytes) {
        const std::size_t n = co_await answer.body->read_some(std::as_writable_bytes(std::span(buffer)));
        if (n == 0) break;
        text.append(buffer, n);
      }
    } catch (const Error&) {
      // What has come of it is message enough.
    }
    failed(answer.status, text);
  }

  asio::awaitable<http::Response> pass(http::ClientResponse answer) {
    http::Response response;
    if (const auto type = answer.headers.get("Content-Type")) response.headers.add("Content-Type", *type);
    response.headers.add("x-Amzn-Invoked-Production-Variant", variant_.name);
    for (const std::string_view name : {"X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-New-Session-Id",
                                        "X-Amzn-SageMaker-Closed-Session-Id"})
      if (const auto value = answer.headers.get(name)) response.headers.add(name, *value);
    const auto size = answer.body->size();
    // A small answer is read before its head is sent, so that a process that dies in the middle gives an error and not
    // a cut answer. A large one streams, and its Visit (which keeps the process from being stopped) moves into the
    // body.
    if (size && *size <= kWholeAnswerBytes) {
      bool whole = true;
      std::string text;
      try {
        text = co_await http::read_body(*answer.body, kWholeAnswerBytes);
      } catch (const Error&) {
        // failed() throws after the handler, where no await follows.
        whole = false;
      }
      if (!whole) failed(answer.status, "The model process ended and could not load the entire response body.");
      record(200);
      response.body = std::move(text);
    } else {
      // Recorded when the head goes out: the length of the transfer depends on the caller, not on the model.
      record(200);
      response.body = std::make_unique<AnswerBody>(std::move(answer.body), std::move(visit_));
    }
    co_return response;
  }

  // record() must come first: the exception leaves the invocation.
  [[noreturn]] void failed(int status, std::string_view message) {
    record(status == 0 ? 500 : status);
    throw model_error(route_, variant_, status, message);
  }

  void record(int status) {
    const auto now = Clock::now();
    const auto microseconds = [](Clock::duration d) {
      return static_cast<std::uint64_t>(
          std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(d).count()));
    };
    const auto model = asked_ == Clock::time_point{} ? Clock::duration{} : now - asked_;
    variant_.metrics->record(status, microseconds(model), microseconds(now - begin_ - model));
  }

  const EndpointRoute& route_;
  const VariantRoute& variant_;
  http::ClientRequest request_;
  const Clock::time_point begin_;
  serving::Visit visit_;
  Clock::time_point asked_{}, lost_until_{};
  std::shared_ptr<http::Client> last_, lost_;  // a new process has a new client
};

asio::awaitable<http::Response> invoke(serving::Endpoints& endpoints, const http::Request& request, std::string body,
                                       const aws::Caller& caller, const std::string& endpoint) {
  const auto begin = Clock::now();
  check_texts(request.headers);
  refuse_unsupported(request, endpoint);
  // Bounded: enter() fails only while a route is being replaced, and the table has the new one by then.
  for (;;) {
    const std::shared_ptr<const EndpointRoute> route = endpoints.route(endpoint);
    // Looked at before the route: while the server stops the sets are closed, but still in the table.
    if (endpoints.stopping()) throw ServiceError(Code::kServiceUnavailable);
    if (!route) throw not_found(endpoint, caller);
    const VariantRoute& variant = choose(*route, request);
    if (!variant.replicas->enter()) continue;  // replaced just now: the next look finds the new fleet
    Invocation invocation(*route, variant, container_request(request, std::move(body)), begin);
    co_return co_await invocation.run();
  }
}

asio::awaitable<http::Response> handle(serving::Endpoints& endpoints, const http::Request& request, std::string body,
                                       const aws::Caller& caller) {
  const Address address = address_of(request);
  if (request.method != "POST" || address.endpoint.empty()) co_return http::text_response(404, "Not Found");
  if (address.operation == "invocations")
    co_return co_await invoke(endpoints, request, std::move(body), caller, address.endpoint);
  if (address.operation == "async-invocations")
    throw ServiceError(
        Code::kNotImplementedException,
        "Operation InvokeEndpointAsync is part of the Amazon SageMaker Runtime API but is not implemented "
        "by this server.");
  if (address.operation == "invocations-response-stream")
    throw ServiceError(Code::kNotImplementedException,
                       "Operation InvokeEndpointWithResponseStream is part of the Amazon SageMaker Runtime API but is "
                       "not implemented by this server. Use InvokeEndpoint: its answer streams, too.");
  co_return http::text_response(404, "Not Found");
}

}  // namespace

aws::WholeBodyHandler runtime_handler(serving::Endpoints& endpoints) {
  return [&endpoints](const http::Request& request, std::string body, const aws::Caller& caller) {
    return handle(endpoints, request, std::move(body), caller);
  };
}

}  // namespace clary::runtime
