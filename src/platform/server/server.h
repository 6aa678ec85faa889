// SPDX-License-Identifier: Apache-2.0
// The whole server as one object: reads its state, builds the parts in order, serves, stops. The only place that names
// every part.
#pragma once

#include <memory>

#include "platform/server/config.h"

namespace clary::server {

class Server {
 public:
  /// Opens the data folder (one server at a time), recovers what a crash left, binds the port and writes
  /// DIR/server.json.
  /// @throws Error{kConflict} when the folder or the port is in use
  explicit Server(const Config& config);
  ~Server();

  /// Serves until stop().
  void run();
  /// From any thread: finishes requests in flight, stops serving processes; jobs go on.
  void stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace clary::server
