// SPDX-License-Identifier: Apache-2.0
#include "formats/libsvm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "formats/row_reader.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;

Batch read_all(std::string_view text, ReadOptions options = {}, std::int64_t batch_rows = 1 << 20) {
  const auto reader = open_rows(std::as_bytes(std::span(text)), "rows.txt", parse_content_type("text/libsvm"), options);
  Batch all, batch;
  while (reader->next(batch, batch_rows)) append_rows(all, batch, 0, batch.rows);
  return all;
}

std::string failure(std::string_view text, ReadOptions options = {}) {
  try {
    read_all(text, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Libsvm, ReadsLabelsIndicesAndValues) {
  const Batch rows = read_all("1 0:1 3:2.5 10:-4e-1\n-1.5 2:1\n");
  EXPECT_TRUE(rows.sparse);
  EXPECT_EQ(rows.rows, 2);
  EXPECT_EQ(rows.width, 11);
  EXPECT_THAT(rows.labels, ElementsAre(1, -1.5F));
  EXPECT_THAT(rows.columns, ElementsAre(0, 3, 10, 2));
  EXPECT_THAT(rows.values, ElementsAre(1, 2.5F, -0.4F, 1));
  EXPECT_THAT(rows.offsets, ElementsAre(0, 3, 4));
  EXPECT_TRUE(rows.weights.empty());
}

TEST(Libsvm, ReadsWeightsAndQueries) {
  const Batch rows = read_all("1:0.5 qid:7 0:1\n0 qid:8 1:1\n");
  EXPECT_THAT(rows.weights, ElementsAre(0.5F, 1));
  EXPECT_THAT(rows.query_ids, ElementsAre(7, 8));
}

TEST(Libsvm, SkipsCommentsBlankLinesAndCarriageReturns) {
  const Batch rows = read_all("\xEF\xBB\xBF# first\r\n1 0:1 # 5:5\r\n\r\n  \t\n0\t1:2#x\n2");
  EXPECT_THAT(rows.labels, ElementsAre(1, 0, 2));
  EXPECT_THAT(rows.columns, ElementsAre(0, 1));
  EXPECT_THAT(rows.values, ElementsAre(1, 2));
}

TEST(Libsvm, BareIndexIsOneAndOrderDoesNotMatter) {
  const Batch rows = read_all("1 7 3:2 5:1\n");
  EXPECT_THAT(rows.columns, ElementsAre(3, 5, 7));
  EXPECT_THAT(rows.values, ElementsAre(2, 1, 1));
}

TEST(Libsvm, MissingValuesAreAllowedWhereAsked) {
  EXPECT_TRUE(std::isnan(read_all("1 0:nan\n", {.missing_allowed = true}).values[0]));
  EXPECT_EQ(failure("1 0:nan\n"), "rows.txt: line 1: column 5: \"nan\" is not a finite number");
  EXPECT_EQ(failure("1 0:inf\n", {.missing_allowed = true}),
            "rows.txt: line 1: column 5: \"inf\" is not a finite number");
}

TEST(Libsvm, ErrorsNameLineColumnValueAndRule) {
  EXPECT_EQ(failure("1 0:1\nx 0:1\n"), "rows.txt: line 2: column 1: \"x\" is not a number");
  EXPECT_EQ(failure("1 0:1 a:1\n"),
            "rows.txt: line 1: column 7: \"a:1\" is not index:value, with an index that is a whole number >= 0");
  EXPECT_EQ(failure("1 -1:1\n"),
            "rows.txt: line 1: column 3: \"-1:1\" is not index:value, with an index that is a whole number >= 0");
  EXPECT_EQ(failure("1 0:1x\n"), "rows.txt: line 1: column 5: \"1x\" is not a number");
  EXPECT_EQ(failure("1 0:\n"), "rows.txt: line 1: column 5: \"\" is not a number");
  EXPECT_EQ(failure("1 0:1e99\n"), "rows.txt: line 1: column 5: \"1e99\" is outside the range of float32");
  EXPECT_EQ(failure("1 2147483647:1\n"), "rows.txt: line 1: column 3: \"2147483647:1\" has an index above 2147483646");
  EXPECT_EQ(failure("1 3:1 3:2\n"), "rows.txt: line 1: an index appears twice in the row");
  EXPECT_EQ(failure("1 0:1 qid:3\n"),
            "rows.txt: line 1: column 7: \"qid:3\" comes after features, expected after the label");
  EXPECT_EQ(failure("1:-1 0:1\n"), "rows.txt: line 1: column 1: \"1:-1\" has a weight that is negative or missing");
  EXPECT_EQ(failure("1 9:1\n", {.feature_dim = 9}), "rows.txt: line 1: index 9 is not below feature_dim 9");
  EXPECT_EQ(failure("nan 0:1\n", {.missing_allowed = true}),
            "rows.txt: line 1: column 1: \"nan\" is no label, expected a number");
}

TEST(Libsvm, ControlCharactersAreNoBlanks) {  // a zero byte once ended a word without being one: no end
  const std::string text = std::string(600, '\n') + std::string("1 0:1 \0 1:1\n", 12);  // beyond the check for text
  EXPECT_THAT(failure(text), testing::HasSubstr("column 7: \"\\x00\" is not index:value"));
  EXPECT_THAT(failure(text, {.libsvm_request = true}), testing::HasSubstr("column 7: \"\\x00\" is not index:value"));
  EXPECT_THAT(failure(text.substr(600)), testing::HasSubstr("byte 7 is 0: this is a binary file, not text"));
}

TEST(Libsvm, RequestsHaveNoLabelsAndKeepEveryRow) {
  const Batch rows = read_all("1 0:1 3:2\n\n5\n2:1 4:1\n", {.libsvm_request = true});
  EXPECT_EQ(rows.rows, 4);
  EXPECT_EQ(rows.label_width, 0);
  EXPECT_THAT(rows.offsets, ElementsAre(0, 2, 2, 2, 4));
  EXPECT_THAT(failure("1,2,3\n", {.libsvm_request = true}), testing::HasSubstr("column 1: \"1,2,3\" is not a number"));
  EXPECT_THAT(failure("1 2 3\n", {.libsvm_request = true}), testing::HasSubstr("column 3: \"2\" is not index:value"));
}

TEST(Libsvm, ThreadsAndBlocksReadTheSameRows) {
  std::mt19937 random(3);
  std::string text;
  for (int r = 0; r < 60'000; ++r) {
    text += std::to_string(random() % 3);
    int index = 0;
    for (auto i = random() % 20; i > 0; --i) {
      index += 1 + static_cast<int>(random() % 50);
      text += " " + std::to_string(index) + ":";
      if (random() % 2 == 0) {
        text += std::to_string(random() % 10);
      } else {
        text += std::to_string(static_cast<double>(random()) / 1e6);
      }
    }
    text += '\n';
  }
  const Batch whole = read_all(text);
  EXPECT_EQ(whole.rows, 60'000);
  EXPECT_EQ(read_all(text, {.num_threads = 3}), whole);
  EXPECT_EQ(read_all(text, {.as_blocks = true, .num_threads = 3}), whole);
  EXPECT_EQ(read_all(text, {}, 7), whole);
}

TEST(Libsvm, FastAndSlowPathsAgreeAtEveryEndOfTheText) {
  const std::string text = "1 1:2 22:3.25 333:0.125\n0 4444:1234567.5 55555:-1\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::string cut = text.substr(0, size);
    const std::string padded = cut + "\n# " + std::string(64, '-') + "\n";
    Batch a, b;
    std::string first, second;
    try {
      a = read_all(cut);
    } catch (const Error& error) {
      first = error.what();
    }
    try {
      b = read_all(padded);
    } catch (const Error& error) {
      second = error.what();
    }
    EXPECT_EQ(first, second) << size;
    EXPECT_EQ(a, b) << size;
  }
}

}  // namespace
}  // namespace clary::formats
