// SPDX-License-Identifier: Apache-2.0
// Reads one file of rows, over and over, and prints the best time as JSON: ours, or libprotobuf as its peer. Driven by
// formats_reading.py, which makes the files, runs pandas in the same run and prints the ratios.
//   formats_reading clary FILE CONTENT_TYPE THREADS REPEATS [sparse|memory]   memory: the bytes are there before the
//   clock formats_reading protobuf FILE parse|rows REPEATS      parse only, or parse and copy into the same Batch
#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/files.h"
#include "formats/record_proto.h"
#include "formats/recordio.h"
#include "formats/row_reader.h"
#include "record.pb.h"

namespace {

using namespace clary::formats;
constexpr std::int64_t kBatchRows = 1024;

struct Result {
  std::int64_t rows = 0;
  std::int64_t numbers = 0;
  double sum = 0;  // of all values: proof that both sides read the same
};

void add(Result& result, const Batch& batch) {
  result.rows += batch.rows;
  result.numbers += static_cast<std::int64_t>(batch.values.size());
}

/// The sum is taken in a pass of its own, outside the clock.
double sum_of(const Batch& batch) {
  double sum = 0;
  for (const float v : batch.values) sum += static_cast<double>(v);
  return sum;
}

struct Ours {
  std::string file, type;
  ReadOptions options;
  std::string bytes;  // when not empty, read these instead of the file
};

Result read_clary(const Ours& ours, Batch& batch, bool with_sum) {
  const ContentType type = parse_content_type(ours.type);
  const auto reader = ours.bytes.empty()
                          ? open_rows({{ours.file, ""}}, type, ours.options)
                          : open_rows(std::as_bytes(std::span(ours.bytes)), ours.file, type, ours.options);
  Result result;
  while (reader->next(batch, kBatchRows)) {
    add(result, batch);
    if (with_sum) result.sum += sum_of(batch);
  }
  return result;
}

/// One record of libprotobuf as a row of the batch: what a reader built on it has to do at least.
void append(Batch& batch, const clary::formats::peer::Record& record) {
  const auto& tensor = record.features().at("values").float32_tensor();
  batch.values.insert(batch.values.end(), tensor.values().begin(), tensor.values().end());
  if (tensor.keys_size() > 0) {
    batch.sparse = true;
    for (const auto key : tensor.keys()) batch.columns.push_back(static_cast<std::int32_t>(key));
    batch.offsets.push_back(static_cast<std::int64_t>(batch.values.size()));
  }
  ++batch.rows;
}

Result read_protobuf(const std::string& bytes, Batch& batch, bool rows, bool with_sum) {
  RecordIoReader reader(std::as_bytes(std::span(bytes)), "peer");
  Result result;
  clary::formats::peer::Record record;  // one object: its memory is reused
  const auto flush = [&] {
    add(result, batch);
    if (with_sum) result.sum += sum_of(batch);
    batch.values.clear();
    batch.columns.clear();
    batch.offsets.clear();
    batch.rows = 0;
  };
  while (const auto next = reader.next()) {
    record.ParseFromArray(next->payload.data(), static_cast<int>(next->payload.size()));
    if (rows) append(batch, record);
    if (batch.rows == kBatchRows) flush();
  }
  flush();
  return result;
}

/// Best time of `repeats` calls; the memory of earlier ones is there to be reused, on both sides.
double best_seconds(int repeats, const std::function<void()>& read) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    read();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

void print(const Result& checked, double best) {
  fmt::print("{{\"seconds\": {:.9f}, \"rows\": {}, \"numbers\": {}, \"sum\": {:.9g}}}\n", best, checked.rows,
             checked.numbers, checked.sum);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() < 4) {
    fmt::print(stderr, "usage: see the head of formats_reading.cpp\n");
    return 2;
  }
  Batch batch;
  if (args[0] == "clary" && args.size() >= 5) {
    Ours ours{args[1], args[2], {.label_size = 0, .num_threads = std::stoi(args[3])}, ""};
    const std::string how = args.size() > 5 ? args[5] : "";
    if (how == "sparse") ours.options.layout = Layout::kSparse;
    if (how == "memory") ours.bytes = clary::read_file(args[1], std::numeric_limits<std::uint64_t>::max());
    const double best = best_seconds(std::stoi(args[4]), [&] { read_clary(ours, batch, false); });
    print(read_clary(ours, batch, true), best);
  } else {
    const std::string bytes = clary::read_file(args[1], std::numeric_limits<std::uint64_t>::max());
    const double best =
        best_seconds(std::stoi(args[3]), [&] { read_protobuf(bytes, batch, args[2] == "rows", false); });
    print(read_protobuf(bytes, batch, true, true), best);
  }
  return 0;
}
