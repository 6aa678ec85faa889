// SPDX-License-Identifier: Apache-2.0
// Our Record decoder and writer beside libprotobuf, both ways, and the vectors of the SDK's own tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "formats/batch_builder.h"
#include "formats/record_decoder.h"
#include "formats/record_proto.h"
#include "formats/recordio.h"
#include "record.pb.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    out += static_cast<char>(std::stoi(std::string(text.substr(i++, 2)), nullptr, 16));
  }
  return out;
}

Batch decode(const std::vector<std::string>& records, RecordOptions options = {}) {
  Batch out;
  RowShape shape;
  BatchBuilder builder(out, false);
  RecordDecoder decoder(options);
  for (const std::string& record : records) decoder.add(std::as_bytes(std::span(record)), shape, builder);
  builder.finish(shape);
  return out;
}
Batch decode(const peer::Record& record, RecordOptions options = {}) {
  return decode({record.SerializeAsString()}, options);
}

std::string failure(const std::vector<std::string>& records, RecordOptions options = {}) {
  try {
    decode(records, options);
  } catch (const wire::Problem& problem) {
    return problem.text;
  }
  return "no error";
}
std::string failure(const peer::Record& record, RecordOptions options = {}) {
  return failure(std::vector{record.SerializeAsString()}, options);
}

template <class Tensor>
void fill(Tensor& tensor, std::initializer_list<int> values, std::initializer_list<unsigned> keys = {},
          std::initializer_list<unsigned> shape = {}) {
  for (const auto v : values) tensor.add_values(static_cast<std::decay_t<decltype(tensor.values(0))>>(v));
  for (const auto k : keys) tensor.add_keys(k);
  for (const auto s : shape) tensor.add_shape(s);
}

TEST(Record, DecodesTheSdksVectors) {
  const std::string zero_row =
      hex("0a0f 0a0676616c756573 1205 1a03 1a0101 1216 0a0676616c756573 120c 1a0a 0a08 0000000000000000");
  ASSERT_EQ(zero_row.size(), 41U);
  const Batch zero = decode({zero_row});
  EXPECT_TRUE(zero.sparse);
  EXPECT_EQ(zero.width, 1);
  EXPECT_THAT(zero.offsets, ElementsAre(0, 0));
  EXPECT_THAT(zero.labels, ElementsAre(0));

  const std::string sparse_value = hex("3a09 0a0101 120101 1a0103");
  const std::string entry = hex("0a06") + "values" + hex("120b") + sparse_value;
  const Batch sparse = decode({hex("0a15") + entry});
  EXPECT_EQ(sparse.width, 3);
  EXPECT_THAT(sparse.columns, ElementsAre(1));
  EXPECT_THAT(sparse.values, ElementsAre(1));
}

TEST(Record, DecodesEveryNumberType) {
  peer::Record record;
  auto& value = (*record.mutable_features())["values"];
  fill(*value.mutable_float32_tensor(), {1, -2, 3});
  EXPECT_THAT(decode(record).values, ElementsAre(1, -2, 3));
  fill(*value.mutable_float64_tensor(), {1, -2, 3});
  EXPECT_THAT(decode(record).values, ElementsAre(1, -2, 3));
  fill(*value.mutable_int32_tensor(), {1, -2, 300000}, {}, {1, 3});
  fill(*(*record.mutable_label())["values"].mutable_int32_tensor(), {-7});
  const Batch rows = decode(record);
  EXPECT_THAT(rows.values, ElementsAre(1, -2, 300000));
  EXPECT_THAT(rows.labels, ElementsAre(-7));
  EXPECT_EQ(rows.label_width, 1);
  EXPECT_EQ(decode(record, {.ignore_labels = true}).label_width, 0);
}

TEST(Record, RandomRecordsAgreeWithLibprotobuf) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 2000; ++round) {
    peer::Record record;
    const auto width = 1 + random() % 100000;
    std::map<std::uint64_t, float> expected;
    auto& tensor = *(*record.mutable_features())["values"].mutable_float32_tensor();
    tensor.add_shape(width);
    for (std::size_t i = random() % 40; i > 0; --i) {
      const auto key = random() % width;
      const auto value = static_cast<float>(random() % 1000) / 8;
      tensor.add_keys(key);
      tensor.add_values(value);
      expected[key] += value;
    }
    if (random() % 2 == 0) record.set_uid("u" + std::to_string(round));
    if (random() % 2 == 0) record.set_metadata("{}");
    if (random() % 2 == 0) fill(*(*record.mutable_features())["other"].mutable_int32_tensor(), {4});
    const Batch rows = decode(record);
    ASSERT_EQ(rows.width, static_cast<std::int64_t>(width));
    ASSERT_EQ(rows.columns.size(), expected.size());
    std::size_t i = 0;
    for (const auto& [key, value] : expected) {
      ASSERT_EQ(rows.columns[i], static_cast<std::int32_t>(key));
      ASSERT_EQ(rows.values[i++], value);
    }
    if (record.has_uid()) {
      ASSERT_EQ(rows.uids[0], record.uid());
    }
    if (record.has_metadata()) {
      ASSERT_EQ(rows.metadata[0], "{}");
    }
  }
}

