// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/pretrained.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "algorithms/blazingtext/model/fasttext_file.h"
#include "algorithms/blazingtext/model/test_model.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

class Pretrained : public testing::Test {
 protected:
  PretrainedVectors file(const std::string& text, const std::string& name = "vectors.vec") {
    write_file_atomically(folder_.path() / name, text);
    return PretrainedVectors(folder_.path() / name, name);
  }
  /// Words cat, dog, </s>; label __label__a.
  static Vocabulary vocabulary() {
    Vocabulary out;
    out.dictionary = dictionary_of({"cat", "dog", "</s>", "__label__a"}, 1);
    for (const auto& word : out.dictionary.words) out.table.insert(word);
    out.end_of_line = 2;
    return out;
  }
  static std::string problem_of(const PretrainedVectors& vectors) {
    Vocabulary words = vocabulary();
    TrainingMatrix input(3, 2);
    try {
      vectors.add_words(words, 2);
      vectors.put_vectors(words, input);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  TemporaryFolder folder_;
};

TEST_F(Pretrained, NewWordsStandBetweenWordsAndLabelsAndAllGetTheirVectors) {
  const auto vectors = file("4 2\nbird 1 2\ndog 3 4\nfish 5 6 \r\nbird 7 8\n");
  Vocabulary words = vocabulary();
  EXPECT_EQ(vectors.add_words(words, 2), 2);
  EXPECT_THAT(words.dictionary.words, testing::ElementsAre("cat", "dog", "</s>", "bird", "fish", "__label__a"));
  EXPECT_EQ(words.dictionary.nwords, 5);
  EXPECT_EQ(words.dictionary.counts[3], 1);
  EXPECT_EQ(words.table.find("__label__a"), 5);
  EXPECT_EQ(words.end_of_line, 2);
  TrainingMatrix input(5, 2);
  input.row(0)[0] = 9;
  EXPECT_EQ(vectors.put_vectors(words, input), 4);
  EXPECT_EQ(input.row(0)[0], 9);  // not in the file
  EXPECT_EQ(input.row(1)[1], 4);
  EXPECT_EQ(input.row(3)[0], 7);  // the later of two
  EXPECT_EQ(input.row(4)[1], 6);
}

TEST_F(Pretrained, FastTextFilesGiveTheVectorsOfWords) {
  const Model model = small_vectors(true);  // with n-grams: a word's vector is a mean
  write_fasttext_file(model, folder_.path() / "vectors.bin");
  const PretrainedVectors vectors(folder_.path() / "vectors.bin", "vectors.bin");
  Vocabulary words = vocabulary();
  EXPECT_EQ(vectors.add_words(words, 2), 3);
  TrainingMatrix input(6, 2);
  EXPECT_EQ(vectors.put_vectors(words, input), 3);
  const auto king = word_vector(model, "king");
  EXPECT_EQ(input.row(words.table.find("king"))[1], king[1]);
}

TEST_F(Pretrained, EveryBrokenFileIsNamed) {
  for (const auto& [text, named] : std::vector<std::pair<std::string, std::string>>{
           {"", "vectors.vec: is empty"},
           {"dog 1 2\n", "vectors.vec: line 1: number of words: 'dog' is not a number"},
           {"1 3\ndog 1 2 3\n", "vectors.vec: its vectors have 3 numbers, but vector_dim is 2; they must be equal"},
           {"2 2\ndog 1 2\n", "vectors.vec: ends after 1 of 2 words"},
           {"1 2\n\n", "vectors.vec: line 2: holds no word"},
           {"1 2\ndog 1\n", "vectors.vec: line 2: a vector's number: '' is not a number"},
           {"1 2\ndog 1 2 3\n", "vectors.vec: line 2: has more than 2 numbers"},
           {"1 2\ndog 1 nan\n", "the vector of 'dog' holds a number that is not finite"},
           {"1 2\n" + std::string(20 << 20, 'x'), "vectors.vec: line 2 is longer than 16777216 bytes"}})
    EXPECT_THAT(problem_of(file(text)), testing::HasSubstr(named));
}

}  // namespace
}  // namespace clary::blazingtext
