// SPDX-License-Identifier: Apache-2.0
// What a request costs, layer by layer, with a handler that answers a fixed 60 bytes:
//   edge_server beast   a bare Boost.Beast server (coroutines, one loop per thread): the ceiling
//   edge_server http    Clary's HTTP server, no AWS
//   edge_server edge    the edge in front: dispatch, SigV4 with the payload's hash, InvokeEndpoint
//   edge_server relay   the edge, and the handler asks a second process-like server over a Unix socket
// Prints {"port":..., "access_key":..., "secret":...}; ends with standard input. Load: benchmarks/signed_load.cpp.
#include <unistd.h>

#include <iostream>
#include <thread>

#include "base/files.h"
#include "http/asio.h"
#include "http/client.h"
#include "http/server.h"
#include "platform/aws/edge.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#pragma GCC diagnostic pop

namespace clary {
namespace {

namespace asio = http::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

const std::string kAnswer = "{\"predictions\":[{\"score\":0.123456789,\"predicted_label\":3.0}]}";
constexpr int kThreads = 2;

asio::awaitable<void> beast_session(tcp::socket socket) {
  socket.set_option(tcp::no_delay(true));
  beast::flat_buffer buffer;
  http::error_code ec;
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  for (;;) {
    beast::http::request<beast::http::string_body> request;
    co_await beast::http::async_read(socket, buffer, request, token);
    if (ec) co_return;
    beast::http::response<beast::http::string_body> response(beast::http::status::ok, request.version());
    response.set(beast::http::field::content_type, "application/json");
    response.body() = kAnswer;
    response.keep_alive(request.keep_alive());
    response.prepare_payload();
    co_await beast::http::async_write(socket, response, token);
    if (ec) co_return;
  }
}

asio::awaitable<void> beast_accept(tcp::acceptor& acceptor, std::vector<std::unique_ptr<asio::io_context>>& loops) {
  for (std::size_t i = 0;; ++i) {
    asio::io_context& loop = *loops[i % loops.size()];
    tcp::socket socket(loop);
    co_await acceptor.async_accept(socket, asio::use_awaitable);
    asio::co_spawn(loop, beast_session(std::move(socket)), asio::detached);
  }
}

void wait_for_end_of_input() {
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

int serve_beast() {
  std::vector<std::unique_ptr<asio::io_context>> loops;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) loops.push_back(std::make_unique<asio::io_context>(1));
  tcp::acceptor acceptor(*loops[0], {asio::ip::make_address("127.0.0.1"), 0});
  asio::co_spawn(*loops[0], beast_accept(acceptor, loops), asio::detached);
  for (auto& loop : loops)
    threads.emplace_back([&loop] {
      const auto work = asio::make_work_guard(*loop);
      loop->run();
    });
  std::cout << dump_json({{"port", acceptor.local_endpoint().port()}, {"access_key", ""}, {"secret", ""}}) << std::endl;
  wait_for_end_of_input();
  for (auto& loop : loops) loop->stop();
  for (auto& thread : threads) thread.join();
  return 0;
}

asio::awaitable<http::Response> plain(http::Request& request) {
  co_await http::read_body(request.body, 1 << 20);
  co_return http::text_response(200, kAnswer, "application/json");
}

int serve(const std::string& mode) {
  asio::thread_pool workers(4);
  const TemporaryFolder folder;
  aws::Credentials credentials(std::map<std::string, std::string, std::less<>>{{"AKIABENCHMARK", "bench/secret/key"}});
  aws::Edge edge(credentials, {}, workers);
  http::ServerOptions replica_options;
  replica_options.io_threads = 1;
  http::Server replica(replica_options, plain);
  const auto socket = folder.path() / "replica.sock";
  replica.listen_unix(socket);
  std::thread replica_thread([&] { replica.run(); });
  http::Client client = http::Client::to_unix(socket);
  edge.set_runtime([&](const http::Request&, std::string body, const aws::Caller&) -> asio::awaitable<http::Response> {
    if (mode != "relay") co_return http::text_response(200, kAnswer, "application/json");
    http::ClientRequest inner;
    inner.method = "POST";
    inner.target = "/invocations";
    inner.body = std::move(body);
    http::ClientResponse answer = co_await client.send(inner, std::chrono::seconds(60));
    co_return http::text_response(answer.status, co_await http::read_body(*answer.body, 1 << 20), "application/json");
  });
  http::ServerOptions options;
  options.io_threads = kThreads;
  options.workers = &workers;
  http::Server server(options, mode == "http" ? http::Handler(plain) : edge.handler());
  server.listen_tcp("127.0.0.1", 0);
  std::cout << dump_json({{"port", server.port()}, {"access_key", "AKIABENCHMARK"}, {"secret", "bench/secret/key"}})
            << std::endl;
  std::thread watch([&] {
    wait_for_end_of_input();
    server.stop();
    replica.stop();
  });
  server.run();
  watch.join();
  replica_thread.join();
  return 0;
}

}  // namespace
}  // namespace clary

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "edge";
  return mode == "beast" ? clary::serve_beast() : clary::serve(mode);
}
