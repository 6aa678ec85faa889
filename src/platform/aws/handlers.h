// SPDX-License-Identifier: Apache-2.0
// Services that see HTTP. Apart from services.h, so that the others are compiled without Asio.
#pragma once

#include <functional>
#include <string>

#include "http/message.h"
#include "platform/aws/caller.h"

namespace clary::aws {

/// S3 and the runtime look at HTTP themselves. Runs on the I/O thread; blocking work goes through http::offload.
using RawHandler = std::function<http::asio::awaitable<http::Response>(http::Request&, const Caller&)>;

/// The same for the runtime, whose requests are signed over their whole body: it has been read and checked before the
/// call.
using WholeBodyHandler =
    std::function<http::asio::awaitable<http::Response>(const http::Request&, std::string body, const Caller&)>;

}  // namespace clary::aws
