// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/data/page_stream.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/files.h"

namespace clary::xgboost {
namespace {

constexpr int kPipeBytes = 1 << 20;  // the most that an unprivileged process may ask for

/// The header before the offsets, and where in it the three sizes are.
struct Header {
  std::string bytes;
  std::size_t rows = 0, columns = 0, entries = 0;
};

void append(std::string& out, std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

/// Where the value of a scalar field starts; the value must be 1.
/// The library's binary format of a matrix is not documented and differs by version. Its header is learnt from a 1 x 1
/// matrix that the library itself saves, and only used if it looks as expected; otherwise the documented way is taken.
std::optional<std::size_t> scalar_one(const std::string& bytes, const char* name) {
  std::string pattern = name;
  pattern += '\x04';  // 64 bits, unsigned
  pattern += '\x01';  // one number
  const std::size_t at = bytes.find(pattern);
  std::string one;
  append(one, 1);
  if (at == std::string::npos || bytes.compare(at + pattern.size(), one.size(), one) != 0) return std::nullopt;
  return at + pattern.size();
}

// A memory file: nothing is written to the disk.
std::string saved_bytes(const Matrix& matrix) {
  const UniqueFd fd(memfd_create("clary-xgboost", MFD_CLOEXEC));
  if (fd.get() < 0) return "";
  const std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  matrix.save_binary(path);
  return read_file(path);
}

std::optional<Header> learnt_header() {
  try {
    const float one = 1;
    Header out;
    out.bytes = saved_bytes(Matrix::from_dense({&one, 1}, 1, 1, 1));
    std::string tail;  // two offsets, one entry
    for (const std::uint64_t word : {2, 0, 1, 1}) append(tail, word);
    const Entry entry{0, 1};
    tail.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    const auto rows = scalar_one(out.bytes, "num_row"), columns = scalar_one(out.bytes, "num_col"),
               entries = scalar_one(out.bytes, "num_nonzero");
    if (!rows || !columns || !entries || !out.bytes.ends_with(tail)) return std::nullopt;
    out.bytes.resize(out.bytes.size() - tail.size());
    out.rows = *rows;
    out.columns = *columns;
    out.entries = *entries;
    return out;
  } catch (const Error&) {
    return std::nullopt;
  }
}

const std::optional<Header>& header() {
  // Learnt once a process.
  static const std::optional<Header> learnt = learnt_header();
  return learnt;
}

std::string header_of(const PageShape& shape) {
  std::string out = header()->bytes;
  const auto put = [&](std::size_t at, std::int64_t value) { std::memcpy(out.data() + at, &value, sizeof value); };
  put(header()->rows, shape.rows);
  put(header()->columns, shape.columns);
  put(header()->entries, shape.entries);
  return out;
}

}  // namespace

void PageStream::write(const void* bytes, std::size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t wrote = ::write(fd_, at, size);
    if (wrote < 0) {
      if (errno == EINTR) continue;
      if (errno == EPIPE) throw Error(Kind::kCancelled, "the library stopped reading");
      throw_errno("write to the library");
    }
    at += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
}

// A matrix from a file uses the default number of threads, and sums its width over the hosts of a collective: only
// without either is it the same matrix.
bool can_stream_pages(int threads) { return !is_distributed() && threads == default_threads() && header().has_value(); }

// The library reads the matrix from one end of a pipe while a thread writes the other: the entries exist once, in the
// library.
Matrix matrix_from_stream(const PageShape& shape, const std::function<void(PageStream&)>& write_offsets,
                          const std::function<void(PageStream&)>& write_entries) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe");
  UniqueFd in(ends[0]), out(ends[1]);
  ::fcntl(out.get(), F_SETPIPE_SZ, kPipeBytes);  // smaller is slower, not wrong
  std::exception_ptr problem;
  std::thread writer([&] {
    // A write after the library has closed its end must be EPIPE, not the end of the process.
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
    try {
      PageStream stream(out.get());
      const std::string start = header_of(shape);
      stream.write(start.data(), start.size());
      const std::uint64_t offsets = static_cast<std::uint64_t>(shape.rows) + 1;
      stream.write(&offsets, sizeof offsets);
      write_offsets(stream);
      stream.write(&shape.entries, sizeof shape.entries);
      write_entries(stream);
    } catch (...) {
      problem = std::current_exception();
    }
    // The reader sees the end.
    out = UniqueFd();
  });
  Matrix matrix;
  std::exception_ptr refused;
  try {
    matrix = Matrix::from_file("/proc/self/fd/" + std::to_string(in.get()));
  } catch (...) {
    refused = std::current_exception();
  }
  // Closed before join(): a writer that waits for room in the pipe gets EPIPE.
  in = UniqueFd();  // a writer that is not done notices
  writer.join();
  if (problem) {
    try {
      std::rethrow_exception(problem);
    } catch (const Error& error) {
      // "The library stopped reading" follows from its refusal, which is the error to report.
      if (error.kind() != Kind::kCancelled || !refused) throw;
    }
  }
  if (refused) std::rethrow_exception(refused);
  return matrix;
}

}  // namespace clary::xgboost
