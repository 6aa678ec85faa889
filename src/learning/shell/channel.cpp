// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <thread>

#include "base/error.h"

namespace clary::shell {
namespace {

constexpr std::chrono::milliseconds kFifoPoll{5};  // between looks for the next FIFO, and for its writer

}  // namespace

Channel::Channel(contract::Layout layout, std::string name, contract::ChannelConfig config,
                 std::string default_content_type, std::function<bool()> stopped)
    : layout_(std::move(layout)), name_(std::move(name)), config_(std::move(config)), stopped_(std::move(stopped)) {
  // An empty ContentType is the same as none.
  const std::string given = config_.content_type.value_or("");
  content_type_ = formats::parse_content_type(given.empty() ? default_content_type : given);
}

std::vector<formats::InputFile> Channel::files() const {
  // Pipe data can be read once a pass only, by rows() or open_pipe().
  if (is_pipe())
    throw Error(Kind::kInvalid, "channel " + name_ + ": has no files in Pipe mode; use File or FastFile mode");
  const auto folder = layout_.channel_dir(name_);
  std::error_code missing;
  if (!std::filesystem::is_directory(folder, missing)) return {};
  auto files = formats::list_input_files(folder);
  // Messages name the channel and the file, not the container's path.
  for (auto& file : files) file.name = name_ + "/" + file.name;
  return files;
}

bool Channel::is_empty() const { return !is_pipe() && files().empty(); }

std::unique_ptr<formats::ByteSource> Channel::open_pipe(std::function<bool()> abandoned) {
  const std::string label = name_ + "_" + std::to_string(passes_);
  if (!abandoned) return formats::open_bytes(open_next_fifo(), label);
  return formats::open_bytes(open_next_fifo(), label, [abandoned = std::move(abandoned), stopped = stopped_] {
    return abandoned() || stopped();
  });
}

std::unique_ptr<formats::RowReader> Channel::rows(const formats::ReadOptions& options) {
  if (is_pipe() && config_.record_wrapper != "None")
    throw Error(Kind::kInvalid, "channel " + name_ + ": RecordWrapperType " + config_.record_wrapper +
                                    " is for files without rows (images); use None");
  if (is_pipe()) {
    const std::string label = name_ + "_" + std::to_string(passes_);
    return formats::open_rows(open_next_fifo(), label, content_type_, options);
  }
  auto found = files();
  if (found.empty())
    throw Error(Kind::kInvalid, "channel " + name_ + ": holds no files; at least one object with data is needed");
  ++passes_;
  return formats::open_rows(std::move(found), content_type_, options);
}

bool Channel::has_next_pass(std::chrono::milliseconds patience) const {
  const auto path = layout_.channel_fifo(name_, passes_);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::error_code missing;
  while (!std::filesystem::exists(path, missing)) {
    if (stopped_() || std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kFifoPoll);
  }
  return true;
}

/// Waits for the FIFO of this pass and for its writer, in steps that notice a stop.
/// Pass n reads <channel>_<n>; the writer makes it when the pass before has been read.
UniqueFd Channel::open_next_fifo() {
  const auto path = layout_.channel_fifo(name_, passes_);
  // SIGTERM only sets a flag (install_stop_handler): waiting must look at it.
  const auto check_stop = [&] {
    if (stopped_()) throw Error(Kind::kCancelled, "channel " + name_ + ": stopped while waiting for " + path.string());
  };
  struct stat status {};
  while (stat(path.c_str(), &status) != 0) {
    check_stop();
    std::this_thread::sleep_for(kFifoPoll);
  }
  // A regular file is taken too (local runs). A FIFO opened without O_NONBLOCK would hang past SIGTERM.
  UniqueFd fd = open_file(path, O_RDONLY | O_CLOEXEC | (S_ISFIFO(status.st_mode) ? O_NONBLOCK : 0));
  if (S_ISFIFO(status.st_mode)) {
    for (;;) {
      pollfd waiting{fd.get(), POLLIN, 0};
      // POLLHUP alone: the writer came, wrote nothing and closed. That is an empty pass, not an absent writer.
      const int ready = poll(&waiting, 1, static_cast<int>(kFifoPoll.count()) * 20);
      if (ready > 0 && (waiting.revents & (POLLIN | POLLHUP)) != 0) break;  // a writer came (and may have gone)
      check_stop();
    }
    // Blocking from here on: reads are meant to wait for the writer.
    const int flags = fcntl(fd.get(), F_GETFL);
    if (flags < 0 || fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK) < 0) throw_errno(path.string());
  }
  // Only after success: a stop in between leaves the number.
  ++passes_;
  return fd;
}

}  // namespace clary::shell
