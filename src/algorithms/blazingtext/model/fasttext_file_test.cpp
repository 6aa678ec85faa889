// SPDX-License-Identifier: Apache-2.0
// Files that Debian's fasttext wrote (testdata/make.py) give its answers; what we write reads back; what is cut or lies
// is refused.
#include "algorithms/blazingtext/model/fasttext_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "algorithms/blazingtext/model/test_model.h"
#include "algorithms/blazingtext/serve/classify.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "support/paths.h"

namespace clary::blazingtext {
namespace {

namespace fs = std::filesystem;

const fs::path kData = tests::source_folder() / "src/algorithms/blazingtext/testdata";

std::string bytes_of(const Model& model) {
  const TemporaryFolder folder;
  write_fasttext_file(model, folder.path() / "model.bin");
  return read_file(folder.path() / "model.bin");
}

Model parsed(std::string_view bytes) { return read_fasttext(std::as_bytes(std::span(bytes)), "model.bin"); }

std::string problem_of(std::string_view bytes) {
  try {
    parsed(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "";
}

template <class T>
std::string with(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
  return bytes;
}

TEST(FastTextFile, ClassifiersOfDebiansFastTextAnswerAsItDoes) {
  const Json golden = parse_json(read_file(kData / "golden.json"));
  ASSERT_EQ(golden["classifiers"].size(), 7U);
  for (const auto& [file, cases] : golden["classifiers"].items()) {
    const Model model = read_fasttext_file(kData / file);
    EXPECT_EQ(model.tree.has_value(), file == "hs.bin");
    EXPECT_EQ(model.bucket_rows.has_value(), file == "pruned.ftz");
    EXPECT_EQ(model.quantized_output.has_value(), file == "qout.ftz");
    for (const auto& expected : cases) {
      // One label more than the three of the golden file, unless hierarchical softmax leaves it out (below 1e-5).
      const auto ranked = classify(model, expected["text"].get<std::string>(), 4);
      ASSERT_GE(ranked.size(), expected["label"].size() + (model.tree ? 0 : 1)) << file << " " << expected["text"];
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_NEAR(ranked[i].probability, expected["prob"][i].get<float>(), 2e-6) << file << " " << expected["text"];
        // fastText orders equal probabilities as its heap happens to.
        if (i > 0 && std::abs(ranked[i].probability - ranked[i - 1].probability) < 1e-6) continue;
        if (std::abs(ranked[i].probability - ranked[i + 1].probability) < 1e-6) continue;
        EXPECT_EQ(model.dictionary.label(ranked[i].label), expected["label"][i]) << file << " " << expected["text"];
      }
    }
  }
}

TEST(FastTextFile, WordVectorsOfDebiansFastTextAreItsOwn) {
  const Json golden = parse_json(read_file(kData / "golden.json"));
  ASSERT_EQ(golden["vectors"].size(), 2U);
  for (const auto& [file, cases] : golden["vectors"].items()) {
    const Model model = read_fasttext_file(kData / file);
    for (const auto& expected : cases) {
      const auto vector = word_vector(model, expected["word"].get<std::string>());
      ASSERT_EQ(vector.size(), expected["vector"].size());
      for (std::size_t d = 0; d < vector.size(); ++d)
        EXPECT_NEAR(vector[d], expected["vector"][d].get<float>(), 1e-7) << file << " " << expected["word"];
    }
  }
}

TEST(FastTextFile, WhatIsWrittenReadsBackEqual) {
  for (const Model& model : {small_classifier(), small_vectors(false), small_vectors(true)}) {
    const Model back = parsed(bytes_of(model));
    EXPECT_EQ(back.settings, model.settings);
    EXPECT_EQ(back.dictionary.words, model.dictionary.words);
    EXPECT_EQ(back.dictionary.counts, model.dictionary.counts);
    EXPECT_EQ(back.dictionary.nwords, model.dictionary.nwords);
    EXPECT_EQ(back.dictionary.ntokens, 100);
    EXPECT_EQ(back.input.values, model.input.values);
    EXPECT_EQ(back.output.values, model.output.values);
    EXPECT_EQ(back.dictionary.find(model.dictionary.words[1]), 1);
  }
}

/// small_classifier() with only buckets 3 and 17 in use; the same with a row for every bucket.
Model sparse_classifier(bool compact, std::int32_t buckets = 20) {
  Model model = small_classifier();
  model.settings.buckets = buckets;
  const Matrix all = counting_matrix(4 + 1 + 2, 3);
  const std::vector<std::pair<std::int64_t, std::int64_t>> used{{5, 3}, {6, 17}};  // row of `all`, bucket
  model.input = compact ? all : Matrix(4 + buckets, 3);
  const auto copy = [&](std::int64_t from, std::int64_t to) {
    std::copy_n(all.row(from).begin(), 3, model.input.row(to).begin());
  };
  if (compact) {
    std::fill_n(model.input.row(4).begin(), 3, 0.0F);
    model.bucket_rows.emplace(std::vector<BucketTable::Entry>{{3, 1}, {17, 2}}, 0);
  } else {
    for (std::int64_t w = 0; w < 4; ++w) copy(w, w);
    for (const auto& [from, bucket] : used) copy(from, 4 + bucket);
  }
  return model;
}

TEST(FastTextFile, UnusedBucketsAreZerosInTheFileAndNowhereElse) {
  for (const std::int32_t buckets : {20, 300'000}) {
    const Model dense = sparse_classifier(false, buckets), compact = sparse_classifier(true, buckets);
    const std::string bytes = bytes_of(compact);
    ASSERT_EQ(bytes, bytes_of(dense)) << buckets;
    const TemporaryFolder folder;
    write_fasttext_file(compact, folder.path() / "model.bin");
    for (const Model& back : {parsed(bytes), read_fasttext_file(folder.path() / "model.bin")}) {
      EXPECT_EQ(back.input.values, compact.input.values) << buckets;
      ASSERT_TRUE(back.bucket_rows.has_value());
      EXPECT_EQ(back.bucket_rows->entries().size(), 2U);
      EXPECT_EQ(bytes_of(back), bytes);
      for (const char* text : {"good movie", "bad bad movie", "some other words"}) {
        const auto expected = classify(dense, text, 2), given = classify(back, text, 2);
        ASSERT_EQ(given.size(), expected.size()) << text;
        for (std::size_t i = 0; i < given.size(); ++i) {
          EXPECT_EQ(given[i].label, expected[i].label) << text;
          EXPECT_EQ(given[i].probability, expected[i].probability) << text;
        }
      }
    }
  }
}

TEST(FastTextFile, ABucketsFileOfTwoUsesTakesLittleRoomOnTheDisk) {
  const TemporaryFolder folder;
  write_fasttext_file(sparse_classifier(true, 2'000'000), folder.path() / "model.bin");
  struct stat status {};
  ASSERT_EQ(::stat((folder.path() / "model.bin").c_str(), &status), 0);
  EXPECT_GT(status.st_size, 24'000'000);
  EXPECT_LT(status.st_blocks * 512, 1'000'000);
}

TEST(FastTextFile, BytesAreThoseOfTheLayout) {
  const std::string bytes = bytes_of(small_vectors());
  EXPECT_EQ(bytes.size(), 4U * 14 + 8 + 4 * 3 + 8 * 2 + (3 + 4 + 5) + 3 * 10 + 2 * 17 + 2 * 6 * 4);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\xba\x16\x4f\x2f\x0c\0\0\0", 8));  // 793712314, 12
}

TEST(FastTextFile, Version11ClassifiersHaveNoCharacterNgrams) {
  Model model = small_classifier();
  model.settings.min_char = 2, model.settings.max_char = 3;
  const std::string bytes = bytes_of(model);
  EXPECT_EQ(parsed(bytes).settings.max_char, 3);
  EXPECT_EQ(parsed(with<std::int32_t>(bytes, 4, 11)).settings.max_char, 0);
}

TEST(FastTextFile, EveryCutIsRefused) {
  for (const char* name : {"softmax.bin", "hs.bin", "pruned.ftz", "plain.bin"}) {
    const std::string bytes = read_file(kData / name);
    EXPECT_EQ(problem_of(bytes), "");
    for (std::size_t size = 0; size < bytes.size(); ++size)
      ASSERT_NE(problem_of(std::string_view(bytes).substr(0, size)), "") << name << " cut to " << size;
  }
}

TEST(FastTextFile, LyingNumbersAreRefusedBeforeAnythingIsAllocated) {
  const std::string bytes = bytes_of(small_classifier());
  struct Lie {
    std::size_t at;
    std::int32_t value;
    const char* named;
  };
  for (const Lie& lie : std::initializer_list<Lie>{{0, 1, "magic number"},
                                                   {4, 10, "version is 10, must be 11 to 12"},
                                                   {4, 13, "version"},
                                                   {8, 0, "dim is 0"},
                                                   {8, 1 << 30, "dim"},
                                                   {28, -1, "wordNgrams"},
                                                   {32, 0, "loss"},
                                                   {32, 5, "loss"},
                                                   {36, 4, "model"},
                                                   {40, -1, "bucket"},
                                                   {40, 21, "input matrix has 24 rows, the model needs 25"},
                                                   {40, 0x7fffffff, "input matrix"},
                                                   {48, 1 << 30, "maxn"},
                                                   {64, 0x7fffffff, "do not make"},
                                                   {64, -1, "size"},
                                                   {68, 5, "do not make"},
                                                   {72, -2, "nlabels"}})
    EXPECT_THAT(problem_of(with(bytes, lie.at, lie.value)), testing::HasSubstr(lie.named)) << lie.at;
  EXPECT_THAT(problem_of(with<std::int64_t>(bytes, 84, 1)), testing::HasSubstr("byte"));  // pruned, but not quantised
  EXPECT_THAT(problem_of(with<std::int64_t>(bytes, 84, std::int64_t{1} << 60)), testing::HasSubstr("pruneidx_size"));
  const std::size_t rows = bytes.find("__label__no") + 11 + 1 + 8 + 1 + 1;
  EXPECT_THAT(problem_of(with<std::int64_t>(bytes, rows, std::int64_t{1} << 30)), testing::HasSubstr("the file has"));
  EXPECT_THAT(problem_of(with<std::int64_t>(bytes, rows, 23)), testing::Not(""));
  EXPECT_THAT(problem_of(with<std::int64_t>(bytes, rows + 8, 4)), testing::HasSubstr("must be 3 to 3"));
}

TEST(FastTextFile, EveryFlippedByteIsRefusedOrAnswersSomething) {
  for (const char* name : {"hs.bin", "pruned.ftz", "subwords.bin"}) {
    const std::string bytes = read_file(kData / name);
    for (std::size_t at = 0; at < std::min<std::size_t>(bytes.size(), 2000); ++at)
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string changed = bytes;
        changed[at] = static_cast<char>(changed[at] ^ flip);
        try {
          const Model model = parsed(changed);
          if (model.is_supervised())
            classify(model, "good bad movie for", 3);
          else
            word_vector(model, "goodness");
        } catch (const Error& error) {
          ASSERT_EQ(error.kind(), Kind::kMalformed);
        }
      }
  }
}

}  // namespace
}  // namespace clary::blazingtext