/// Record bytes whose features entry holds the given Value bytes.
std::string with_value(const std::string& value) {
  std::string entry, record;
  wire::put_bytes(entry, 1, "values");
  wire::put_bytes(entry, 2, value);
  wire::put_bytes(record, 1, entry);
  return record;
}

TEST(Record, AcceptsUnpackedAndScatteredFields) {
  peer::LooseFloat32Tensor loose;
  fill(loose, {1, 2}, {7, 300}, {20, 20});
  std::string value;
  wire::put_bytes(value, 2, loose.SerializeAsString());
  const Batch rows = decode({with_value(value)});
  EXPECT_EQ(rows.width, 400);
  EXPECT_THAT(rows.columns, ElementsAre(7, 300));
  EXPECT_THAT(rows.values, ElementsAre(1, 2));

  peer::Value part, another;  // the same tensor in two messages is one tensor
  fill(*part.mutable_float32_tensor(), {1, 2});
  fill(*another.mutable_float32_tensor(), {3});
  EXPECT_THAT(decode({with_value(part.SerializeAsString() + another.SerializeAsString())}).values,
              ElementsAre(1, 2, 3));
  fill(*another.mutable_int32_tensor(), {9});  // another member of the oneof replaces it
  EXPECT_THAT(decode({with_value(part.SerializeAsString() + another.SerializeAsString())}).values, ElementsAre(9));
}

TEST(Record, ALaterMapEntryWinsAndUnknownFieldsAreSkipped) {
  peer::Value first, second;
  fill(*first.mutable_float32_tensor(), {1, 2});
  fill(*second.mutable_float32_tensor(), {3});
  const std::string unknown = hex("f806 01 fd06 01020304 f906 0102030405060708 fa06 02 6162 fb06 08 01 fc06");
  EXPECT_THAT(decode({unknown + with_value(first.SerializeAsString()) + unknown +
                      with_value(second.SerializeAsString() + unknown) + unknown})
                  .values,
              ElementsAre(3));
}

TEST(Record, EveryMistakeNamesFieldAndRule) {
  peer::Record record;
  EXPECT_THAT(failure(record), HasSubstr("no features"));
  auto& features = *record.mutable_features();
  fill(*features["vals"].mutable_float32_tensor(), {1});
  EXPECT_THAT(failure(record), HasSubstr("no key \"values\", only \"vals\""));
  features["values"];
  EXPECT_THAT(failure(record), HasSubstr("\"values\" is empty"));
  features["values"].mutable_float32_tensor();
  EXPECT_THAT(failure(record), HasSubstr("no values and no shape"));
  features["values"].mutable_bytes()->add_value("x");
  EXPECT_THAT(failure(record), HasSubstr("holds bytes"));
  fill(*features["values"].mutable_float32_tensor(), {1, 2}, {1, 2});
  EXPECT_THAT(failure(record), HasSubstr("keys without a shape"));
  fill(*features["values"].mutable_float32_tensor(), {}, {}, {2});
  EXPECT_THAT(failure(record), HasSubstr("key 2 is outside the shape of 2"));
  features["values"].mutable_float32_tensor()->clear_shape();
  fill(*features["values"].mutable_float32_tensor(), {9}, {}, {8});
  EXPECT_THAT(failure(record), HasSubstr("3 values but 2 keys"));
  fill(*features["values"].mutable_float32_tensor(), {}, {3, 4}, {});
  EXPECT_THAT(failure(record), HasSubstr("3 values but 4 keys"));
  features["values"].mutable_float32_tensor()->clear_keys();
  EXPECT_THAT(failure(record), HasSubstr("3 values do not fill the shape of 8"));
  features["values"].mutable_float32_tensor()->clear_shape();
  EXPECT_THAT(failure(record, {.feature_dim = 4}), HasSubstr("3 features, expected 4 (feature_dim)"));
  fill(*features["values"].mutable_float32_tensor(), {}, {}, {1U << 16, 1U << 16});
  EXPECT_THAT(failure(record), HasSubstr("exceeds 2147483647"));
  features["values"].mutable_float64_tensor()->add_values(1e300);
  EXPECT_THAT(failure(record), HasSubstr("value 0 is inf, not a finite float32"));
  EXPECT_EQ(decode(record, {.allow_non_finite = true}).rows, 1);

  peer::Record plain;
  fill(*(*plain.mutable_features())["values"].mutable_float32_tensor(), {1});
  peer::Record labelled = plain;
  fill(*(*labelled.mutable_label())["values"].mutable_float32_tensor(), {1, 2});
  EXPECT_THAT(failure({plain.SerializeAsString(), labelled.SerializeAsString()}),
              HasSubstr("label: 2 values, expected 0"));
  EXPECT_THAT(failure({labelled.SerializeAsString(), plain.SerializeAsString()}),
              HasSubstr("label: 0 values, expected 2"));
}

