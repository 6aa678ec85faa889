// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/model/fasttext_file.h"
#include "algorithms/blazingtext/model/quantizer_training.h"
#include "algorithms/blazingtext/model/test_model.h"
#include "algorithms/blazingtext/serve/classify.h"
#include "base/files.h"
#include "base/split_mix.h"

namespace clary::blazingtext {
namespace {

/// Normal numbers by the sum of twelve.
Matrix random_matrix(std::int64_t rows, std::int64_t columns) {
  Matrix out(rows, columns);
  SplitMix64 random(1);
  for (float& value : out.values) {
    value = -6;
    for (int i = 0; i < 12; ++i) value += static_cast<float>(random.next() >> 40) * 0x1p-24f;
  }
  return out;
}

std::vector<std::int32_t> all_rows(const Matrix& matrix) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(matrix.rows));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

/// Squared distance of the compressed rows from the rows, by the rows' squared lengths.
double loss_of(const Matrix& matrix, const QuantizedMatrix& quantized) {
  double away = 0, length = 0;
  std::vector<float> row(static_cast<std::size_t>(matrix.columns));
  for (std::int64_t r = 0; r < matrix.rows; ++r) {
    std::fill(row.begin(), row.end(), 0.0F);
    quantized.add_row(r, row);
    for (std::size_t n = 0; n < row.size(); ++n) {
      const double x = static_cast<double>(matrix.row(r)[n]), y = static_cast<double>(row[n]);
      away += (x - y) * (x - y), length += x * x;
    }
  }
  return away / length;
}

TEST(NearestCentroids, AgreesWithPlainLoops) {
  for (const std::int64_t width : {1, 2, 3}) {
    const Matrix points = random_matrix(500, 7), centroids = random_matrix(width, kernels::kCentroids);
    std::vector<std::uint8_t> nearest(1000);
    kernels::nearest_centroids({points.values.data() + 2, 500, width, 7}, centroids.values.data(), nearest.data(), 2);
    for (std::int64_t i = 0; i < 500; ++i) {
      const auto distance = [&](std::int64_t k) {
        double out = 0;
        for (std::int64_t n = 0; n < width; ++n)
          out += std::pow(static_cast<double>(points.row(i)[static_cast<std::size_t>(2 + n)]) -
                              static_cast<double>(centroids.row(n)[static_cast<std::size_t>(k)]),
                          2);
        return out;
      };
      double least = distance(0);
      for (std::int64_t k = 1; k < kernels::kCentroids; ++k) least = std::min(least, distance(k));
      EXPECT_NEAR(distance(nearest[static_cast<std::size_t>(2 * i)]), least, 1e-6);
    }
  }
}

TEST(QuantizeRows, KeepsMostOfTheRowsAndDoesNotDependOnTheTeam) {
  const Matrix matrix = random_matrix(3000, 11);  // the last part has one column
  numeric::Team one(1), three(3);
  for (const bool norms : {false, true}) {
    const auto quantized = quantize_rows(matrix, all_rows(matrix), norms, 1, one);
    const auto again = quantize_rows(matrix, all_rows(matrix), norms, 1, three);
    EXPECT_EQ(quantized.codes, again.codes);
    EXPECT_EQ(quantized.quantizer.parts, 6);
    EXPECT_EQ(quantized.quantizer.last_dim, 1);
    // A normal number in 2 dimensions at 8 bits: distortion-rate theory has 2^-8 = 0.0039 as the limit, k-means 0.0075.
    EXPECT_LT(loss_of(matrix, quantized), 0.012) << norms;
  }
}

TEST(QuantizeRows, OfFewRowsLosesNothing) {
  const Matrix matrix = random_matrix(200, 6);
  numeric::Team team(1);
  EXPECT_LT(loss_of(matrix, quantize_rows(matrix, all_rows(matrix), false, 1, team)), 1e-12);
  EXPECT_LT(loss_of(matrix, quantize_rows(matrix, all_rows(matrix), true, 1, team)), 1e-10);
}

TEST(QuantizeRows, TakesEqualRowsAndRowsOfZeros) {
  Matrix matrix(2000, 4);
  for (std::int64_t r = 0; r < 2000; r += 2) matrix.row(r)[1] = 2;
  numeric::Team team(1);
  for (const bool norms : {false, true})
    EXPECT_LT(loss_of(matrix, quantize_rows(matrix, all_rows(matrix), norms, 1, team)), 1e-9);
}

TEST(Quantized, ClassifierIsWrittenAndReadBackWithTheSameAnswers) {
  const TemporaryFolder folder;
  const Model model = small_classifier();
  numeric::Team team(1);
  for (const bool norms : {false, true}) {
    const Model small = quantized(model, {.norms = norms}, team);
    write_fasttext_file(small, folder.path() / "model.ftz");
    const Model back = read_fasttext_file(folder.path() / "model.ftz");
    ASSERT_TRUE(back.quantized_input);
    for (const char* text : {"good movie", "bad", "zebra movie"}) {
      const auto expected = classify(model, text, 2), actual = classify(small, text, 2), read = classify(back, text, 2);
      ASSERT_EQ(read.size(), 2U);
      for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(actual[i].probability, read[i].probability);
        EXPECT_NEAR(read[i].probability, expected[i].probability, 1e-5);  // fewer than 256 rows: nothing is lost
      }
    }
  }
}

