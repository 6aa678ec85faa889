// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/pipe_channel.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/files.h"
#include "platform/agent/gunzip.h"
#include "platform/agent/shuffle.h"

namespace clary::agent {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kRecordIoMagic = 0xCED7230A;
constexpr std::uint64_t kMaxRecordBytes = (1ULL << 29U) - 1;  // RecordIO: 29 bits of length

/// False on EPIPE: the reader has gone, which is its right.
/// write() blocks while the FIFO is full: that is how a slow program slows its channel. SIGPIPE is ignored
/// (run_agent), so a reader that has gone is EPIPE.
bool write_bytes(int out, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(out, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) return false;
    if (n < 0) throw_errno("write to a channel's pipe");
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

// The length goes before the payload, so it must be known: see write_staged() for compressed objects. Padding to a
// multiple of 4 is part of the format.
bool write_framed(int out, std::uint64_t size, const std::function<bool()>& write_payload) {
  if (size > kMaxRecordBytes)
    throw Error(Kind::kLimit, "RecordWrapperType RecordIO: an object of " + std::to_string(size) +
                                  " bytes is larger than a record may be (536870911)");
  const std::uint32_t header[2] = {kRecordIoMagic, static_cast<std::uint32_t>(size)};
  constexpr char kZeros[4] = {};
  return write_bytes(out, header, sizeof header) && write_payload() && write_bytes(out, kZeros, (4 - size % 4) % 4);
}

// sendfile() moves pages inside the kernel; no byte passes through this process.
bool copy_file_to(int in, int out) {
  for (;;) {
    const ssize_t n = ::sendfile(out, in, nullptr, 1U << 20U);
    if (n == 0) return true;
    if (n < 0 && errno == EPIPE) return false;
    if (n < 0 && errno != EINTR) throw_errno("send to a channel's pipe");
  }
}

}  // namespace

PipeChannel::PipeChannel(const AgentChannel& channel, int host, int hosts, fs::path fifo_folder, fs::path staged)
    : channel_(channel), host_(host), hosts_(hosts), fifo_folder_(std::move(fifo_folder)), staged_(std::move(staged)) {}

fs::path PipeChannel::fifo(std::uint64_t epoch) const {
  return fifo_folder_ / (channel_.name + "_" + std::to_string(epoch));
}

void PipeChannel::create_first() const {
  if (::mkfifo(fifo(0).c_str(), 0644) != 0) throw_errno("mkfifo " + fifo(0).string());
}

// Every host computes the same permutation from the same seed and takes its own residue class: the shards are disjoint
// and cover everything, without a word between the hosts.
std::vector<std::size_t> PipeChannel::order_of(std::size_t count, std::uint64_t epoch) const {
  std::vector<std::size_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});
  if (channel_.shuffle_seed) shuffle_numbers(numbers, *channel_.shuffle_seed, epoch);
  if (!channel_.deal_each_epoch || hosts_ <= 1) return numbers;
  std::vector<std::size_t> share;
  for (auto i = static_cast<std::size_t>(host_); i < count; i += static_cast<std::size_t>(hosts_))
    share.push_back(numbers[i]);
  return share;
}

bool PipeChannel::write_staged(std::size_t index, bool gzip, int out) const {
  const fs::path file = staged(index);
  if (gzip && wraps()) {
    std::string whole;  // its length is written before its bytes
    inflate_file(file, [&](const void* bytes, std::size_t size) {
      whole.append(static_cast<const char*>(bytes), size);
      return whole.size() <= kMaxRecordBytes;
    });
    // whole.size() may be above the limit by one buffer; write_framed() refuses it then.
    return write_framed(out, whole.size(), [&] { return write_bytes(out, whole.data(), whole.size()); });
  }
  if (gzip)
    return inflate_file(file, [&](const void* bytes, std::size_t size) { return write_bytes(out, bytes, size); });
  const UniqueFd in = open_file(file, O_RDONLY);
  if (wraps()) return write_framed(out, fs::file_size(file), [&] { return copy_file_to(in.get(), out); });
  return copy_file_to(in.get(), out);
}

bool PipeChannel::write_object(std::size_t index, int out) const try {
  return write_staged(index, channel_.gzip, out);
} catch (const Error& error) {
  throw Error(error.kind(),
              "channel " + channel_.name + ": \"" + channel_.objects[index].relative + "\": " + error.what());
}

bool PipeChannel::write_attribute(const std::string& name, const std::string& value, int out) const {
  if (!is_reference(name)) {
    const auto write = [&] { return write_bytes(out, value.data(), value.size()); };
    return wraps() ? write_framed(out, value.size(), write) : write();
  }
  const auto found = references_.find(value);
  if (found == references_.end()) throw Error(Kind::kNotFound, "there is no object " + value);
  return write_staged(found->second, false, out);
}

bool PipeChannel::write_line(const ManifestLines& lines, std::size_t index, int out) const try {
  const auto values = attribute_values(lines[index], channel_.attributes);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!write_attribute(channel_.attributes[i], values[i], out)) return false;
  return true;
} catch (const Error& error) {
  throw Error(error.kind(), "channel " + channel_.name + ": line " + std::to_string(lines.number(index)) +
                                " of the manifest: " + error.what());
}

void PipeChannel::serve_epochs(std::size_t count, const std::function<bool(std::size_t, int)>& write) const {
  // For ever: how many epochs there are is the program's decision. The thread ends with the agent's process.
  for (std::uint64_t epoch = 0;; ++epoch) {
    // The FIFO of the next epoch exists only after the one before has been read or closed; programs wait for the name,
    // as AWS's own examples do.
    if (epoch > 0 && ::mkfifo(fifo(epoch).c_str(), 0644) != 0) throw_errno("mkfifo " + fifo(epoch).string());
    const UniqueFd out = open_file(fifo(epoch), O_WRONLY);  // waits for the reader
    // 1 MiB instead of 64 KiB: fewer changes between the two processes. It may be refused (pipe-user-pages-soft),
    // which only costs speed.
    ::fcntl(out.get(), F_SETPIPE_SZ, 1 << 20);
    for (const std::size_t index : order_of(count, epoch))
      // The reader closed early, which is allowed: the epoch is over.
      if (!write(index, out.get())) break;
    // Before `out` closes: a program that sees the end of the data and opens the same epoch again gets ENOENT, not a
    // FIFO without a writer.
    ::unlink(fifo(epoch).c_str());
  }
}

void PipeChannel::serve_objects() const {
  serve_epochs(channel_.objects.size(), [this](std::size_t index, int out) { return write_object(index, out); });
}

void PipeChannel::serve_manifest() {
  // Object 0 is the manifest itself.
  for (std::size_t i = 1; i < channel_.objects.size(); ++i) references_.emplace(channel_.objects[i].relative, i);
  // The mapping lives as long as this thread.
  const ManifestLines lines(staged(0), channel_.gzip);
  serve_epochs(lines.size(), [&](std::size_t index, int out) { return write_line(lines, index, out); });
}

void PipeChannel::serve() {
  if (channel_.attributes.empty()) return serve_objects();
  try {
    serve_manifest();
  } catch (const Error& error) {
    const std::string text = error.what();
    throw Error(error.kind(), text.starts_with("channel ") ? text : "channel " + channel_.name + ": " + text);
  }
}

}  // namespace clary::agent
