// SPDX-License-Identifier: Apache-2.0
// Server and client together over real sockets.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/files.h"
#include "http/client.h"
#include "http/server.h"
#include "http/stream.h"

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

ServerOptions small() {
  ServerOptions options;
  options.io_threads = 1;
  options.worker_threads = 2;
  return options;
}

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

std::string get(std::uint16_t port, const std::string& raw) {
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  asio::write(socket, asio::buffer(raw));
  std::string out(1 << 20, '\0');
  std::size_t filled = 0;
  error_code ec;
  while (!ec) filled += socket.read_some(asio::buffer(out.data() + filled, out.size() - filled), ec);
  out.resize(filled);
  return out;
}

/// Yields `total` bytes in pieces, without announcing how many.
class Endless final : public BodySource {
 public:
  explicit Endless(std::uint64_t total) : left_(total) {}
  asio::awaitable<std::size_t> read_some(std::span<std::byte> into) override {
    const std::size_t n = std::min<std::uint64_t>({into.size(), left_, 9973});
    std::fill_n(into.begin(), n, std::byte{'z'});
    left_ -= n;
    co_return n;
  }

 private:
  std::uint64_t left_;
};

TEST(HttpServer, StreamsBodiesOfUnknownLength) {
  RunningServer server([](Request& request) -> asio::awaitable<Response> {
    const std::uint64_t size = std::stoull(request.target.substr(1));
    Response response;
    response.body = std::make_unique<Endless>(size);
    co_return response;
  });
  Client client = Client::to_tcp("127.0.0.1", server.port());
  run([&]() -> asio::awaitable<void> {
    for (const std::size_t size : {0UL, 1UL, 30'000'000UL}) {
      ClientRequest request;
      request.method = "PUT";
      request.target = "/" + std::to_string(size);
      const ClientResponse response = co_await client.send(request, 20s);
      const std::string body = co_await read_body(*response.body, 1ULL << 30);
      EXPECT_EQ(body.size(), size);
    }
  });
}

/// What a client reads that sends CONNECT and, without waiting, a request behind it.
std::string through_tunnel(std::uint16_t proxy, const std::string& host, const std::string& request) {
  return get(proxy, "CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n" + request);
}

TEST(HttpServer, PassesOnTunnelsToHostsThatThePolicyTakes) {
  RunningServer target(echo);
  ServerOptions options = small();
  options.passes_on = [](std::string_view host, std::uint16_t) { return host != "refused.example"; };
  RunningServer proxy(echo, options);
  const std::string host = "127.0.0.1:" + std::to_string(target.port());
  const std::string body(300'000, 'x');
  const std::string answer = through_tunnel(
      proxy.port(), host,
      "POST /inside HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\n\r\n" + body);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 Connection Established\r\n\r\nHTTP/1.1 200"));
  EXPECT_NE(answer.find("X-Target: /inside"), std::string::npos);
  EXPECT_TRUE(answer.ends_with(body));
  EXPECT_TRUE(through_tunnel(proxy.port(), "refused.example:443", "").starts_with("HTTP/1.1 403"));
  // Port 1 of this machine: nobody listens.
  const std::string absent = through_tunnel(proxy.port(), "127.0.0.1:1", "");
  EXPECT_TRUE(absent.starts_with("HTTP/1.1 502"));
  EXPECT_NE(absent.find("127.0.0.1:1: Connection refused"), std::string::npos);
  EXPECT_TRUE(through_tunnel(proxy.port(), "127.0.0.1:65536", "").starts_with("HTTP/1.1 403"));
}

TEST(HttpServer, StopEndsTunnelsThatArePassedOn) {
  RunningServer target(echo);
  ServerOptions options = small();
  options.passes_on = [](std::string_view, std::uint16_t) { return true; };
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  {
    RunningServer proxy(echo, options);
    socket.connect({asio::ip::make_address("127.0.0.1"), proxy.port()});
    asio::write(socket,
                asio::buffer("CONNECT 127.0.0.1:" + std::to_string(target.port()) + " HTTP/1.1\r\nHost: h\r\n\r\n"));
    char established[64];
    EXPECT_GT(socket.read_some(asio::buffer(established)), 0U);
  }  // joins: with stop_grace of 30 s this would take as long if the tunnel counted as a request
  char rest[64];
  error_code ec;
  EXPECT_EQ(socket.read_some(asio::buffer(rest), ec), 0U);
}

TEST(HttpServer, ReadsChunkedBodies) {
  RunningServer server(echo);
  std::string raw = "PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", content;
  for (const std::size_t size : {1UL, 70'000UL, 3UL, 200'000UL}) {
    char line[16];
    raw.append(line, static_cast<std::size_t>(std::snprintf(line, sizeof line, "%zx\r\n", size)));
    raw.append(size, 'z').append("\r\n");
    content.append(size, 'z');
  }
  const std::string answer = get(server.port(), raw + "0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + content));
}

TEST(HttpServer, SendsPiecesOfFiles) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  std::string content(3'000'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 3);
  write_file_atomically(path, content);
  RunningServer server([&](Request&) -> asio::awaitable<Response> {
    Response response;
    response.body = FileBody{open_file(path, O_RDONLY), 1000, content.size() - 1000};
    co_return response;
  });
  Client client = Client::to_tcp("127.0.0.1", server.port());
  run([&]() -> asio::awaitable<void> {
    for (const char* method : {"GET", "HEAD", "GET"}) {
      ClientRequest request;
      request.method = method;
      ClientResponse response = co_await client.send(std::move(request), 20s);
      EXPECT_EQ(response.headers.get("Content-Length"), std::to_string(content.size() - 1000));
      const std::string body = co_await read_body(*response.body, 1ULL << 30);
      EXPECT_TRUE(std::string_view(method) == "HEAD" ? body.empty() : body == content.substr(1000));
    }
  });
}

TEST(HttpServer, ListensOnAUnixSocketAndReplacesADeadOne) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "s";
  write_file_atomically(path, "left over");
  Server server(small(), echo);
  server.listen_unix(path);
  std::thread thread([&] { server.run(); });
  Client client = Client::to_unix(path);
  run([&]() -> asio::awaitable<void> {
    ClientRequest request;
    request.method = "POST";
    request.body = "hello";
    ClientResponse response = co_await client.send(std::move(request), 5s);
    const std::string body = co_await read_body(*response.body, 100);
    EXPECT_EQ(body, "hello");
  });
  EXPECT_THROW(Server(small(), echo).listen_unix(path), Error);
  server.stop();
  thread.join();
}