TEST(Quantized, CutoffKeepsTheLongestRowsAndTheLineEnd) {
  const TemporaryFolder folder;
  const Model model = small_classifier();  // row lengths grow with their number; </s> is word 3 of 4
  numeric::Team team(1);
  const Model small = quantized(model, {.cutoff = 6}, team);
  EXPECT_EQ(small.dictionary.words, (std::vector<std::string>{"</s>", "__label__yes", "__label__no"}));
  ASSERT_TRUE(small.bucket_rows);
  EXPECT_EQ(small.bucket_rows->entries().size(), 5U);
  EXPECT_EQ(small.bucket_rows->others(), BucketTable::kNone);
  for (std::int32_t bucket = 15; bucket < 20; ++bucket) EXPECT_EQ(small.bucket_rows->row(bucket), bucket - 15);
  write_fasttext_file(small, folder.path() / "model.ftz");
  const Model back = read_fasttext_file(folder.path() / "model.ftz");
  EXPECT_EQ(std::vector(back.bucket_rows->entries().begin(), back.bucket_rows->entries().end()),
            std::vector(small.bucket_rows->entries().begin(), small.bucket_rows->entries().end()));
  EXPECT_EQ(classify(back, "good movie", 2)[0].probability, classify(small, "good movie", 2)[0].probability);
  EXPECT_EQ(quantized(model, {.cutoff = 24}, team).dictionary.nwords, 4);  // not fewer than there are: all stay
}

TEST(Quantized, KeepsTheBucketsThatAModelUses) {
  Model model = small_classifier();  // of its 20 buckets two are in use
  model.input = counting_matrix(4 + 1 + 2, 3);
  std::fill_n(model.input.row(4).begin(), 3, 0.0F);
  model.bucket_rows.emplace(std::vector<BucketTable::Entry>{{17, 1}, {3, 2}}, 0);
  const TemporaryFolder folder;
  numeric::Team team(1);
  for (const std::int64_t cutoff : {100, 5}) {
    const Model small = quantized(model, {.cutoff = cutoff}, team);
    EXPECT_EQ(small.quantized_input->rows, cutoff == 100 ? 6 : 5);
    EXPECT_EQ(small.bucket_rows->row(3), 0);
    EXPECT_EQ(small.bucket_rows->row(17), 1);
    EXPECT_EQ(small.bucket_rows->row(5), BucketTable::kNone);
    write_fasttext_file(small, folder.path() / "model.ftz");
    const Model back = read_fasttext_file(folder.path() / "model.ftz");
    std::vector<float> row(3);
    back.quantized_input->add_row(back.dictionary.nwords, row);  // bucket 3
    for (std::size_t n = 0; n < 3; ++n) EXPECT_NEAR(row[n], model.input.row(6)[n], 1e-6);
  }
}

TEST(Quantized, WithoutCutoffEveryBucketHasARowAndUnusedOnesAreZeros) {
  Model model = small_classifier();
  model.input = random_matrix(4 + 1 + 400, 3);  // more than 256, so that k-means has work to do
  std::fill_n(model.input.row(4).begin(), 3, 0.0F);
  model.settings.buckets = 1000;
  std::vector<BucketTable::Entry> entries;
  for (std::int32_t i = 0; i < 400; ++i) entries.push_back({2 * i, 400 - i});
  model.bucket_rows.emplace(entries, 0);
  const TemporaryFolder folder;
  numeric::Team team(1);
  for (const bool norms : {false, true}) {
    write_fasttext_file(quantized(model, {.norms = norms}, team), folder.path() / "model.ftz");
    const Model back = read_fasttext_file(folder.path() / "model.ftz");
    ASSERT_EQ(back.quantized_input->rows, 1004);
    double away = 0, length = 0;
    for (std::int32_t bucket = 0; bucket < 1000; ++bucket) {
      std::vector<float> row(3);
      back.quantized_input->add_row(4 + bucket, row);
      const auto expected = model.input.row(4 + model.bucket_rows->row(bucket));
      for (std::size_t n = 0; n < 3; ++n) {
        if (bucket % 2 == 1 || bucket >= 800) {
          EXPECT_EQ(row[n], 0) << bucket;
        }
        away += std::pow(static_cast<double>(row[n] - expected[n]), 2);
        length += std::pow(static_cast<double>(expected[n]), 2);
      }
    }
    EXPECT_LT(away / length, 0.02) << norms;
  }
}

}  // namespace
}  // namespace clary::blazingtext
