// SPDX-License-Identifier: Apache-2.0
#include "platform/jobs/pipe_channel.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/files.h"
#include "platform/jobs/channel_plan.h"

namespace clary::jobs {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kRecordIoMagic = 0xCED7230A;
constexpr std::uint64_t kMaxRecordBytes = (1ULL << 29U) - 1;  // RecordIO: 29 bits of length

/// False on EPIPE: the reader has gone, which is its right.
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

bool write_framed(int out, std::uint64_t size, const std::function<bool()>& write_payload) {
  if (size > kMaxRecordBytes)
    throw Error(Kind::kLimit, "RecordWrapperType RecordIO: an object of " + std::to_string(size) +
                                  " bytes is larger than a record may be (536870911)");
  const std::uint32_t header[2] = {kRecordIoMagic, static_cast<std::uint32_t>(size)};
  constexpr char kZeros[4] = {};
  return write_bytes(out, header, sizeof header) && write_payload() && write_bytes(out, kZeros, (4 - size % 4) % 4);
}

bool copy_file_to(int in, int out) {
  for (;;) {
    const ssize_t n = ::sendfile(out, in, nullptr, 1U << 20U);
    if (n == 0) return true;
    if (n < 0 && errno == EPIPE) return false;
    if (n < 0 && errno != EINTR) throw_errno("send to a channel's pipe");
  }
}

/// Calls sink(bytes, size) until it says false. Several gzip members in a row are one stream, as gzip reads them.
bool inflate_file(const fs::path& file, const std::function<bool(const void*, std::size_t)>& sink) {
  gzFile in = ::gzopen(file.c_str(), "rb");
  if (in == nullptr) throw_errno(file.string());
  std::vector<char> buffer(1U << 18U);
  ::gzbuffer(in, 1U << 17U);
  bool more = true;
  int n = 0;
  const bool plain = ::gzdirect(in) == 1;
  while (!plain && more && (n = ::gzread(in, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0)
    more = sink(buffer.data(), static_cast<std::size_t>(n));
  int code = Z_OK;
  const std::string reason = ::gzerror(in, &code);
  ::gzclose(in);
  if (plain) throw Error(Kind::kMalformed, "CompressionType Gzip: the object is not a gzip file");
  if (more && (n < 0 || code == Z_BUF_ERROR))
    throw Error(Kind::kMalformed, "CompressionType Gzip: the gzip file is damaged or cut (" + reason + ")");
  return more;
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

std::vector<std::size_t> PipeChannel::order_of(std::uint64_t epoch) const {
  std::vector<PlannedObject> numbered(channel_.objects.size());
  for (std::size_t i = 0; i < numbered.size(); ++i) numbered[i].size = i;
  if (channel_.shuffle_seed) shuffle_objects(numbered, *channel_.shuffle_seed, epoch);
  std::vector<std::size_t> order;
  for (const PlannedObject& object : share_of_host(numbered, channel_.deal_each_epoch, host_, hosts_))
    order.push_back(object.size);
  return order;
}

bool PipeChannel::write_object(std::size_t index, int out) const try {
  const fs::path file = staged_ / std::to_string(index);
  const bool wrap = channel_.config.record_wrapper == "RecordIO";
  if (channel_.gzip && wrap) {
    std::string whole;  // the length stands before the bytes
    inflate_file(file, [&](const void* bytes, std::size_t size) {
      whole.append(static_cast<const char*>(bytes), size);
      return whole.size() <= kMaxRecordBytes;
    });
    return write_framed(out, whole.size(), [&] { return write_bytes(out, whole.data(), whole.size()); });
  }
  if (channel_.gzip)
    return inflate_file(file, [&](const void* bytes, std::size_t size) { return write_bytes(out, bytes, size); });
  const UniqueFd in = open_file(file, O_RDONLY);
  if (wrap) return write_framed(out, fs::file_size(file), [&] { return copy_file_to(in.get(), out); });
  return copy_file_to(in.get(), out);
} catch (const Error& error) {
  throw Error(error.kind(),
              "channel " + channel_.name + ": \"" + channel_.objects[index].relative + "\": " + error.what());
}

void PipeChannel::serve() const {
  for (std::uint64_t epoch = 0;; ++epoch) {
    if (epoch > 0 && ::mkfifo(fifo(epoch).c_str(), 0644) != 0) throw_errno("mkfifo " + fifo(epoch).string());
    const UniqueFd out = open_file(fifo(epoch), O_WRONLY);  // waits for the reader
    ::fcntl(out.get(), F_SETPIPE_SZ, 1 << 20);
    for (const std::size_t index : order_of(epoch))
      if (!write_object(index, out.get())) break;
    ::unlink(fifo(epoch).c_str());
  }
}

}  // namespace clary::jobs
