// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/seq2seq.h"

namespace clary::seq2seq {
namespace {

const std::vector<std::string> kJsonTypes{"application/json", "application/jsonlines"};
const std::string kRecords = "application/x-recordio-protobuf";

shell::ChannelSpec channel(const char* name, const char* about, const std::string& content_type) {
  return {.name = name,
          .required = true,
          .about = about,
          .content_types = {content_type},
          .input_modes = {"File"},
          .distributions = {"FullyReplicated"},
          .default_content_type = content_type};
}

std::vector<shell::ChannelSpec> channels() {
  auto model = channel(kModelChannel, "A finished job's artifact: training goes on from it (Clary only).",
                       "application/x-sagemaker-model");
  model.required = false;
  return {
      channel("train", "Pairs of id sequences to learn from.", kRecords),
      channel("validation", "Pairs that each checkpoint is scored on; the best checkpoint is the model.", kRecords),
      channel(kVocabularyChannel, "vocab.src.json and vocab.trg.json: the words and their ids.", "application/json"),
      std::move(model)};
}

std::vector<shell::MetricSpec> metrics() {
  const auto of_checkpoint = [](const char* what) {
    return R"(Checkpoint \[\d+\]\s+Validation-)" + std::string(what) + R"(=([0-9.eE+-]+))";
  };
  return {{"validation:accuracy", of_checkpoint("accuracy"), "Maximize"},
          {"validation:bleu", of_checkpoint("bleu"), "Maximize"},
          {"validation:perplexity", of_checkpoint("perplexity"), "Minimize"},
          {"train:perplexity", R"(Train-perplexity=([0-9.eE+-]+))", ""},
          {"train:accuracy", R"(Train-accuracy=([0-9.eE+-]+))", ""},
          {"train:throughput", R"(Speed: ([0-9.]+) samples/sec)", ""}};
}

}  // namespace

const shell::Descriptor& Seq2Seq::descriptor() {
  static const shell::Descriptor d = [] {
    shell::Descriptor out;
    out.images = {"seq2seq"};
    out.about =
        "Sequence to sequence: an encoder-decoder with attention, recurrent or convolutional, for translation and "
        "every other mapping of one sequence of words to another; answers by beam search.";
    out.log_name = "AWS/Seq2Seq";
    out.python_2 = true;
    out.channels = channels();
    out.metrics = metrics();
    // The second spelling is in AWS's developer guide.
    out.inference_content_types = {kJsonTypes[0], kJsonTypes[1], kRecords, "applications/x-recordio-protobuf"};
    out.accept_types = out.inference_content_types;
    out.default_content_type = "application/json";
    out.default_accept = "application/json";
    out.batch_strategy = "MULTI_RECORD";
    return out;
  }();
  return d;
}

}  // namespace clary::seq2seq
