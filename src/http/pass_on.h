// SPDX-License-Identifier: Apache-2.0
// CONNECT to a host that this server is not the proxy of: bytes are passed on both ways, unread. For clients on the
// server's own machine, whose scripts need other hosts (data, packages) beside the one that the server answers for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "http/stream.h"

namespace clary::http {

/// A connection to the host, made before the client is told that the tunnel exists. On the caller's I/O thread.
/// @throws Error{kUnavailable} naming host, port and the system's reason; TimedOut
asio::awaitable<std::shared_ptr<Stream>> connect_to(const std::string& host, std::uint16_t port,
                                                    std::chrono::milliseconds timeout);

/// Copies until both sides have ended, one has failed, or no byte has moved for `idle`. What the client has sent behind
/// its CONNECT goes first. Both streams belong to the calling coroutine's I/O thread.
asio::awaitable<void> pass_on(std::shared_ptr<Stream> client, std::shared_ptr<Stream> host,
                              std::chrono::milliseconds idle);

}  // namespace clary::http
