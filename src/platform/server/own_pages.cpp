// SPDX-License-Identifier: Apache-2.0
#include "platform/server/own_pages.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "base/time.h"
#include "platform/serving/endpoints.h"

namespace clary::server {

namespace {

/// Resident bytes of this process (/proc/self/statm, second field, in pages).
long resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  long all = 0, resident = 0;
  statm >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::string gauge(const char* name, const char* help, const std::string& value) {
  return std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " gauge\n" + name + " " + value + "\n";
}

std::string metrics_text(const OwnPagesDeps& deps, EpochMs started) {
  return gauge("clary_uptime_seconds", "Seconds since the server started.",
               std::to_string((now_ms() - started) / 1000)) +
         gauge("clary_connections", "Open client connections.", std::to_string(deps.http.connections())) +
         gauge("clary_resident_bytes", "Resident memory of the server process.", std::to_string(resident_bytes())) +
         deps.endpoints.prometheus();
}

}  // namespace

http::Handler own_pages(OwnPagesDeps deps) {
  // Read once; the lambda and its copies share it.
  const EpochMs started = now_ms();
  return [deps, started](http::Request& request) -> http::asio::awaitable<http::Response> {
    if (request.method != "GET" && request.method != "HEAD") co_return http::text_response(405, "only GET\n");
    if (request.path() == "/_clary/health") co_return http::text_response(200, "ok\n");
    if (request.path() == "/_clary/metrics")
      // The references in `deps` outlive the server's connections: they are members of the server.
      co_return http::text_response(200, metrics_text(deps, started), "text/plain; version=0.0.4; charset=utf-8");
    co_return http::text_response(404, "there are /_clary/health and /_clary/metrics\n");
  };
}

}  // namespace clary::server
