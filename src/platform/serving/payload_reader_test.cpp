// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/payload_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace clary::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> bodies(const std::string& text, const BatchRules& rules) {
  PayloadReader reader(open_text(text), rules);
  std::vector<std::string> out;
  while (const auto payload = reader.next()) out.push_back(payload->body);
  return out;
}

BatchRules lines(BatchStrategy strategy, std::uint64_t max = 1000) {
  BatchRules rules;
  rules.split = SplitType::kLine;
  rules.strategy = strategy;
  rules.max_payload_bytes = max;
  return rules;
}

TEST(PayloadReader, MultiRecordFillsUpToTheLimitAndNeverCutsARecord) {
  EXPECT_THAT(bodies("aa\nbb\ncc\nd", lines(BatchStrategy::kMultiRecord, 6)), ElementsAre("aa\nbb\n", "cc\nd"));
  EXPECT_THAT(bodies("aa\nbbbb\ncc\n", lines(BatchStrategy::kMultiRecord, 5)), ElementsAre("aa\n", "bbbb\n", "cc\n"));
}

TEST(PayloadReader, SingleRecordSendsOneLineWithoutItsNewline) {
  EXPECT_THAT(bodies("aa\nbb\n", lines(BatchStrategy::kSingleRecord)), ElementsAre("aa", "bb"));
}

/// The programs' readers of CSV and JSON lines pass over blank lines: they have no answer.
TEST(PayloadReader, BlankLinesAreNoRecordsOfCsv) {
  BatchRules rules = lines(BatchStrategy::kMultiRecord);
  EXPECT_THAT(bodies("a\n\nb\n\n", rules), ElementsAre("a\n\nb\n\n"));
  rules.skip_blank_lines = true;
  EXPECT_THAT(bodies("\na\n \r\nb\n\t\n\n", rules), ElementsAre("a\nb\n\t\n"));
  EXPECT_THAT(bodies("\n\n", rules), ElementsAre());
  rules.strategy = BatchStrategy::kSingleRecord;
  EXPECT_THAT(bodies("a\n\nb\n", rules), ElementsAre("a", "b"));
  rules.strategy = BatchStrategy::kMultiRecord;
  rules.processing.emplace(RecordForm::kCsv, "$", "$", true);
  rules.assembly = Assembly::kLine;
  PayloadReader reader(open_text("a\n\nb\n"), rules);
  const auto payload = reader.next();
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->records, 2U);
  EXPECT_EQ(assembled(rules, *payload, "1\n2\n"), "a,1\nb,2\n");
}

TEST(PayloadReader, CountsRecordsAcrossPayloads) {
  const BatchRules rules = lines(BatchStrategy::kMultiRecord, 6);
  PayloadReader reader(open_text("aa\nbb\ncc\ndd\nee\n"), rules);
  EXPECT_EQ(reader.next()->first_record, 1U);
  const auto second = reader.next();
  EXPECT_EQ(second->first_record, 3U);
  EXPECT_EQ(second->records, 2U);
  EXPECT_EQ(reader.next()->first_record, 5U);
  EXPECT_FALSE(reader.next());
}

TEST(Assembled, LineAddsANewlineOnlyWhereNoneIs) {
  BatchRules rules = lines(BatchStrategy::kMultiRecord);
  const Payload payload{"x", 1, 1, {}};
  EXPECT_EQ(assembled(rules, payload, "a"), "a");
  rules.assembly = Assembly::kLine;
  EXPECT_EQ(assembled(rules, payload, "a"), "a\n");
  EXPECT_EQ(assembled(rules, payload, "a\n"), "a\n");
}

TEST(Assembled, FiltersAndJoinsCsvAsTheSdkExample) {
  BatchRules rules = lines(BatchStrategy::kMultiRecord);
  rules.assembly = Assembly::kLine;
  rules.processing.emplace(RecordForm::kCsv, "$[1:]", "$", true);
  PayloadReader reader(open_text("7,0.1,0.2\r\n\"8,x\",0.3,0.4\n"), rules);
  const auto payload = reader.next();
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->body, "0.1,0.2\n0.3,0.4\n");
  EXPECT_EQ(assembled(rules, *payload, "0.93\n0.94\n"), "7,0.1,0.2,0.93\n\"8,x\",0.3,0.4,0.94\n");
}

TEST(Assembled, JoinsJsonLinesAndKeepsMemberOrder) {
  BatchRules rules = lines(BatchStrategy::kMultiRecord);
  rules.assembly = Assembly::kLine;
  rules.processing.emplace(RecordForm::kJson, "$.features", "$['id','SageMakerOutput']", true);
  PayloadReader reader(open_text("{\"z\":1,\"id\":5,\"features\":[1,2]}\n{\"id\":6,\"features\":[3]}"), rules);
  const auto payload = reader.next();
  ASSERT_TRUE(payload);
  EXPECT_EQ(payload->body, "[1,2]\n[3]\n");
  EXPECT_EQ(assembled(rules, *payload, "{\"p\":0.5}\n{\"p\":0.25}"),
            "{\"id\":5,\"SageMakerOutput\":{\"p\":0.5}}\n{\"id\":6,\"SageMakerOutput\":{\"p\":0.25}}\n");
}

TEST(Assembled, JoinsOneJsonObjectThatIsNotSplit) {
  BatchRules rules;
  rules.processing.emplace(RecordForm::kJson, "$", "$", true);
  const Payload payload{"[1]", 1, 1, {"[1]"}};
  EXPECT_EQ(assembled(rules, payload, "{\"p\":\n2}"), R"({"SageMakerInput":[1],"SageMakerOutput":{"p":2}})");
}

TEST(Assembled, CsvOfSeveralLinesIsNotJoinedAsOneRecord) {
  BatchRules rules;  // SplitType and AssembleWith None, which are the defaults
  rules.processing.emplace(RecordForm::kCsv, "$", "$", true);
  PayloadReader several(open_text("1,2\n3,4\n"), rules);
  try {
    several.next();
    FAIL() << "the answers of both rows would follow the second row";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("record 1: the CSV has several lines"));
    EXPECT_THAT(e.what(), HasSubstr("SplitType and AssembleWith must be Line"));
  }
  PayloadReader one(open_text("1,2\r\n\n"), rules);
  const auto payload = one.next();
  ASSERT_TRUE(payload);
  EXPECT_EQ(assembled(rules, *payload, "0.5\n"), "1,2,0.5");
  EXPECT_THROW(assembled(rules, *payload, "0.5\n0.6\n"), Error);
}

TEST(Assembled, WrongNumberOfAnswersNamesTheRecords) {
  BatchRules rules = lines(BatchStrategy::kMultiRecord);
  rules.processing.emplace(RecordForm::kCsv, "$", "$", true);
  try {
    assembled(rules, {"a\nb\n", 4, 2, {"a", "b"}}, "1\n");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("records 4 to 5: 2 were sent but the answer has 1 lines"));
  }
}

TEST(DataProcessing, BadRecordIsNamed) {
  BatchRules rules = lines(BatchStrategy::kSingleRecord);
  rules.processing.emplace(RecordForm::kCsv, "$[5]", "$", false);
  PayloadReader reader(open_text("1,2\n"), rules);
  try {
    reader.next();
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("record 1: filter '$[5]': element 5 is outside the 2 there are"));
  }
  EXPECT_THROW(DataProcessing(RecordForm::kCsv, "$.a", "$", false), Error);
}

}  // namespace
}  // namespace clary::serving
