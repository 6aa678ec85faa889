// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/blazingtext.h"
#include "algorithms/blazingtext/evaluate/evaluation.h"
#include "algorithms/blazingtext/train/pretrained.h"

namespace clary::blazingtext {
namespace {

shell::ChannelSpec text_channel(const char* name, const char* about) {
  shell::ChannelSpec out{.name = name, .about = about};
  out.content_types = {};  // any: the text's form does not depend on it
  out.distributions = {"FullyReplicated"};
  out.default_content_type = "text/plain";
  return out;
}

}  // namespace

const shell::Descriptor& descriptor() {
  static const shell::Descriptor d = [] {
    shell::Descriptor out;
    out.images = {"blazingtext"};
    out.about = "Word vectors (skipgram, cbow, batch_skipgram, with or without subwords) and text classification.";
    out.log_name = "AWS/BlazingText";
    out.distributed = true;
    out.gpu = true;
    auto train =
        text_channel("train", "A sentence a line, words separated by blanks; `supervised`: with __label__X in it.");
    train.required = true;
    auto validation = text_channel("validation", "The same, for `supervised`; decides early stopping.");
    auto pairs = text_channel(
        kPairChannel, "Word pairs with human scores, and analogies, for `evaluation` (Clary only; AWS brings WS-353).");
    pairs.content_types = {}, pairs.input_modes = {"File", "FastFile"};
    auto vectors = text_channel(
        kPretrainedChannel, "Vectors that words begin at (Clary only): one vectors.txt (*.vec), or a fastText *.bin.");
    vectors.input_modes = {"File", "FastFile"};
    out.channels = {train, validation, pairs, vectors};
    out.metrics = {{"train:mean_rho", R"(#mean_rho: (\S+))", "Maximize"},
                   {"validation:accuracy", R"(#validation_accuracy: (\S+))", "Maximize"},
                   {"train:accuracy", R"(#train_accuracy: (\S+))", ""}};
    out.inference_content_types = {"application/json", "application/jsonlines", "text/csv", "text/plain"};
    out.accept_types = {"application/json", "application/jsonlines", "text/csv"};
    out.default_content_type = out.default_accept = "application/json";
    return out;
  }();
  return d;
}

}  // namespace clary::blazingtext
