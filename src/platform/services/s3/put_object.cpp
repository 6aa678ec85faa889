// SPDX-License-Identifier: Apache-2.0
// Bodies stream to a file in constant memory: the I/O thread fills a buffer, a worker writes and hashes it. A body that
// fits one buffer costs one hop.
#include "platform/objects/checksum.h"
#include "platform/services/s3/digests.h"
#include "platform/services/s3/errors.h"
#include "platform/services/s3/metadata.h"
#include "platform/services/s3/operations.h"

namespace clary::s3 {

namespace {

using http::asio::awaitable;

constexpr std::size_t kBufferBytes = 1 << 20;

/// Bytes 0 .. returned; less than the buffer only at the body's end.
/// Buffers are filled completely, so that each hop to a worker writes a whole buffer.
awaitable<std::size_t> fill(http::BodySource& body, std::span<std::byte> buffer) {
  std::size_t filled = 0;
  while (filled < buffer.size()) {
    const std::size_t n = co_await body.read_some(buffer.subspan(filled));
    if (n == 0) break;
    filled += n;
  }
  co_return filled;
}

[[noreturn]] void too_large(std::uint64_t size) {
  fail(Code::kEntityTooLarge, {},
       {{"ProposedSize", std::to_string(size)}, {"MaxSizeAllowed", std::to_string(objects::kMaxPutBytes)}});
}

void check_length(const S3Request& in) {
  // S3 requires a length or chunks; without either the body's end could not be recognised.
  if (!in.header("Content-Length") && !in.header("Transfer-Encoding")) fail(Code::kMissingContentLength);
  if (const auto size = in.http.body.size(); size && *size > objects::kMaxPutBytes) too_large(*size);
}

/// Reads the body to its end (which is where the edge checks hashes and trailers), verifies it, and commits.
/// Nothing is visible before commit(): an upload that is interrupted anywhere drops its file.
template <class Commit>
awaitable<std::invoke_result_t<Commit&, objects::Upload&>> receive(S3Request& in, Context& context,
                                                                   const ExpectedDigests& expected, Commit commit) {
  const auto size = in.http.body.size();
  // One byte more than the body: its end is then seen in the same read, and a small body needs no second hop.
  std::vector<std::byte> buffer(size ? static_cast<std::size_t>(std::min<std::uint64_t>(*size + 1, kBufferBytes))
                                     : kBufferBytes);
  std::optional<objects::Upload> upload;
  std::uint64_t total = 0;
  for (;;) {
    const std::size_t n = co_await fill(in.http.body, buffer);
    total += n;
    // A body without a length is measured while it comes.
    if (total > objects::kMaxPutBytes) too_large(total);
    // The file is created by the worker too, since open() may block. Hops are strictly one after another: `upload` is
    // used by one thread at a time.
    const auto write = [&] {
      if (!upload) upload.emplace(context.store.begin(expected.algorithm));
      upload->write(std::span(buffer).first(n));
    };
    if (n == buffer.size()) {
      co_await http::offload(context.workers, write);
      continue;
    }
    // The last piece, the digests and the commit (fsync, transaction) in one hop.
    co_return co_await http::offload(context.workers, [&] {
      write();
      verify(*upload, expected);
      return commit(*upload);
    });
  }
}

}  // namespace

int part_number(const S3Request& in) {
  const auto text = in.parameter("partNumber");
  if (!text || text->empty()) fail_argument("partNumber", "", "Part number must be given");
  return in.integer("partNumber", 1, objects::kMaxParts, 0);
}

awaitable<Response> put_object(S3Request& in, Context& context) {
  check_length(in);
  objects::PutOptions options = put_options(in);
  take_write_conditions(in, options.if_absent, options.if_match);
  const ExpectedDigests expected = expected_digests(in);
  // The early check saves the client an upload of gigabytes; between it and the commit the key may still change.
  if (options.if_absent || options.if_match)  // refused before the body when it can be; decided in the transaction
    co_await http::offload(context.workers, [&] { context.store.check_conditions(in.bucket, in.key, options); });
  const auto object = co_await receive(
      in, context, expected, [&](objects::Upload& upload) { return upload.commit(in.bucket, in.key, options); });
  Response out;
  out.headers.set("ETag", in_quotes(object.etag));
  add_checksum(out.headers, object);
  add_encryption(out.headers, object.headers);
  co_return out;
}

awaitable<Response> upload_part(S3Request& in, Context& context) {
  check_length(in);
  const int number = part_number(in);
  const std::string id(in.parameter("uploadId").value_or(""));
  ExpectedDigests expected = expected_digests(in);
  const auto upload =
      // The upload must exist before bytes are taken.
      co_await http::offload(context.workers, [&] { return context.store.multipart(in.bucket, in.key, id); });
  // The upload's algorithm applies to each part, even if the client gave none with this one.
  if (const auto kind = objects::checksum_named(upload.checksum_algorithm)) {
    if (expected.algorithm && expected.algorithm != kind)
      fail(Code::kInvalidRequest,
           "Checksum Type mismatch occurred, expected checksum Type: " + upload.checksum_algorithm +
               ", actual checksum Type: " + std::string(objects::checksum_name(*expected.algorithm)));
    expected.algorithm = kind;
  }
  const auto part = co_await receive(in, context, expected, [&](objects::Upload& received) {
    return received.commit_part(in.bucket, in.key, id, number);
  });
  Response out;
  out.headers.set("ETag", in_quotes(part.etag));
  if (expected.algorithm) out.headers.set(checksum_header(objects::checksum_name(*expected.algorithm)), part.checksum);
  co_return out;
}

}  // namespace clary::s3