TEST(HttpServer, AnswersForHandlersThatThrow) {
  RunningServer server([&](Request& request) -> asio::awaitable<Response> {
    if (request.target == "/limit") co_await read_body(request.body, 3);
    if (request.target == "/user") throw Error(Kind::kNotFound, "thing: no such thing");
    throw std::runtime_error("secret");
  });
  EXPECT_NE(get(server.port(), "GET /user HTTP/1.0\r\n\r\n").find("404 Not Found"), std::string::npos);
  const std::string internal = get(server.port(), "GET / HTTP/1.0\r\n\r\n");
  EXPECT_NE(internal.find("500 Internal"), std::string::npos);
  EXPECT_EQ(internal.find("secret"), std::string::npos);
  EXPECT_NE(get(server.port(), "PUT /limit HTTP/1.0\r\nContent-Length: 4\r\n\r\nabcd").find(" 413 "),
            std::string::npos);
  EXPECT_NE(get(server.port(),
                "PUT /limit HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                "4\r\nabcd\r\n0\r\n\r\n")
                .find(" 413 "),
            std::string::npos);
  EXPECT_NE(
      get(server.port(), "PUT /limit HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").find(" 400 "),
      std::string::npos);
}

TEST(HttpServer, EndsConnectionsThatIdleOrTrickle) {
  ServerOptions options;
  options.idle_timeout = 100ms;
  options.head_timeout = 100ms;
  options.progress_timeout = 100ms;
  RunningServer server(echo, options);
  EXPECT_EQ(get(server.port(), ""), "");
  EXPECT_NE(get(server.port(), "GET / HTTP/1.1\r\nHo").find(" 408 "), std::string::npos);
  EXPECT_NE(get(server.port(), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc").find(" 408 "),
            std::string::npos);
}

TEST(HttpServer, RefusesMoreConnectionsThanAllowed) {
  ServerOptions options;
  options.max_connections = 2;
  RunningServer server(echo, options);
  asio::io_context context;
  std::vector<asio::ip::tcp::socket> held;
  for (int i = 0; i < 2; ++i) {
    held.emplace_back(context).connect({asio::ip::make_address("127.0.0.1"), server.port()});
    asio::write(held.back(), asio::buffer(std::string("GET / HTTP/1.1\r\nHost: h\r\n\r\n")));
    char byte;
    held.back().read_some(asio::buffer(&byte, 1));
  }
  error_code ec;
  asio::ip::tcp::socket third(context);
  third.connect({asio::ip::make_address("127.0.0.1"), server.port()});
  char byte;
  third.read_some(asio::buffer(&byte, 1), ec);
  EXPECT_EQ(ec, asio::error::eof);
}

TEST(HttpServer, StopFinishesRequestsInFlight) {
  std::atomic<bool> entered{false};
  Server* raw = nullptr;
  const auto server = std::make_unique<Server>(small(), [&](Request&) -> asio::awaitable<Response> {
    entered = true;
    auto wait = [] { std::this_thread::sleep_for(300ms); };
    co_await offload(raw->workers(), wait);
    co_return text_response(200, "done");
  });
  raw = server.get();
  server->listen_tcp("127.0.0.1", 0);
  std::thread thread([&] { server->run(); });
  std::string answer;
  std::thread client([&] { answer = get(raw->port(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); });
  while (!entered) std::this_thread::yield();
  server->stop();
  thread.join();
  client.join();
  EXPECT_NE(answer.find("200 OK"), std::string::npos);
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
}

TEST(HttpServer, MayBeDestroyedWhileStopReturns) {
  for (int i = 0; i < 50; ++i) {
    auto server = std::make_unique<Server>(small(), echo);
    server->listen_tcp("127.0.0.1", 0);
    std::thread stopper([raw = server.get()] { raw->stop(); });
    server->run();
    server.reset();
    stopper.join();
  }
}

TEST(HttpServer, StopEndsIdleConnectionsAtOnce) {
  auto server = std::make_unique<RunningServer>(echo);
  asio::io_context context;
  asio::ip::tcp::socket idle(context);
  idle.connect({asio::ip::make_address("127.0.0.1"), server->port()});
  while (server->server().connections() == 0) std::this_thread::yield();
  const auto begin = Clock::now();
  server.reset();
  EXPECT_LT(Clock::now() - begin, 2s);
}

TEST(HttpClient, DeadlineEndsACallAndClosedConnectionsAreReplaced) {
  RunningServer server([&](Request& request) -> asio::awaitable<Response> {
    if (request.target == "/slow") {
      asio::steady_timer timer(co_await asio::this_coro::executor, 500ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    Response response = text_response(200, "x");
    response.close = request.target == "/close";
    co_return response;
  });
  Client client = Client::to_tcp("127.0.0.1", server.port());
  run([&]() -> asio::awaitable<void> {
    bool timed_out = false;
    try {
      ClientRequest slow;
      slow.target = "/slow";
      co_await client.send(std::move(slow), 150ms);
    } catch (const TimedOut&) {
      timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    for (int i = 0; i < 20; ++i) {
      ClientRequest request;
      request.target = i % 3 == 0 ? "/close" : "/";
      ClientResponse response = co_await client.send(std::move(request), 5s);
      const std::string body = co_await read_body(*response.body, 10);
      EXPECT_EQ(body, "x");
    }
  });
}

TEST(HttpClient, OnlySafeMethodsAreRepeatedAfterAStaleConnection) {
  std::atomic<int> seen{0};
  RunningServer server([&](Request& request) -> asio::awaitable<Response> {
    if (request.target == "/end") {
      ++seen;
      throw Disconnected("the connection ends without an answer");
    }
    co_return text_response(200, "x");
  });
  Client client = Client::to_tcp("127.0.0.1", server.port());
  struct Case {
    const char* method;
    bool warm, new_connection, stale;
    int requests;
  };
  for (const Case& c : std::initializer_list<Case>{{"POST", true, false, true, 1},
                                                   {"POST", true, true, false, 1},
                                                   {"POST", false, false, false, 1},
                                                   {"GET", true, false, false, 2},
                                                   {"HEAD", true, false, false, 2},
                                                   {"PUT", true, false, true, 1}}) {
    seen = 0;
    bool stale = false;
    run([&]() -> asio::awaitable<void> {
      ClientRequest request;
      if (c.warm) {
        const ClientResponse response = co_await client.send(request, 5s);
        co_await read_body(*response.body, 10);
      }
      request.method = c.method;
      request.target = "/end";
      request.new_connection = c.new_connection;
      try {
        co_await client.send(request, 5s);
        ADD_FAILURE() << c.method;
      } catch (const StaleConnection&) {
        stale = true;
      } catch (const Disconnected&) {
      }
    });
    EXPECT_EQ(stale, c.stale) << c.method;
    EXPECT_EQ(seen, c.requests) << c.method;
  }
}

TEST(HttpClient, SaysWhenNobodyListens) {
  const TemporaryFolder folder;
  Client client = Client::to_unix(folder.path() / "nobody");
  const auto call = [&]() -> asio::awaitable<void> {
    ClientRequest request;
    co_await client.send(std::move(request), 1s);
  };
  EXPECT_THROW(run(call), Error);
}

TEST(Offload, CarriesValuesAndExceptionsBack) {
  asio::thread_pool pool(2);
  run([&]() -> asio::awaitable<void> {
    const auto here = std::this_thread::get_id();
    auto where = [] { return std::this_thread::get_id(); };
    const auto there = co_await offload(pool, where);
    EXPECT_NE(here, there);
    EXPECT_EQ(here, std::this_thread::get_id());
    bool thrown = false;
    try {
      auto fail = []() -> int { throw Error(Kind::kLimit, "x"); };
      co_await offload(pool, fail);
    } catch (const Error& e) {
      thrown = e.kind() == Kind::kLimit;
    }
    EXPECT_TRUE(thrown);
  });
}

}  // namespace
}  // namespace clary::http
