// SPDX-License-Identifier: Apache-2.0
// Translations beside a reference that recomputes everything from the formulas, and what must hold for all of them.
#include "algorithms/seq2seq/decode/translator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/decode/testing_reference.h"
#include "algorithms/seq2seq/network/testing_batches.h"
#include "base/error.h"
#include "learning/nn/packed_matrix.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using testing_batches::random_parameters;
using Words = std::vector<std::int32_t>;

/// Small, with sizes of which none is a multiple of another.
Architecture small() {
  Architecture a;
  a.source_vocabulary = 11, a.target_vocabulary = 9;
  a.num_embed_source = 5, a.num_embed_target = 7;
  a.rnn_hidden = 6, a.attention_hidden = 10, a.cnn_hidden = 6;
  a.kernel_width_encoder = 3, a.kernel_width_decoder = 3;
  a.max_seq_len_source = 12, a.max_seq_len_target = 14;
  return a;
}

DecodeLimits limits_of(const Architecture& a, double mean = 1.1) {
  return {.length_ratio_mean = mean,
          .length_ratio_std = 0,
          .max_source = 12,
          .max_target = a.max_seq_len_target,
          .never = {}};
}

std::vector<Words> sentences(std::initializer_list<int> lengths, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<std::int32_t> draw(kFirstWord, 10);
  std::vector<Words> out;
  for (const int length : lengths) {
    out.emplace_back(at(length));
    std::generate(out.back().begin(), out.back().end(), [&] { return draw(random); });
  }
  return out;
}

void expect_equal(const std::vector<testing_reference::Found>& expected, const std::vector<Translation>& actual,
                  std::size_t source_length) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(actual[i].ids, expected[i].ids) << "hypothesis " << i;
    EXPECT_NEAR(actual[i].score, expected[i].score, 1e-4);
    ASSERT_EQ(actual[i].attention.size(), expected[i].ids.size() * source_length);
    for (std::size_t row = 0; row < expected[i].ids.size(); ++row)
      for (std::size_t s = 0; s < source_length; ++s)
        EXPECT_NEAR(actual[i].attention[row * source_length + s], expected[i].attention[row][s], 1e-4);
  }
}

struct Kind {
  std::string name;
  Architecture architecture;
};

std::vector<Kind> kinds() {
  std::vector<Kind> out;
  const auto add = [&](const std::string& name, auto change) {
    Architecture a = small();
    change(a);
    out.push_back({name, a});
  };
  for (const auto& [cell_name, cell] : {std::pair{"Lstm", Cell::kLstm}, {"Gru", Cell::kGru}}) {
    const std::string n = cell_name;
    const auto with = [cell = cell](auto change) {
      return [cell, change](Architecture& a) { a.cell = cell, change(a); };
    };
    add(n + "Mlp", with([](Architecture&) {}));
    add(n + "DotProjected", with([](Architecture& a) { a.attention = Attention::kDot; }));
    add(n + "DotPlain", with([](Architecture& a) { a.attention = Attention::kDot, a.attention_hidden = 6; }));
    add(n + "Bilinear", with([](Architecture& a) { a.attention = Attention::kBilinear; }));
    add(n + "Fixed", with([](Architecture& a) { a.attention = Attention::kFixed; }));
    add(n + "InitAvg", with([](Architecture& a) { a.state_init = StateInit::kAvg; }));
    add(n + "InitZero", with([](Architecture& a) { a.state_init = StateInit::kZero; }));
    add(n + "DeepUpper", with([](Architecture& a) { a.encoder_layers = 3, a.decoder_layers = 3, a.residual = true; }));
    add(n + "DeepStack", with([](Architecture& a) {
          a.encoder_layers = 2, a.decoder_layers = 3, a.attention_in_upper_layers = false;
          a.residual = true, a.first_residual_layer = 3;
        }));
    add(n + "OfCnnEncoder", with([](Architecture& a) {
          a.encoder = NetworkType::kCnn, a.cnn_hidden = 8, a.encoder_layers = 2, a.decoder_layers = 2;
        }));
  }
  for (const auto& [name, activation] : {std::pair{"Glu", ConvActivation::kGlu},
                                         {"Relu", ConvActivation::kRelu},
                                         {"SoftRelu", ConvActivation::kSoftRelu},
                                         {"Sigmoid", ConvActivation::kSigmoid},
                                         {"Tanh", ConvActivation::kTanh}})
    add(std::string("Cnn") + name, [activation = activation](Architecture& a) {
      a.encoder = a.decoder = NetworkType::kCnn, a.activation = activation;
      a.encoder_layers = 2, a.decoder_layers = 3, a.kernel_width_encoder = 5, a.kernel_width_decoder = 4;
    });
  add("CnnOfRnnEncoder", [](Architecture& a) { a.decoder = NetworkType::kCnn, a.kernel_width_decoder = 1; });
  return out;
}

class EveryKind : public testing::TestWithParam<Kind> {};

