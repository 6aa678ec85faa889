// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/service.h"

#include <memory>

#include "platform/services/s3/digests.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/routes.h"

namespace clary::s3 {

namespace {

using http::asio::awaitable;

/// What must be right before a body is asked for: a request that fails here never gets its "100 Continue".
void check_bucket(const S3Request& in, const Route& route, objects::ObjectStore& store) {
  if (in.bucket.empty()) return;
  if (const auto owner = in.header("x-amz-expected-bucket-owner"); owner && *owner != in.caller.account)
    fail(Code::kAccessDenied);
  if (route.blocking != create_bucket && !store.bucket(in.bucket))
    fail(Code::kNoSuchBucket, {}, {{"BucketName", in.bucket}});
  if (in.key.size() > objects::kMaxKeyBytes)
    fail(Code::kKeyTooLongError, {},
         {{"Size", std::to_string(in.key.size())}, {"MaxSizeAllowed", std::to_string(objects::kMaxKeyBytes)}});
}

/// Requests of methods that have no body run in one hop to a worker; the others are first checked, then read.
/// I/O threads never touch the disk: checks, handlers and commits run on the pool, and the coroutine waits for them.
awaitable<Response> run(S3Request& in, Context& context) {
  const Route& route = find_route(in);
  const auto check = [&] { check_bucket(in, route, context.store); };
  if (route.streaming != nullptr) {
    co_await http::offload(context.workers, check);
    co_return co_await route.streaming(in, context);
  }
  if (in.http.method != "PUT" && in.http.method != "POST")
    co_return co_await http::offload(context.workers, [&] {
      check();
      return route.blocking(in, context);
    });
  co_await http::offload(context.workers, check);
  in.body = co_await http::read_body(in.http.body, kMaxDocumentBytes);
  co_return co_await http::offload(context.workers, [&] {
    // Content-MD5 and checksum headers of documents, as for objects.
    if (!in.body.empty()) verify(in.body, document_digests(in));
    return route.blocking(in, context);
  });
}

/// The store's errors in S3's words; others pass through to the edge.
/// A function of its own because a coroutine cannot rethrow in the other catch blocks after an await.
[[noreturn]] void rethrow_as_s3(std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const aws::ServiceError&) {
    throw;
  } catch (const http::RequestError&) {
    throw;
  } catch (const objects::ObjectError& e) {
    throw service_error(e);
  } catch (const Error& e) {
    // kLimit is a full disk here: sizes were checked before.
    if (e.kind() != Kind::kLimit) throw;
    fail(Code::kInsufficientStorage,
         "The server's disk is full; nothing of this request was stored. Free space and try again.");
  }
}

struct Handler {
  std::shared_ptr<Context> context;
  S3Options options;

  awaitable<Response> operator()(http::Request& request, const aws::Caller& caller) const {
    std::exception_ptr error;
    try {
      S3Request in = parse_request(request, caller, options.host_suffixes);
      co_return co_await run(in, *context);
    } catch (...) {
      error = std::current_exception();
    }
    rethrow_as_s3(std::move(error));
  }
};

}  // namespace

aws::RawHandler s3_handler(objects::ObjectStore& store, http::asio::thread_pool& workers, S3Options options) {
  // Shared: every call of the handler, and every coroutine that it starts, keeps the context alive.
  auto handler =
      std::make_shared<Handler>(Handler{std::make_shared<Context>(Context{store, workers}), std::move(options)});
  return [handler](http::Request& request, const aws::Caller& caller) { return (*handler)(request, caller); };
}

}  // namespace clary::s3
