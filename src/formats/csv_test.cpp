// SPDX-License-Identifier: Apache-2.0
#include "formats/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <random>

#include "base/error.h"
#include "formats/number.h"
#include "formats/row_reader.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Batch read_all(std::string_view text, std::string_view type, ReadOptions options, std::int64_t batch_rows = 1 << 20) {
  const auto reader = open_rows(std::as_bytes(std::span(text)), "rows.csv", parse_content_type(type), options);
  Batch all, batch;
  while (reader->next(batch, batch_rows)) append_rows(all, batch, 0, batch.rows);
  EXPECT_EQ(reader->rows_read(), all.rows);
  return all;
}

Batch read_plain(std::string_view text) { return read_all(text, "text/csv;label_size=0", {}); }

std::string failure(std::string_view text, std::string_view type, ReadOptions options) {
  try {
    read_all(text, type, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// The fast path needs readable bytes before the number, as it has inside a file.
bool parse_short(const std::string& number, float& out) {
  const std::string padded = "????????????????" + number;
  return parse_short_decimal(padded.data() + 16, padded.data() + padded.size(), out);
}

float reference(const std::string& number) {
  float value = 0;
  std::from_chars(number.data(), number.data() + number.size(), value);
  return value;
}

TEST(Csv, OtherDelimitersReadTheSameRows) {
  const Batch expected = read_plain("1,2.5,-3\n4,5,6\n");
  for (const char* type : {"text/csv;label_size=0;delimiter=tab", "text/csv;label_size=0;delimiter=\"\\t\""})
    EXPECT_EQ(read_all("1\t2.5\t-3\r\n4\t5\t6", type, {}), expected);
  EXPECT_EQ(read_all("1;2.5;-3\n4;5;6\n", "text/csv;label_size=0;delimiter=\";\"", {}), expected);
  EXPECT_EQ(read_all("1|2.5|-3\n4|5|6\n", "text/csv;label_size=0", {.delimiter = '|'}), expected);
  EXPECT_THROW(read_all("1", "text/csv;delimiter=ab", {}), Error);
  EXPECT_THROW(read_all("1", "text/csv;delimiter=1", {}), Error);
}

TEST(Csv, DelimitersAreGuessedAsPythonsSnifferDoesForOneLine) {
  EXPECT_EQ(guess_delimiter("1,2;3"), ',');
  EXPECT_EQ(guess_delimiter("1\t2;3"), '\t');
  EXPECT_EQ(guess_delimiter("1;2 3"), ';');
  EXPECT_EQ(guess_delimiter("1|2|3"), '|');
  EXPECT_EQ(guess_delimiter("-1.5e-3"), ',');
  EXPECT_EQ(guess_delimiter(""), ',');
}

TEST(Csv, MissingValuesAreAllowedWhereAsked) {
  const Batch rows = read_all("1,,nan\n2,NA,7\n", "text/csv", {.missing_allowed = true});
  EXPECT_THAT(rows.labels, ElementsAre(1, 2));
  EXPECT_TRUE(std::isnan(rows.values[0]) && std::isnan(rows.values[1]) && std::isnan(rows.values[2]));
  EXPECT_EQ(rows.values[3], 7);
  EXPECT_THAT(failure("1,inf\n", "text/csv", {.missing_allowed = true}), HasSubstr("infinite"));
  EXPECT_THAT(failure("1,\"2\"\n", "text/csv", {.missing_allowed = true}), HasSubstr("in quotes"));
  EXPECT_THAT(failure(",2\n", "text/csv", {.missing_allowed = true}), HasSubstr("missing label or weight"));
  EXPECT_THAT(failure("1,2x\n", "text/csv", {.missing_allowed = true}), HasSubstr("is not a number"));
}

TEST(CsvNumber, ShortDecimalsRoundAsTheStandardLibraryDoes) {
  std::mt19937_64 random(7);
  int fast = 0;
  for (int i = 0; i < 400000; ++i) {
    const auto digits = 1 + random() % 15;
    std::string number = random() % 3 == 0 ? "-" : "";
    for (std::size_t d = 0; d < digits; ++d) number += static_cast<char>('0' + random() % 10);
    const std::size_t sign = number[0] == '-' ? 1 : 0;
    if (random() % 4 != 0) number.insert(sign + random() % (digits + 1), ".");
    float value = -1;
    if (!parse_short(number, value)) continue;
    ++fast;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(reference(number))) << number;
  }
  EXPECT_GT(fast, 390000);
}

TEST(CsvNumber, LongDecimalsRoundAsTheStandardLibraryDoes) {
  std::mt19937_64 random(9);
  int fast = 0;
  for (int i = 0; i < 400000; ++i) {
    char text[64];
    double number = std::bit_cast<double>((random() & 0x800FFFFFFFFFFFFF) | (1023 - 40 + random() % 80) << 52);
    if (i % 3 == 0) {  // near the middle between two floats, where rounding twice would show
      const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(number)) & ~1U;
      number =
          (static_cast<double>(std::bit_cast<float>(bits)) + static_cast<double>(std::bit_cast<float>(bits + 1))) / 2;
      if (i % 2 == 0) number = std::nextafter(number, random() % 2 == 0 ? 1e300 : -1e300);
    }
    const char* const forms[] = {"%.18e", "%.17g", "%.15f", "%.20f"};
    std::snprintf(text, sizeof text, forms[random() % 4], number);
    float value = -1;
    const std::string padded = "????????????????" + std::string(text);
    if (!parse_long_decimal(padded.data() + 16, padded.data() + padded.size(), value)) continue;
    ++fast;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(reference(text))) << text;
  }
  EXPECT_GT(fast, 150000);
  for (const std::string bad :
       {"1.2345678901234567x", "1.234567890123456.1", "1.2345678901234567e", "1.2345678901234567e+",
        "1.2345678901234567e1000", "12345678901234567890", "1.23456789012e4567"}) {
    float value = 0;
    EXPECT_FALSE(parse_long_decimal(bad.data(), bad.data() + bad.size(), value)) << bad;
  }
}

