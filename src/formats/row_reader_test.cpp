// SPDX-License-Identifier: Apache-2.0
#include "formats/row_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <random>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "formats/record_proto.h"
#include "formats/recordio.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::string gzipped(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Batch drain(RowReader& reader, std::int64_t batch_rows) {
  Batch all, batch;
  while (reader.next(batch, batch_rows)) {
    EXPECT_LE(batch.rows, batch_rows);
    append_rows(all, batch, 0, batch.rows);
  }
  return all;
}

class RowReaderTest : public ::testing::Test {
 protected:
  InputFile file(const std::string& name, std::string_view content) {
    fs::create_directories((folder_.path() / name).parent_path());
    write_file_atomically(folder_.path() / name, content);
    return {folder_.path() / name, name};
  }
  /// Feeds `content` in small pieces through a pipe.
  static Batch through_pipe(const std::string& content, const ContentType& type, const ReadOptions& options) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    std::thread writer([fd = ends[1], &content] {
      for (std::size_t at = 0; at < content.size();) {
        const auto n = ::write(fd, content.data() + at, std::min<std::size_t>(777, content.size() - at));
        if (n <= 0) break;
        at += static_cast<std::size_t>(n);
      }
      ::close(fd);
    });
    Batch rows;
    try {
      const auto reader = open_rows(UniqueFd(ends[0]), "train_0", type, options);
      rows = drain(*reader, 100);
    } catch (...) {
      writer.join();
      throw;
    }
    writer.join();
    return rows;
  }
  TemporaryFolder folder_;
  ContentType csv_ = parse_content_type("text/csv;label_size=1");
  ContentType records_ = parse_content_type("application/x-recordio-protobuf");
};

/// Enough rows for many blocks, of both formats, with the same content.
struct Made {
  std::string csv, records, sparse_records;
  Batch rows;
};
Made make_rows(std::int64_t n, std::int64_t width) {
  Made made;
  RecordWriter dense(made.records), sparse(made.sparse_records);
  std::mt19937 random(5);
  made.rows.width = width;
  made.rows.label_width = 1;
  std::vector<float> row(static_cast<std::size_t>(width));
  for (std::int64_t r = 0; r < n; ++r) {
    const float label = static_cast<float>(r % 20);
    made.csv += std::to_string(r % 20);
    std::vector<std::int32_t> columns;
    std::vector<float> values;
    for (std::size_t d = 0; d < row.size(); ++d) {
      row[d] = random() % 4 == 0 ? static_cast<float>(random() % 4000) / 16 : 0;
      char text[32];
      made.csv += row[d] == 0 ? ",0"
                              : std::string(text, static_cast<std::size_t>(std::snprintf(text, sizeof text, ",%.4f",
                                                                                         static_cast<double>(row[d]))));
      if (row[d] != 0) {
        columns.push_back(static_cast<std::int32_t>(d));
        values.push_back(row[d]);
      }
    }
    made.csv += '\n';
    dense.write_dense(row, std::span(&label, 1));
    sparse.write_sparse(columns, values, width, std::span(&label, 1));
    made.rows.values.insert(made.rows.values.end(), row.begin(), row.end());
    made.rows.labels.push_back(label);
    ++made.rows.rows;
  }
  return made;
}

TEST_F(RowReaderTest, SameRowsFromEveryFormatLayoutThreadsAndSource) {
  const Made made = make_rows(6000, 150);
  ASSERT_GT(made.csv.size(), 3U << 20);
  struct Source {
    std::string name, content;
    ContentType type;
  };
  for (const Source& source : {Source{"csv", made.csv, csv_}, Source{"dense", made.records, records_},
                               Source{"sparse", made.sparse_records, records_}}) {
    const auto half = source.name == "csv" ? source.content.find('\n', source.content.size() / 2) + 1 : std::size_t{0};
    std::vector<InputFile> files;
    if (half > 0)
      files.push_back(file(source.name + "/1", source.content.substr(0, half - 1)));  // no newline at the end
    files.push_back(file(source.name + "/2", source.content.substr(half)));
    files.push_back(file(source.name + "/3", ""));
    for (const int threads : {1, 3}) {
      for (const Layout layout : {Layout::kAsData, Layout::kDense, Layout::kSparse}) {
        SCOPED_TRACE(source.name + " threads " + std::to_string(threads) + " layout " +
                     std::to_string(static_cast<int>(layout)));
        const ReadOptions options{.layout = layout, .num_threads = threads};
        for (const std::int64_t batch_rows : {1000000, 64}) {
          Batch rows = drain(*open_rows(files, source.type, options), batch_rows);
          EXPECT_EQ(rows.sparse, layout == Layout::kSparse || (layout == Layout::kAsData && source.name == "sparse"));
          make_dense(rows);
          EXPECT_TRUE(rows == made.rows);
        }
        Batch piped = through_pipe(source.content, source.type, options);
        make_dense(piped);
        EXPECT_TRUE(piped == made.rows);
      }
    }
  }
}

TEST_F(RowReaderTest, GunzipsFilesAndPipesWithSeveralMembers) {
  // A user's report: gzipped CSV in Pipe mode lost all rows after the first member.
  const Made made = make_rows(3000, 50);
  const std::size_t half = made.csv.size() / 2;
  const std::string zipped =
      gzipped(made.csv.substr(0, half)) + gzipped("") + gzipped(made.csv.substr(half)) + std::string(7, '\0');
  EXPECT_TRUE(drain(*open_rows({file("a.csv.gz", zipped)}, csv_, {}), 500) == made.rows);
  EXPECT_TRUE(through_pipe(zipped, csv_, {}) == made.rows);
  EXPECT_TRUE(through_pipe(gzipped(made.records), records_, {.num_threads = 2}) == made.rows);
}

