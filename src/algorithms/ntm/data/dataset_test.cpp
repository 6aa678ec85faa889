// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "algorithms/ntm/hyperparameters.h"
#include "algorithms/ntm/train/testing_reference.h"
#include "base/error.h"

namespace clary::ntm {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

formats::Batch dense(std::vector<float> values, std::int64_t width) {
  formats::Batch b;
  b.width = width;
  b.rows = static_cast<std::int64_t>(values.size()) / width;
  b.values = std::move(values);
  return b;
}

TEST(NtmDataset, KeepsCountsAndLeavesEmptyDocumentsOut) {
  Documents d;
  EXPECT_EQ(append_documents(d, dense({0, 2, 0.5f, 0, 0, 0, 1, 0, 0}, 3), "train", 0), 1);
  ASSERT_EQ(d.size(), 2);
  EXPECT_EQ(d[0].size, 2);
  EXPECT_EQ(d[0].words[1], 2);
  EXPECT_EQ(d[0].total, 2.5f);
  EXPECT_EQ(d[1].total, 1.0f);
}

TEST(NtmDataset, NegativeAndNotFiniteCountsAreRefusedByRowAndWord) {
  Documents d;
  EXPECT_THAT(refusal([&] {
                append_documents(d, dense({1, 1, 1, -3}, 2), "train", 10);
              }),
              HasSubstr("train: row 12, word 1: count -3 is not a finite number >= 0"));
  EXPECT_THAT(refusal([&] {
                append_documents(d, dense({std::nanf(""), 1}, 2), "test", 0);
              }),
              HasSubstr("row 1, word 0"));
}

TEST(NtmDataset, VocabularyHasOneLinePerFeature) {
  EXPECT_EQ(parse_vocabulary("a\nb\r\n", 2), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parse_vocabulary("\xEF\xBB\xBF"
                             "a\nb",
                             2)[0],
            "a");
  EXPECT_THAT(refusal([] { parse_vocabulary("a\nb\nc\n", 2); }), HasSubstr("has 3 lines, but feature_dim is 2"));
  EXPECT_THAT(refusal([] { parse_vocabulary("\xff\n", 1); }), HasSubstr("not UTF-8"));
}

std::multiset<std::uint32_t> visited(TrainingRows& rows, std::int64_t epoch,
                                     std::vector<std::size_t>* sizes = nullptr) {
  std::multiset<std::uint32_t> out;
  rows.begin_epoch(epoch);
  for (auto batch = rows.next(4); !batch.empty(); batch = rows.next(4)) {
    for (const Document& d : batch) out.insert(d.number);
    if (sizes) sizes->push_back(batch.size());
  }
  return out;
}

TEST(NtmDataset, EpochsVisitEveryDocumentOnceInAnotherOrder) {
  Corpus corpus;
  corpus.documents = testing_reference::random_documents(10, 30, 5, 1);
  const auto rows = rows_in_memory(std::move(corpus), 1, 7);
  std::vector<std::size_t> sizes;
  const auto seen = visited(*rows, 0, &sizes);
  EXPECT_EQ(std::set<std::uint32_t>(seen.begin(), seen.end()).size(), 10u);
  EXPECT_EQ(sizes, (std::vector<std::size_t>{4, 4, 2}));  // the last batch is small, not padded
  const auto order = [&](std::int64_t epoch) {
    std::vector<std::uint32_t> out;
    rows->begin_epoch(epoch);
    for (const Document& d : rows->next(10)) out.push_back(d.number);
    return out;
  };
  EXPECT_NE(order(1), order(2));
  EXPECT_EQ(order(1), order(1));
}

TEST(NtmDataset, SubSampleDrawsAnotherShareEachEpoch) {
  Corpus corpus;
  corpus.documents = testing_reference::random_documents(101, 30, 5, 1);
  const auto rows = rows_in_memory(std::move(corpus), 0.25, 7);
  const auto a = visited(*rows, 0), b = visited(*rows, 1);
  EXPECT_EQ(a.size(), 26u);  // ceil(0.25 * 101)
  EXPECT_EQ(std::set<std::uint32_t>(a.begin(), a.end()).size(), 26u);
  EXPECT_NE(a, b);
}

TEST(NtmHyperparameters, ReadsEveryFormOfEncoderLayers) {
  const auto layers = [](const std::string& text) {
    return schema().parse({{"feature_dim", "10"}, {"num_topics", "4"}, {"encoder_layers", text}}).shape().layers;
  };
  using L = std::vector<std::int64_t>;
  EXPECT_EQ(layers("auto"), (L{12, 8}));
  EXPECT_EQ(layers("[1, 2, 3]"), (L{1, 2, 3}));
  EXPECT_EQ(layers("128,64"), (L{128, 64}));
  EXPECT_EQ(layers("7"), (L{7}));
}

TEST(NtmHyperparameters, DefaultsAreTheContainers) {
  const auto hp =
      schema().parse({{"feature_dim", "10"}, {"num_topics", "4"}, {"clip_gradient", "Inf"}, {"_kvstore", "x"}});
  EXPECT_EQ(hp.learning_rate, 0.01);
  EXPECT_EQ(hp.mini_batch_size, 256);
  EXPECT_EQ(hp.num_patience_epochs, 3);
  EXPECT_EQ(hp.optimizer, optim::Rule::kAdadelta);
  EXPECT_EQ(hp.optimizer_options().clip_gradient, 0);
}

TEST(NtmHyperparameters, MistakesAreNamedAllAtOnce) {
  const std::string text = refusal([] {
    schema().parse({{"feature_dim", "abc"}, {"mini_batch_siz", "1"}, {"tolerance", "5"}, {"optimizer", "lbfgs"}});
  });
  EXPECT_THAT(text, HasSubstr("num_topics"));
  EXPECT_THAT(text, HasSubstr("'mini_batch_siz' was unexpected"));
  EXPECT_THAT(text, HasSubstr("abc"));
  EXPECT_THAT(text, HasSubstr("tolerance"));
  EXPECT_THAT(text, HasSubstr("lbfgs"));
  EXPECT_THAT(refusal([] {
                schema().parse({{"feature_dim", "5"}, {"num_topics", "2"}, {"sub_sample", "0"}});
              }),
              HasSubstr("sub_sample must be above 0"));
}

}  // namespace
}  // namespace clary::ntm