TEST(CsvNumber, LeavesMidpointsToTheExactParser) {
  // 16777217 lies between two floats; one digit more decides, and double arithmetic would not see it.
  for (const std::string number :
       {"16777217", "16777217.0", "16777219", "16777217.000001", "16777216.999999", "8388608.5"}) {
    float value = 0;
    if (parse_short(number, value)) {
      EXPECT_EQ(value, reference(number)) << number;
    }
    EXPECT_EQ(read_plain(number + ",1\n").values[0], reference(number)) << number;
  }
}

TEST(CsvNumber, RefusesWhatIsNoPlainDecimal) {
  for (const std::string text :
       {".", "-", "-.", "--1", "1-", "1.2.3", "1e5", "0x10", " 1", "1 ", "12345678a", "a2345678", "1.23456789.1",
        "\"1\"", "12345678901234567", "1,2", "\xff\xff", "1234567\x80"}) {
    float value = 0;
    EXPECT_FALSE(parse_short(text, value)) << text;
  }
}

TEST(Csv, ReadsNumbersInEveryForm) {
  const Batch rows =
      read_plain("1,-2,+3,4.5,.5,6.,1e3,-1.5E-2, 7 ,\"8\",\"-9.25\",0.1234567890123456789,3.4e38,1e-45\r\n");
  EXPECT_THAT(rows.values,
              ElementsAre(1, -2, 3, 4.5F, .5F, 6, 1e3F, -1.5e-2F, 7, 8, -9.25F, 0.12345678901234568F, 3.4e38F, 1e-45F));
}

TEST(Csv, SkipsBlankLinesAndAByteOrderMark) {
  const Batch rows = read_plain("\xEF\xBB\xBF\n1,2\n\n  \n\r\n3,4\r\n\n");
  EXPECT_THAT(rows.values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read_plain("5\n\n6").values, ElementsAre(5, 6));
}

// The position in the list of separators went out of step with the text, and an error quoted bytes behind the body.
TEST(Csv, ALineOfSeparatorsThatAreBlanksIsARow) {
  EXPECT_THAT(failure("5\n\t\n7\n8\n", "text/csv;delimiter=tab;label_size=0", {}), HasSubstr("line 2"));
  const Batch rows = read_all("1\t2\n\t\n \n3\t4\n", "text/csv;delimiter=tab;label_size=0", {.missing_allowed = true});
  EXPECT_EQ(rows.rows, 3);
  EXPECT_TRUE(std::isnan(rows.values[2]) && std::isnan(rows.values[3]));
  EXPECT_EQ(rows.values[5], 4);
}

TEST(Csv, ReadsRunsOfOneDigitFields) {
  std::string text;
  std::vector<float> expected;
  std::mt19937 random(3);
  for (int r = 0; r < 200; ++r) {
    for (int d = 0; d < 37; ++d) {
      const int value = static_cast<int>(random() % (random() % 20 == 0 ? 1000 : 10));
      text += std::to_string(value) + (d == 36 ? "\n" : ",");
      expected.push_back(static_cast<float>(value));
    }
  }
  EXPECT_EQ(read_plain(text).values, expected);
  Batch sparse = read_all(text, "text/csv;label_size=0", {.layout = Layout::kSparse}, 7);
  EXPECT_TRUE(sparse.sparse);
  make_dense(sparse);
  EXPECT_EQ(sparse.values, expected);
}