TEST_F(RowReaderTest, DamagedGzipIsNamed) {
  const std::string zipped = gzipped("1,2\n3,4\n");
  for (std::size_t size = 2; size < zipped.size(); ++size) {
    try {
      drain(*open_rows({file("cut.gz", zipped.substr(0, size))}, csv_, {}), 10);
      ADD_FAILURE() << "cut at " << size;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cut.gz: the gzip data is cut"));
      EXPECT_EQ(error.kind(), Kind::kMalformed);
    }
  }
  EXPECT_THROW(drain(*open_rows({file("tail.gz", zipped + "x")}, csv_, {}), 10), Error);
}

std::string failure(RowReader& reader) {
  try {
    drain(reader, 100);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(RowReaderTest, ErrorsNameTheFileAndTheLineWithinIt) {
  std::string big = "1,2\n";
  while (big.size() < (5U << 20)) big += "1,22222222\n";
  const auto lines = std::count(big.begin(), big.end(), '\n');
  const auto good = file("0.csv", "1,2\n\n3,4");
  const auto bad = file("1.csv", big + "1,2,3\n");
  for (const int threads : {1, 2}) {
    EXPECT_EQ(failure(*open_rows({good, bad}, csv_, {.num_threads = threads})),
              "1.csv: line " + std::to_string(lines + 1) + ": the row has 3 columns, expected 2");
  }
}

TEST_F(RowReaderTest, ErrorsNameTheRecordAndItsByte) {
  const Made made = make_rows(4000, 100);
  std::string cut = made.records.substr(0, made.records.size() - 10);
  EXPECT_THAT(failure(*open_rows({file("cut.pbr", cut)}, records_, {})), HasSubstr("cut.pbr: record 4000: byte "));
  EXPECT_THAT(failure(*open_rows({file("cut.pbr", cut)}, records_, {.num_threads = 2})),
              HasSubstr("bytes are missing"));
  std::string wrong = made.records;
  wrong[wrong.size() / 2 / 4 * 4] = '!';
  wrong.replace(wrong.size() / 4, 8, "ABCDEFGH");
  EXPECT_THAT(failure(*open_rows({file("wrong.pbr", wrong)}, records_, {})), HasSubstr("wrong.pbr: record 1"));
  EXPECT_THAT(failure(*open_rows({file("text.pbr", "1,2,3\n4,5,6\n")}, records_, {})),
              HasSubstr("text.pbr: record 1: byte 0: wrong RecordIO magic number 0x2C322C31"));
  EXPECT_THAT(failure(*open_rows({file("a.pbr", made.records)}, records_, {.feature_dim = 99})),
              HasSubstr("a.pbr: record 1: byte 0: the record has 100 features, expected 99 (feature_dim)"));
}

TEST_F(RowReaderTest, ListsFilesSortedWithoutHiddenOnes) {
  for (const char* name : {"b", "a/z", "a/.hidden", ".amazon.manifest", ".git/x", "a0"}) file(name, "1,2\n");
  std::vector<std::string> names;
  for (const auto& input : list_input_files(folder_.path())) names.push_back(input.name);
  EXPECT_THAT(names, ElementsAre("a/z", "a0", "b"));
}

TEST_F(RowReaderTest, AReaderCanBeDroppedInTheMiddle) {
  const Made made = make_rows(6000, 150);
  const auto input = file("a.csv", made.csv);
  for (int i = 0; i < 20; ++i) {
    const auto reader = open_rows({input}, csv_, {.num_threads = 3});
    Batch batch;
    reader->next(batch, 10);
  }
}

TEST_F(RowReaderTest, MixedDenseAndSparseRecordsBecomeSparse) {
  std::string bytes;
  RecordWriter writer(bytes);
  writer.write_dense(std::vector<float>{0, 1, 2});
  writer.write_sparse(std::vector<std::int32_t>{2}, std::vector<float>{5}, 3);
  writer.write_dense(std::vector<float>{3, 0, 0});
  for (const int threads : {1, 2}) {
    const Batch rows = drain(*open_rows({file("m", bytes)}, records_, {.num_threads = threads}), 10);
    EXPECT_TRUE(rows.sparse);
    EXPECT_THAT(rows.offsets, ElementsAre(0, 2, 3, 4));
    EXPECT_THAT(rows.columns, ElementsAre(1, 2, 2, 0));
    EXPECT_THAT(rows.values, ElementsAre(1, 2, 5, 3));
  }
}

TEST_F(RowReaderTest, LabelsOutsideTheRuleAreNamedWithTheirPlace) {
  ReadOptions options;
  options.label_rule = LabelRule{.low = 0, .high = 2, .whole = true, .words = "a class"};
  const auto problem = [&](const std::string& type, std::string_view text) {
    try {
      drain(*open_rows({file("f", text)}, parse_content_type(type), options), 10);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  for (const int threads : {1, 2}) {
    options.num_threads = threads;
    EXPECT_EQ(problem("text/csv", "0,5\n2,5\n"), "accepted");
    EXPECT_EQ(problem("text/csv", "0,5\n3,5\n"), "f: line 2: column 1: label 3 is not a class");
    EXPECT_EQ(problem("text/csv;label_size=2", "0,1,5\n"),
              "f: line 1: the row has 2 labels (label_size), expected one");
    EXPECT_EQ(problem("text/libsvm", "0 1:1\n\n0.5 1:1\n"), "f: line 3: column 1: label 0.5 is not a class");
  }
}

}  // namespace
}  // namespace clary::formats
