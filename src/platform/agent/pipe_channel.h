// SPDX-License-Identifier: Apache-2.0
// A channel in Pipe mode: for each epoch a FIFO <channel>_<epoch> with the bytes of the objects, or the attributes of
// an augmented manifest, one after the other, decompressed and wrapped as the request demands. A thread of its own
// writes; it ends with the agent's process.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "platform/agent/augmented_manifest.h"
#include "platform/agent/spec.h"

namespace clary::agent {

class PipeChannel {
 public:
  /// @param fifo_folder  /opt/ml/input/data of the program, from outside
  /// @param staged       folder with the objects as files named by their index
  PipeChannel(const AgentChannel& channel, int host, int hosts, std::filesystem::path fifo_folder,
              std::filesystem::path staged);

  /// Creates the FIFO of epoch 0, so that it is there before the program starts.
  void create_first() const;
  /// Serves epoch after epoch, for ever. @throws Error naming the object or the manifest's line
  void serve();

 private:
  std::filesystem::path fifo(std::uint64_t epoch) const;
  /// This host's of `count` objects or lines, in the order of the epoch.
  std::vector<std::size_t> order_of(std::size_t count, std::uint64_t epoch) const;
  bool wraps() const { return channel_.config.record_wrapper == "RecordIO"; }
  std::filesystem::path staged(std::size_t index) const { return staged_ / std::to_string(index); }

  // These return false when the reader has closed its end.
  bool write_object(std::size_t index, int out) const;
  bool write_staged(std::size_t index, bool gzip, int out) const;
  bool write_line(const ManifestLines& lines, std::size_t index, int out) const;
  bool write_attribute(const std::string& name, const std::string& value, int out) const;

  void serve_objects() const;
  void serve_manifest();
  /// Serves epoch after epoch. @param write  one object or line
  void serve_epochs(std::size_t count, const std::function<bool(std::size_t, int)>& write) const;

  const AgentChannel& channel_;
  int host_, hosts_;
  std::filesystem::path fifo_folder_, staged_;
  std::map<std::string, std::size_t, std::less<>> references_;  // address -> staged object
};

}  // namespace clary::agent
