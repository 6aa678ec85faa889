// SPDX-License-Identifier: Apache-2.0
// Server and client together over real sockets.
#include <gtest/gtest.h>

#include <thread>

#include "base/files.h"
#include "http/client.h"
#include "http/server.h"

namespace clary::http {
namespace {

using namespace std::chrono_literals;

/// A server on a thread of its own; stopped and joined at the end.
class RunningServer {
 public:
  explicit RunningServer(Handler handler, ServerOptions options = {})
      : server_(fill(std::move(options)), std::move(handler)) {
    server_.listen_tcp("127.0.0.1", 0);
    thread_ = std::thread([this] { server_.run(); });
  }
  ~RunningServer() {
    server_.stop();
    thread_.join();
  }
  std::uint16_t port() const { return server_.port(); }
  Server& server() { return server_; }

 private:
  static ServerOptions fill(ServerOptions options) {
    if (options.io_threads == 0) options.io_threads = 2;
    if (options.worker_threads == 0) options.worker_threads = 2;
    return options;
  }
  Server server_;
  std::thread thread_;
};

/// Runs a coroutine to its end on this thread.
template <class F>
void run(F f) {
  asio::io_context context;
  std::exception_ptr failure;
  asio::co_spawn(context, f(), [&](std::exception_ptr e) { failure = e; });
  context.run();
  if (failure) std::rethrow_exception(failure);
}

asio::awaitable<Response> echo(Request& request) {
  std::string body = co_await read_body(request.body, 100 << 20);
  Response response = text_response(200, std::move(body));
  response.headers.add("X-Method", request.method);
  response.headers.add("X-Target", request.target);
  co_return response;
}

TEST(HttpServer, EchoesBodiesOfManySizesOnOneConnection) {
  RunningServer server(echo);
  Client client = Client::to_tcp("127.0.0.1", server.port());
  run([&]() -> asio::awaitable<void> {
    for (const std::size_t size : {0UL, 1UL, 1000UL, 65536UL, 65537UL, 5000000UL}) {
      ClientRequest request;
      request.method = "POST";
      request.target = "/a?b=c";
      request.body = std::string(size, 'x');
      ClientResponse response = co_await client.send(std::move(request), 10s);
      EXPECT_EQ(response.status, 200);
      EXPECT_EQ(response.headers.get("x-target"), "/a?b=c");
      const std::string body = co_await read_body(*response.body, 100 << 20);
      EXPECT_EQ(body.size(), size);
    }
  });
}

}  // namespace
}  // namespace clary::http