TEST(Record, DamagedBytesAreOneOfOurProblems) {
  peer::Record record;
  fill(*(*record.mutable_features())["values"].mutable_int32_tensor(), {1, 2, -3}, {1, 2, 300}, {1000});
  fill(*(*record.mutable_label())["values"].mutable_float64_tensor(), {4});
  record.set_uid("id");
  record.set_configuration("{}");
  const std::string bytes = record.SerializeAsString();
  std::mt19937 random(1);
  for (std::size_t size = 0; size < bytes.size(); ++size) failure({bytes.substr(0, size)});
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    failure({damaged});  // throws nothing else
  }
  EXPECT_THAT(failure({hex("0a")}), HasSubstr("cut"));
  EXPECT_THAT(failure({hex("0a05 00")}), HasSubstr("longer than what holds it"));
  EXPECT_THAT(failure({hex("00")}), HasSubstr("field number"));
  EXPECT_THAT(failure({hex("38 ffffffffffffffffffff01")}), HasSubstr("longer than 10 bytes"));
  EXPECT_THAT(failure({std::string(100, '\x3b')}), HasSubstr("nested deeper"));
}

peer::Record parsed(std::string_view framed) {
  RecordIoReader reader(std::as_bytes(std::span(framed)), "answer");
  const auto payload = reader.next()->payload;
  peer::Record record;
  EXPECT_TRUE(record.ParseFromArray(payload.data(), static_cast<int>(payload.size())));
  return record;
}

TEST(RecordWriter, AnswersAreReadByLibprotobuf) {
  std::string out;
  const std::vector<float> weights{.25F, .5F, .25F}, label{3};
  const std::vector<NamedTensor> columns{{"topic_weights", weights}, {"predicted_label", label}};
  RecordWriter(out).write_answer(columns, "id-1", "{\"a\":1}");
  const peer::Record record = parsed(out);
  EXPECT_EQ(record.features_size(), 0);
  EXPECT_THAT(record.label().at("topic_weights").float32_tensor().values(), ElementsAre(.25F, .5F, .25F));
  EXPECT_EQ(record.label().at("topic_weights").float32_tensor().keys_size(), 0);
  EXPECT_THAT(record.label().at("predicted_label").float32_tensor().values(), ElementsAre(3));
  EXPECT_EQ(record.uid(), "id-1");
  EXPECT_EQ(record.metadata(), "{\"a\":1}");
}

TEST(RecordWriter, RowsAreReadByLibprotobuf) {
  std::string out;
  const std::vector<float> label{1}, values{2, 3};
  RecordWriter(out).write_sparse(std::vector<std::int32_t>{5, 60000}, values, 70000, label, "u");
  const peer::Record record = parsed(out);
  const auto& tensor = record.features().at("values").float32_tensor();
  EXPECT_THAT(tensor.keys(), ElementsAre(5, 60000));
  EXPECT_THAT(tensor.values(), ElementsAre(2, 3));
  EXPECT_THAT(tensor.shape(), ElementsAre(70000));
  EXPECT_THAT(record.label().at("values").float32_tensor().values(), ElementsAre(1));
  out.clear();
  RecordWriter(out).write_sparse({}, {}, 9);
  EXPECT_THAT(parsed(out).features().at("values").float32_tensor().shape(), ElementsAre(9));
}

}  // namespace
}  // namespace clary::formats