TEST(Csv, LabelsComeFirst) {
  const Batch one = read_all("7,1,2\n8,3,4\n", "text/csv", {});
  EXPECT_THAT(one.labels, ElementsAre(7, 8));
  EXPECT_THAT(one.values, ElementsAre(1, 2, 3, 4));
  const Batch two = read_all("7,1,2\n8,3,4\n", "text/csv; LABEL_SIZE=2", {});
  EXPECT_EQ(two.label_width, 2);
  EXPECT_THAT(two.labels, ElementsAre(7, 1, 8, 3));
  EXPECT_THAT(two.values, ElementsAre(2, 4));
  const Batch ignored = read_all("7,1,2\n8,3,4\n", "text/csv", {.ignore_labels = true});
  EXPECT_EQ(ignored.label_width, 0);
  EXPECT_TRUE(ignored.labels.empty());
  EXPECT_THAT(ignored.values, ElementsAre(1, 2, 3, 4));
}

TEST(Csv, OptionalLabelDependsOnTheWidth) {
  const ReadOptions options{.feature_dim = 2, .label_optional = true};
  EXPECT_THAT(read_all("1,2\n", "text/csv", options).values, ElementsAre(1, 2));
  EXPECT_THAT(read_all("9,1,2\n", "text/csv", options).values, ElementsAre(1, 2));
  EXPECT_THAT(failure("1,2\n", "text/csv;label_size=1", options), HasSubstr("2 columns, expected 3"));
}

TEST(Csv, HeaderIsSkippedWhenDeclared) {
  EXPECT_THAT(read_all("a,b\n1,2\n", "text/csv;label_size=0;header=present", {}).values, ElementsAre(1, 2));
  EXPECT_THAT(failure("a,b\n1,2\n", "text/csv;label_size=0", {}), HasSubstr("header=present"));
}

TEST(Csv, MissingValuesAreNaNOnlyWhenAllowed) {
  const Batch rows = read_all("1,,nan\n-inf,2,\"\"\n", "text/csv;label_size=0", {.allow_non_finite = true});
  EXPECT_TRUE(std::isnan(rows.values[1]) && std::isnan(rows.values[2]) && std::isnan(rows.values[5]));
  EXPECT_EQ(rows.values[3], -INFINITY);
}

TEST(Csv, ColumnNumbersInErrorsSurviveRunsAndLongNumbers) {
  EXPECT_THAT(failure("1,2,3,4,5,6,7,8,9,10,x\n", "text/csv;label_size=0", {}), HasSubstr("line 1: column 11: \"x\""));
}

TEST(Csv, EveryMistakeNamesFileLineColumnValueAndRule) {
  struct Case {
    std::string text, type, message;
  };
  const std::vector<Case> cases = {
      {"1,2\n3,4,5\n", "text/csv;label_size=0", "rows.csv: line 2: the row has 3 columns, expected 2"},
      {"1,2\n3\n", "text/csv;label_size=0", "rows.csv: line 2: the row has 1 columns, expected 2"},
      {"1,2\n\n3,4\n5", "text/csv;label_size=0", "rows.csv: line 4: the row has 1 columns, expected 2"},
      {"1,2\n3,abc\n", "text/csv;label_size=0", "rows.csv: line 2: column 2: \"abc\" is not a number"},
      {"1,2\n,4\n", "text/csv;label_size=0", "rows.csv: line 2: column 1: the field is empty"},
      {"1,2\n3,NaN\n", "text/csv;label_size=0", "rows.csv: line 2: column 2: \"NaN\" is not a finite number"},
      {"1,2\n3,-Infinity\n", "text/csv;label_size=0", "\"-Infinity\" is not a finite number"},
      {"1,2\n3,4e38\n", "text/csv;label_size=0", "\"4e38\" is outside the range of float32"},
      {"1,2\n3,\xff\xfe\n", "text/csv;label_size=0", "column 2: \"\\xFF\\xFE\" is not a number"},
      {"1\n", "text/csv", "line 1: the row has 1 columns, no features beside the 1 of label_size"},
      {"1,2\n", "text/csv;label_size=x", "label_size: \"x\" is not an integer"},
      {"1,2\n", "text/csv;charset=utf-16", "only utf-8 is supported"},
      {"1,2\n", "image/png", "\"image/png\" is not supported for rows"},
  };
  for (const Case& c : cases) EXPECT_THAT(failure(c.text, c.type, {}), HasSubstr(c.message)) << c.text;
  EXPECT_THAT(failure("1,2\n", "text/csv;label_size=0", {.feature_dim = 3}), HasSubstr("2 columns, expected 3"));
}

TEST(Csv, ALineAboveTheLimitIsRefused) {
  const std::string text = std::string(3 << 20, '1') + "\n";
  EXPECT_THAT(failure(text, "text/csv;label_size=0", {.max_row_bytes = 1 << 20}),
              HasSubstr("a line exceeds 1048576 bytes"));
}

TEST(Csv, CutAtEveryByteGivesRowsOrOneMalformedError) {
  const std::string text = "1,2.25,-3\n\"4\",5e1,6\r\n\n7,8,9\n";
  for (std::size_t size = 0; size <= text.size(); ++size) {
    try {
      const Batch rows = read_plain(std::string(text.data(), size));
      EXPECT_LE(rows.rows, 3);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed) << error.what();
    }
  }
}

}  // namespace
}  // namespace clary::formats
