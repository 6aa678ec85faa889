// SPDX-License-Identifier: Apache-2.0
// One input channel of a training job, in File, FastFile or Pipe mode. Each rows() is one pass: the files again from
// the start, or the next FIFO (<channel>_0, <channel>_1, ...), waited for.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "contract/config_files.h"
#include "contract/layout.h"
#include "formats/byte_source.h"
#include "formats/row_reader.h"

namespace clary::shell {

class Channel {
 public:
  /// @param stopped  asked while waiting for a FIFO
  Channel(contract::Layout layout, std::string name, contract::ChannelConfig config, std::string default_content_type,
          std::function<bool()> stopped);

  const std::string& name() const noexcept { return name_; }
  /// As given with the job, or the algorithm's default for the channel.
  const formats::ContentType& content_type() const noexcept { return content_type_; }
  /// False when content_type() is the algorithm's default because the job named none.
  bool has_content_type() const noexcept { return !config_.content_type.value_or("").empty(); }
  /// For algorithms that find out the type themselves.
  void set_content_type(formats::ContentType type) { content_type_ = std::move(type); }
  /// File mode: where the channel's files lie.
  std::filesystem::path folder() const { return layout_.channel_dir(name_); }
  bool is_pipe() const noexcept { return config_.input_mode == contract::InputMode::kPipe; }
  bool is_sharded() const noexcept { return config_.distribution == "ShardedByS3Key"; }

  /// File mode: the channel's files sorted by path, without hidden ones; may be empty. @throws Error{kInvalid} in Pipe
  /// mode
  std::vector<formats::InputFile> files() const;
  /// File mode: nothing to read (a host without a share of a sharded channel). Pipe mode: false, unknown before a pass.
  bool is_empty() const;

  /// RecordWrapperType RecordIO: each object (or augmented manifest attribute) comes as one RecordIO frame.
  bool wraps_records() const { return config_.record_wrapper == "RecordIO"; }

  /// Pipe mode: starts the next pass over the channel's bytes as they are (gunzipped). @throws Error{kCancelled} when
  /// stopped while waiting for the FIFO
  /// @param abandoned  where given, also asked while reading waits for bytes, as is the stop flag: reading then throws
  ///                   Error{kCancelled}
  std::unique_ptr<formats::ByteSource> open_pipe(std::function<bool()> abandoned = nullptr);

  /// Pipe mode: whether another pass can be started. Waits at most `patience` for its FIFO, which the writer makes when
  /// the pass before has been read; false, too, when stopped meanwhile.
  bool has_next_pass(std::chrono::milliseconds patience) const;

  /// Starts the next pass.
  /// @throws Error{kInvalid} when a File channel has no files, Error{kCancelled} when stopped while waiting for a FIFO
  std::unique_ptr<formats::RowReader> rows(const formats::ReadOptions& options);

 private:
  UniqueFd open_next_fifo();

  contract::Layout layout_;
  std::string name_;
  contract::ChannelConfig config_;
  formats::ContentType content_type_;
  std::function<bool()> stopped_;
  std::int64_t passes_ = 0;
};

}  // namespace clary::shell
