// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "algorithms/seq2seq/model/architecture_json.h"
#include "algorithms/seq2seq/model/testing_models.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/safetensors.h"

namespace clary::seq2seq {
namespace {

using ::testing::HasSubstr;

std::vector<Architecture> architectures() {
  std::vector<Architecture> out(4, testing_architecture());
  out[1].cell = Cell::kGru;
  out[1].encoder_layers = 2, out[1].decoder_layers = 3;
  out[1].residual = true, out[1].attention_in_upper_layers = false;
  out[1].attention = Attention::kDot, out[1].state_init = StateInit::kAvg;
  out[2].encoder = out[2].decoder = NetworkType::kCnn;
  out[2].activation = ConvActivation::kSoftRelu;
  out[3].encoder = NetworkType::kCnn;
  out[3].attention = Attention::kBilinear, out[3].state_init = StateInit::kZero;
  return out;
}

TEST(Seq2SeqArtifact, IsReadAsItWasSaved) {
  for (const Architecture& a : architectures()) {
    Model model = testing_model(a);
    model.beam_size = 7;
    model.training = {{"best_checkpoint", 2},
                      {"history", Json::array({{{"checkpoint", 1}, {"validation_bleu", 0.25}}})}};
    model.hyperparameters = {{"rnn_num_hidden", "8"}};
    const TemporaryFolder folder;
    model.save(folder.path());
    const Model again = Model::read(folder.path());
    EXPECT_EQ(again.architecture, a);
    EXPECT_TRUE(std::ranges::equal(again.parameters.values(), model.parameters.values()));
    EXPECT_EQ(again.source.text(), model.source.text());
    EXPECT_EQ(read_file(folder.path() / "vocab.trg.json"), model.target.text());
    EXPECT_EQ(again.length_ratio_mean, 1.25);
    EXPECT_EQ(again.length_ratio_std, 0.5);
    EXPECT_EQ(again.beam_size, 7);
    EXPECT_EQ(again.training, model.training);
    EXPECT_EQ(again.hyperparameters, model.hyperparameters);
    EXPECT_EQ(read_file(folder.path() / "metrics.tsv"), "checkpoint\tvalidation_bleu\n1\t0.25\n");
  }
}

TEST(Seq2SeqArtifact, MetricsHaveALinePerCheckpoint) {
  EXPECT_EQ(metrics_table(Json::array()), "checkpoint\n");
  EXPECT_EQ(metrics_table(Json::parse(R"([{"checkpoint": 1, "b": 2.5, "a": 3}, {"checkpoint": 2, "a": 4}])")),
            "checkpoint\ta\tb\n1\t3\t2.5\n2\t4\t\n");
}

/// A saved model whose files can be damaged.
struct Saved {
  TemporaryFolder folder;
  Json metadata;

  Saved() {
    testing_model(testing_architecture()).save(folder.path());
    metadata = parse_json(read_file(folder.path() / "model.json"));
  }
  std::string failure(Kind kind = Kind::kMalformed) const {
    write_file_atomically(folder.path() / "model.json", dump_json(metadata));
    try {
      Model::read(folder.path());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      return error.what();
    }
    return "no error";
  }
  std::string failure_with(const char* name, const Json& value) const {
    Saved other;
    other.metadata["architecture"][name] = value;
    return other.failure();
  }
};

TEST(Seq2SeqArtifact, SizesAreComparedWithTheFileBeforeMemoryIsTaken) {
  const Saved saved;
  for (const char* name : {"num_embed_source", "rnn_attention_num_hidden", "num_layers_decoder"})
    EXPECT_THAT(saved.failure_with(name, 1000), HasSubstr("model.safetensors: ")) << name;
  EXPECT_THAT(saved.failure_with("rnn_num_hidden", 100000), HasSubstr("must be [200000, "));
  EXPECT_THAT(saved.failure_with("num_embed_target", 99999),
              HasSubstr("target_embed.weight has the shape [13, 7], must be"));
  EXPECT_THAT(saved.failure_with("rnn_cell_type", "gru"), HasSubstr("must be [12, 5]"));
  EXPECT_THAT(saved.failure_with("rnn_decoder_state_init", "zero"),
              HasSubstr("the array decoder.init.0.c.bias belongs to nothing that such a model has"));
  EXPECT_THAT(saved.failure_with("encoder_type", "cnn"), HasSubstr("the array encoder.pos is missing"));
}

TEST(Seq2SeqArtifact, EveryMistakeNamesMemberValueAndRule) {
  const Saved saved;
  EXPECT_THAT(saved.failure_with("num_embed_source", 0), HasSubstr("num_embed_source is 0, must be from 1 to 100000"));
  EXPECT_THAT(saved.failure_with("source_vocabulary", 1e18), HasSubstr("source_vocabulary"));
  EXPECT_THAT(saved.failure_with("source_vocabulary", 12),
              HasSubstr("vocab.src.json: its largest id is 10, must be 11"));
  EXPECT_THAT(saved.failure_with("num_layers_encoder", "2"),
              HasSubstr("num_layers_encoder is \"2\", must be an integer"));
  EXPECT_THAT(saved.failure_with("rnn_num_hidden", 9), HasSubstr("rnn_num_hidden is 9, must be even"));
  EXPECT_THAT(saved.failure_with("cnn_kernel_width_encoder", 2), HasSubstr("must be odd"));
  EXPECT_THAT(saved.failure_with("rnn_attention_type", "mhdot"), HasSubstr("rnn_attention_type is \"mhdot\""));
  EXPECT_THAT(saved.failure_with("rnn_residual_connections", 1), HasSubstr("must be true or false"));
  const auto with = [](const char* name, const Json& value) {
    Saved other;
    other.metadata[name] = value;
    return other.failure();
  };
  EXPECT_THAT(with("format", 2), HasSubstr("format is 2, this version reads 1"));
  EXPECT_THAT(with("architecture", nullptr), HasSubstr("architecture: is no object"));
  EXPECT_THAT(with("length_ratio_mean", 1e9),
              HasSubstr("length_ratio_mean is 1000000000.0, must be a number from 0 to 10"));
  EXPECT_THAT(with("length_ratio_std", nullptr), HasSubstr("length_ratio_std is null"));
  EXPECT_THAT(with("beam_size", 0), HasSubstr("beam_size must be an integer from 1"));
  EXPECT_THAT(with("training", 3), HasSubstr("training is no object"));
}

TEST(Seq2SeqArtifact, MissingFilesAreNamed) {
  for (const char* file : {"model.safetensors", "vocab.src.json", "vocab.trg.json"}) {
    const Saved saved;
    std::filesystem::remove(saved.folder.path() / file);
    EXPECT_THAT(saved.failure(Kind::kNotFound), HasSubstr(std::string("holds no ") + file));
  }
  const TemporaryFolder empty;
  EXPECT_THROW(Model::read(empty.path()), Error);
}

TEST(Seq2SeqArtifact, NumbersThatAreNotFiniteAreRefused) {
  Model model = testing_model(testing_architecture());
  model.parameters.of(model.parameters.tensor("attention.v.weight"))[2] = std::numeric_limits<float>::infinity();
  const TemporaryFolder folder;
  model.save(folder.path());
  try {
    Model::read(folder.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "model.safetensors: attention.v.weight holds a number that is not finite");
  }
}

}  // namespace
}  // namespace clary::seq2seq