TEST_P(EveryKind, EqualsTheReference) {
  const Architecture& a = GetParam().architecture;
  const std::vector<Words> sources = sentences({4, 1, 12, 7});
  for (const unsigned seed : {1U, 2U}) {
    const Parameters parameters = random_parameters(a, seed, 0.5F);
    const testing_reference::Model reference(a, parameters);
    const Translator translator(a, parameters, limits_of(a));
    for (const std::int64_t beam : {1, 2, 5}) {
      const auto translations = translator.translate(sources, {.beam_size = beam, .n_best = beam, .attention = true});
      ASSERT_EQ(translations.size(), sources.size());
      for (std::size_t i = 0; i < sources.size(); ++i) {
        // max(2, ceil(1.1 * 10 or 1.1 * 20)) cells; the position table of a convolutional decoder ends them earlier.
        std::int64_t cells = static_cast<std::int64_t>(std::ceil(1.1 * (sources[i].size() > 10 ? 20 : 10)));
        if (a.decoder == NetworkType::kCnn) cells = std::min(cells, a.max_seq_len_target + 1);
        SCOPED_TRACE(testing::Message() << "seed " << seed << ", beam " << beam << ", sentence " << i);
        expect_equal(testing_reference::beam_search(reference, sources[i], beam, cells), translations[i],
                     sources[i].size());
      }
    }
  }
}

TEST_P(EveryKind, SentenceDoesNotDependOnTheOthers) {
  const Architecture& a = GetParam().architecture;
  const Parameters parameters = random_parameters(a, 4, 0.5F);
  const Translator translator(a, parameters, limits_of(a));
  std::vector<Words> sources = sentences({3, 9, 1, 12, 3, 5, 8, 2, 2, 7, 6, 11, 4, 4, 10});
  const DecodeOptions options{.beam_size = 3, .n_best = 3};
  const auto together = translator.translate(sources, options);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const auto alone = translator.translate({&sources[i], 1}, options);
    for (std::size_t rank = 0; rank < alone[0].size(); ++rank) {
      EXPECT_EQ(alone[0][rank].ids, together[i][rank].ids);
      EXPECT_EQ(alone[0][rank].score, together[i][rank].score);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Translator, EveryKind, testing::ValuesIn(kinds()),
                         [](const auto& parameter) { return parameter.param.name; });

TEST(Translator, SplitsLongInputsAndJoinsTheirTranslations) {
  const Architecture a = small();
  const Parameters parameters = random_parameters(a, 5, 0.5F);
  DecodeLimits limits = limits_of(a);
  limits.max_source = 4;
  const Translator translator(a, parameters, limits);
  const std::vector<Words> whole = sentences({10});
  const std::vector<Words> pieces{{whole[0].begin(), whole[0].begin() + 4},
                                  {whole[0].begin() + 4, whole[0].begin() + 8},
                                  {whole[0].begin() + 8, whole[0].end()}};
  const DecodeOptions options{.beam_size = 3, .n_best = 1, .attention = true};
  const Translation joined = translator.translate(whole, options)[0][0];
  const auto parts = translator.translate(pieces, options);
  Words ids;
  std::size_t row = 0, column = 0;
  ASSERT_EQ(joined.attention.size(), joined.ids.size() * 10);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const Translation& part = parts[p][0];
    ids.insert(ids.end(), part.ids.begin(), part.ids.end());
    for (std::size_t r = 0; r < part.ids.size(); ++r, ++row)
      for (std::size_t s = 0; s < 10; ++s) {
        const bool inside = s >= column && s < column + pieces[p].size();
        EXPECT_EQ(joined.attention[row * 10 + s], inside ? part.attention[r * pieces[p].size() + s - column] : 0.0F);
      }
    column += pieces[p].size();
  }
  EXPECT_EQ(joined.ids, ids);
}

TEST(Translator, NeverChoosesSymbolsAndIdsWithoutAWord) {
  const Architecture a = small();
  Parameters parameters = random_parameters(a, 6, 0.5F);
  const std::span<float> bias = parameters.of(*parameters.find("output.bias"));
  for (const int word : {0, 2, 5, 8}) bias[at(word)] = 50;  // nearly all of the probability
  DecodeLimits limits = limits_of(a);
  limits.never = {8, 5};
  for (const auto& translations :
       Translator(a, parameters, limits).translate(sentences({5, 3}), {.beam_size = 4, .n_best = 4})) {
    ASSERT_EQ(translations.size(), 4U);
    for (const Translation& translation : translations) {
      for (const std::int32_t id : translation.ids) EXPECT_TRUE(id == 1 || id == 4 || id == 6 || id == 7) << id;
      EXPECT_GT(translation.score, 40);  // they keep their share of the probability
    }
  }
}

