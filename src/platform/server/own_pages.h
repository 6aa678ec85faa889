// SPDX-License-Identifier: Apache-2.0
// The server's own unsigned pages: /_clary/health (200 "ok" while it serves) and /_clary/metrics (Prometheus text).
#pragma once

#include "http/server.h"

namespace clary::serving {
class Endpoints;
}

namespace clary::server {

struct OwnPagesDeps {
  serving::Endpoints& endpoints;
  http::Server& http;
};

http::Handler own_pages(OwnPagesDeps deps);

}  // namespace clary::server
