// SPDX-License-Identifier: Apache-2.0
// A channel in Pipe mode: for each epoch a FIFO <channel>_<epoch> with the bytes of the objects one after the other,
// decompressed and wrapped as the request says. A thread of its own writes; it ends with the agent's process.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>

#include "platform/jobs/agent_spec.h"

namespace clary::jobs {

class PipeChannel {
 public:
  /// @param fifo_folder  /opt/ml/input/data of the program, from outside
  /// @param staged       folder with the objects as files named by their index
  PipeChannel(const AgentChannel& channel, int host, int hosts, std::filesystem::path fifo_folder,
              std::filesystem::path staged);

  /// Creates the FIFO of epoch 0, so that it is there before the program starts.
  void create_first() const;
  /// Serves epoch after epoch, for ever. @throws Error naming the object
  void serve() const;

 private:
  std::filesystem::path fifo(std::uint64_t epoch) const;
  std::vector<std::size_t> order_of(std::uint64_t epoch) const;
  /// False when the reader has closed its end.
  bool write_object(std::size_t index, int out) const;

  const AgentChannel& channel_;
  int host_, hosts_;
  std::filesystem::path fifo_folder_, staged_;
};

}  // namespace clary::jobs
