// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/encode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "base/json.h"

namespace clary::shell {
namespace {

std::string shown(float value) {
  std::string out;
  append_number(out, value);
  return out;
}

Predictions sample() {
  Predictions out{2, {}};
  out.columns.push_back(Column::of_numbers("predicted_label", {0.0F, 2.0F}));
  out.columns.push_back(Column::of_lists("distances", {3.117924F, 1e-5F, 6.5F, 7.0F}, 2));
  out.columns.push_back(Column::of_texts("note", {"a,b", "\xc3\xa4\n"}));
  out.columns.push_back(Column::of_text_lists("ids", {"x", "y", "z"}, {0, 1, 3}));
  return out;
}

TEST(Encode, NumbersAreShortAndExact) {
  EXPECT_EQ(shown(0.0F), "0.0");
  EXPECT_EQ(shown(2.0F), "2.0");
  EXPECT_EQ(shown(-1.5F), "-1.5");
  EXPECT_EQ(shown(0.12917565F), "0.12917565");
  EXPECT_EQ(shown(16777216.0F), "16777216.0");
  EXPECT_EQ(shown(NAN), "null");
  EXPECT_EQ(shown(INFINITY), "null");
  for (const float value : {1e-38F, 3.4e38F, 0.1F, 1.0F / 3.0F, 123456.789F, 1e10F})
    EXPECT_EQ(std::strtof(shown(value).c_str(), nullptr), value);
}

TEST(Encode, DoublesReadAsPythonWritesThem) {
  const auto as_double = [](float value) {
    std::string out;
    append_number(out, value, Column::Digits::kDouble);
    return out;
  };
  EXPECT_EQ(as_double(11.719074F), "11.719074249267578");
  EXPECT_EQ(as_double(0.1F), "0.10000000149011612");
  EXPECT_EQ(as_double(0.0F), "0.0");
  EXPECT_EQ(as_double(100000.0F), "100000.0");
  EXPECT_EQ(as_double(1e-5F), "9.999999747378752e-06");
  EXPECT_EQ(as_double(-1e20F), "-1.0000000200408773e+20");
  EXPECT_EQ(as_double(3.4028235e38F), "3.4028234663852886e+38");
  EXPECT_EQ(as_double(NAN), "null");
}

TEST(Encode, IntegersHaveNoPoint) {
  Predictions out{2, {}};
  out.columns.push_back(Column::of_numbers("predicted_label", {0, 12}).written_as(Column::Digits::kInteger));
  EXPECT_EQ(encode(out, formats::Format::kJsonLines), "{\"predicted_label\": 0}\n{\"predicted_label\": 12}\n");
  EXPECT_EQ(encode(out, formats::Format::kCsv), "0\n12\n");
}

TEST(Encode, JsonIsTheFormOfBuiltInAlgorithms) {
  const std::string text = encode(sample(), formats::Format::kJson);
  EXPECT_EQ(
      text,
      "{\"predictions\": [{\"predicted_label\": 0.0, \"distances\": [3.117924, 1e-05], \"note\": \"a,b\", \"ids\": "
      "[\"x\"]}, {\"predicted_label\": 2.0, \"distances\": [6.5, 7.0], \"note\": \"\xc3\xa4\\n\", \"ids\": "
      "[\"y\", \"z\"]}]}");
  EXPECT_EQ(parse_json(text)["predictions"].size(), 2u);
}

TEST(Encode, JsonLinesEndEachWithANewline) {
  const std::string text = encode(sample(), formats::Format::kJsonLines);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(parse_json(text.substr(0, text.find('\n')))["predicted_label"], 0.0);
  EXPECT_EQ(text.back(), '\n');
}

TEST(Encode, CsvFlattensAndQuotes) {
  EXPECT_EQ(encode(sample(), formats::Format::kCsv), "0.0,3.117924,1e-05,\"a,b\",x\n2.0,6.5,7.0,\"\xc3\xa4\n\",y,z\n");
}

TEST(Encode, NoRowsIsAnEmptyList) {
  EXPECT_EQ(encode(Predictions{}, formats::Format::kJson), "{\"predictions\": []}");
  EXPECT_EQ(encode(Predictions{}, formats::Format::kCsv), "");
}

TEST(Encode, TextThatIsNotUtf8StaysValidJson) {
  std::string out;
  append_json_text(out, "\xff\"x");
  EXPECT_NO_THROW(parse_json(out));
}

}  // namespace
}  // namespace clary::shell