TEST(Translator, EmptyInputGivesAnEmptyTranslation) {
  const Architecture a = small();
  const Translator translator(a, random_parameters(a, 7), limits_of(a));
  const std::vector<Words> sources{{}, {4, 5}, {}};
  const auto translations = translator.translate(sources, {.beam_size = 2, .n_best = 2, .attention = true});
  for (const std::size_t i : {0U, 2U}) {
    ASSERT_EQ(translations[i].size(), 1U);
    EXPECT_TRUE(translations[i][0].ids.empty());
    EXPECT_TRUE(translations[i][0].attention.empty());
    EXPECT_TRUE(std::isinf(translations[i][0].score));
  }
  EXPECT_EQ(translations[1].size(), 2U);
  EXPECT_TRUE(translator.translate({}, {}).empty());
}

TEST(Translator, RefusesABeamOfNothing) {
  const Architecture a = small();
  const Translator translator(a, random_parameters(a, 7), limits_of(a));
  EXPECT_THROW(translator.translate(sentences({3}), {.beam_size = 0}), Error);
  EXPECT_THROW(translator.translate(sentences({3}), {.beam_size = 2, .n_best = 0}), Error);
}

TEST(Translator, TakesIdsOutsideTheVocabularyAsUnknown) {
  const Architecture a = small();
  const Translator translator(a, random_parameters(a, 8, 0.5F), limits_of(a));
  const std::vector<Words> odd{{4, 11, -3, 2147483647}}, known{{4, kUnknown, kUnknown, kUnknown}};
  EXPECT_EQ(translator.translate(odd, {})[0][0].score, translator.translate(known, {})[0][0].score);
}

TEST(Translator, BeamIsNoWorseThanGreedy) {
  const Architecture a = small();
  const std::vector<Words> sources = sentences({3, 9, 1, 12, 3, 5, 8, 2}, 3);
  int better = 0;
  for (unsigned seed = 1; seed <= 10; ++seed) {
    const Parameters parameters = random_parameters(a, seed, 0.7F);
    const Translator translator(a, parameters, limits_of(a, 2));
    const auto greedy = translator.translate(sources, {.beam_size = 1});
    const auto beam = translator.translate(sources, {.beam_size = 5});
    for (std::size_t i = 0; i < sources.size(); ++i) {
      EXPECT_LE(beam[i][0].score, greedy[i][0].score + 1e-9) << "seed " << seed << ", sentence " << i;
      better += beam[i][0].score < greedy[i][0].score - 1e-6 ? 1 : 0;
    }
  }
  EXPECT_GT(better, 10);
}

TEST(Translator, BeamMayExceedTheVocabulary) {
  const Architecture a = small();
  const Parameters parameters = random_parameters(a, 9, 0.5F);
  const std::vector<Words> sources = sentences({2});
  const auto translations =
      Translator(a, parameters, limits_of(a, 0.4)).translate(sources, {.beam_size = 40, .n_best = 40});
  expect_equal(testing_reference::beam_search({a, parameters}, sources[0], 40, 4), translations[0], 0);
}

TEST(Translator, LengthLimitIsAtLeastOneWord) {
  const Architecture a = small();
  const Translator translator(a, random_parameters(a, 10, 0.5F), limits_of(a, 0.01));
  const auto translations = translator.translate(sentences({3}), {.beam_size = 3, .n_best = 3});
  for (const Translation& translation : translations[0]) EXPECT_LE(translation.ids.size(), 1U);
}

TEST(Translator, ThreadsMayTranslateAtOnce) {
  const Architecture a = small();
  const Parameters parameters = random_parameters(a, 11, 0.5F);
  const Translator translator(a, parameters, limits_of(a));
  const std::vector<Words> sources = sentences({3, 9, 1, 12, 3, 5, 8, 2});
  const auto expected = translator.translate(sources, {});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int n = 0; n < 5; ++n) {
        const auto translations = translator.translate(sources, {});
        for (std::size_t i = 0; i < sources.size(); ++i) EXPECT_EQ(translations[i][0].ids, expected[i][0].ids);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

/// Models in fewer bits differ in the last digits of their scores.
class Rounded : public testing::TestWithParam<Precision> {};

TEST_P(Rounded, ScoresAreThoseOfFloat32) {
  if (GetParam() == Precision::kInt8 && !nn::has_int8_products()) GTEST_SKIP() << "no AVX-512 VNNI";
  for (const auto& kind : {kinds().front(), kinds().back()}) {
    const Parameters parameters = random_parameters(kind.architecture, 12, 0.4F);
    const std::vector<Words> sources = sentences({3, 9, 12});
    const DecodeLimits limits = limits_of(kind.architecture);
    const auto exact = Translator(kind.architecture, parameters, limits).translate(sources, {});
    const auto rounded = Translator(kind.architecture, parameters, limits, GetParam()).translate(sources, {});
    for (std::size_t i = 0; i < sources.size(); ++i) EXPECT_NEAR(rounded[i][0].score, exact[i][0].score, 0.05);
  }
}

INSTANTIATE_TEST_SUITE_P(Translator, Rounded, testing::Values(Precision::kBFloat16, Precision::kInt8));

}  // namespace
}  // namespace clary::seq2seq
