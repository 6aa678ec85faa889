// SPDX-License-Identifier: Apache-2.0
// Load for one URL: keeps N connections busy for S seconds with one request at a time each, and prints requests per
// second and latency percentiles as a JSON line. Signs with SigV4 (again every second, so that the generator's own cost
// stays small; the server checks every request in full).
//   signed_load --port P [--host H] [--path /endpoints/e/invocations] [--body FILE] [--content-type T]
//               [--connections 1] [--seconds 5] [--access-key K --secret S] [--service sagemaker] [--region R]
//               [--header "Name: value"]...
#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>

#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "http/asio.h"
#include "http/framing.h"
#include "http/write_head.h"
#include "platform/aws/test_signer.h"

namespace clary {
namespace {

namespace asio = http::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

struct Options {
  std::map<std::string, std::string> named = {{"host", "127.0.0.1"},
                                              {"path", "/endpoints/e/invocations"},
                                              {"content-type", "text/csv"},
                                              {"connections", "1"},
                                              {"seconds", "5"},
                                              {"service", "sagemaker"},
                                              {"region", "us-west-2"},
                                              {"method", "POST"}};
  std::vector<std::string> headers;
  std::string body = "1,2,3,4,5,6,7,8\n";
  const std::string& operator[](const std::string& name) { return named[name]; }
};

struct Tally {
  std::vector<float> microseconds;
  std::size_t errors = 0;
  Clock::time_point end;
};

std::string request_bytes(Options& o) {
  http::Headers headers;
  headers.add("Host", o["host"] + ":" + o["port"]);
  headers.add("Content-Type", o["content-type"]);
  headers.add("Accept-Encoding", "identity");
  headers.add("User-Agent", "Boto3/1.26.27 Python/3.11.2 Linux/6.1 Botocore/1.29.27");
  for (const std::string& line : o.headers) {
    const std::size_t colon = line.find(':');
    headers.add(line.substr(0, colon), trimmed(std::string_view(line).substr(colon + 1)));
  }
  if (!o["access-key"].empty()) {
    aws::SigningContext context;
    context.key = {o["access-key"], o["secret"]};
    context.region = o["region"];
    context.service = o["service"];
    aws::sign(headers, o["method"], o["path"], to_hex(sha256(o.body)), context, now_ms());
  }
  headers.add("Content-Length", std::to_string(o.body.size()));
  std::string out;
  http::append_request_head(out, o["method"], o["path"], headers);
  return out + o.body;
}

/// Reads one whole answer; false when it is not a 200 or the connection ended.
asio::awaitable<bool> read_answer(tcp::socket& socket, std::string& buffer) {
  buffer.resize(64 * 1024);
  std::size_t filled = 0, needed = 0;
  for (;;) {
    filled += co_await socket.async_read_some(asio::buffer(buffer.data() + filled, buffer.size() - filled),
                                              asio::use_awaitable);
    const std::string_view seen = std::string_view(buffer).substr(0, filled);
    if (needed == 0) {
      const auto end = http::find_head_end(seen);
      if (!end) continue;
      const std::size_t at = seen.find("Content-Length: ");
      const std::size_t other = seen.find("content-length: ");
      const std::size_t where = at != std::string_view::npos ? at : other;
      if (where == std::string_view::npos) throw Error(Kind::kMalformed, "answer without Content-Length");
      needed = *end + std::stoul(std::string(seen.substr(where + 16, 12)));
      if (needed > buffer.size()) buffer.resize(needed);
    }
    if (filled >= needed) co_return seen.substr(9, 3) == "200";
  }
}

asio::awaitable<void> connection(Options& options, const std::string& bytes, Tally& tally, bool& done) {
  auto executor = co_await asio::this_coro::executor;
  std::string buffer;
  while (!done) {
    tcp::socket socket(executor);
    try {
      const tcp::endpoint where(asio::ip::make_address(options["host"]),
                                static_cast<std::uint16_t>(std::stoi(options["port"])));
      co_await socket.async_connect(where, asio::use_awaitable);
      socket.set_option(tcp::no_delay(true));
      while (!done) {
        const Clock::time_point begin = Clock::now();
        co_await asio::async_write(socket, asio::buffer(bytes), asio::use_awaitable);
        const bool good = co_await read_answer(socket, buffer);
        if (!good) ++tally.errors;
        tally.microseconds.push_back(std::chrono::duration<float, std::micro>(Clock::now() - begin).count());
      }
    } catch (const std::exception&) {
      ++tally.errors;
    }
  }
}

asio::awaitable<void> sign_again(Options& options, std::string& bytes, bool& done, Clock::time_point end) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (Clock::now() < end) {
    timer.expires_after(std::min<Clock::duration>(std::chrono::seconds(1), end - Clock::now()));
    co_await timer.async_wait(asio::use_awaitable);
    bytes = request_bytes(options);
  }
  done = true;
}

int run(Options& options) {
  asio::io_context context(1);
  Tally tally;
  bool done = false;
  std::string bytes = request_bytes(options);
  const double seconds = std::stod(options["seconds"]);
  const int connections = std::stoi(options["connections"]);
  const Clock::time_point begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  asio::co_spawn(context, sign_again(options, bytes, done, end), asio::detached);
  for (int i = 0; i < connections; ++i)
    asio::co_spawn(context, connection(options, bytes, tally, done), asio::detached);
  context.run();
  const double took = std::chrono::duration<double>(Clock::now() - begin).count();
  auto& all = tally.microseconds;
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all.empty()
               ? 0.0
               : static_cast<double>(all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))]);
  };
  std::cout << dump_json({{"connections", connections},
                          {"requests_per_second", static_cast<double>(all.size()) / took},
                          {"p50_us", at(0.5)},
                          {"p99_us", at(0.99)},
                          {"requests", all.size()},
                          {"errors", tally.errors}})
            << std::endl;
  return tally.errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace clary

int main(int argc, char** argv) {
  clary::Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = std::string(argv[i]).substr(2);
    if (name == "header") {
      options.headers.emplace_back(argv[i + 1]);
    } else if (name == "body") {
      options.body = clary::read_file(argv[i + 1]);
    } else {
      options.named[name] = argv[i + 1];
    }
  }
  if (options["port"].empty()) {
    std::cerr << "signed_load: --port is required\n";
    return 2;
  }
  return clary::run(options);
}
