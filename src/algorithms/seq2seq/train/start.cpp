// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "algorithms/seq2seq/model/architecture_json.h"
#include "algorithms/seq2seq/model/model.h"
#include "algorithms/seq2seq/train/trainer.h"
#include "base/error.h"
#include "learning/shell/unpacked_folder.h"

namespace clary::seq2seq {
namespace {

bool has_attention_units(const Architecture& a) {
  return a.attention == Attention::kMlp || a.attention == Attention::kDot;
}

/// Hyperparameters that the network depends on; others may differ.
std::vector<const char*> names_that_count(const Architecture& a) {
  const auto has = [&](NetworkType type) { return a.encoder == type || a.decoder == type; };
  std::vector<const char*> out{"encoder_type",     "decoder_type",       "num_embed_source",
                               "num_embed_target", "num_layers_encoder", "num_layers_decoder"};
  const auto add = [&out](std::initializer_list<const char*> names) { out.insert(out.end(), names); };
  if (has(NetworkType::kRnn)) add({"rnn_cell_type", "rnn_num_hidden", "rnn_residual_connections"});
  if (has(NetworkType::kRnn) && a.residual) add({"rnn_first_residual_layer"});
  if (has(NetworkType::kCnn)) add({"cnn_num_hidden", "cnn_activation_type"});
  if (a.decoder == NetworkType::kRnn) add({"rnn_attention_type", "rnn_decoder_state_init"});
  if (a.decoder == NetworkType::kRnn && has_attention_units(a)) add({"rnn_attention_num_hidden"});
  if (a.decoder == NetworkType::kRnn && a.decoder_layers > 1) add({"rnn_attention_in_upper_layers"});
  if (a.encoder == NetworkType::kCnn) add({"cnn_kernel_width_encoder", "max_seq_len_source"});
  if (a.decoder == NetworkType::kCnn) add({"cnn_kernel_width_decoder", "max_seq_len_target"});
  return out;
}

/// The first word that an id has in one vocabulary and not in the other.
void check_words(const char* file, const Vocabulary& model, const Vocabulary& job) {
  for (std::int32_t id = 0; id < std::max(model.size(), job.size()); ++id)
    if (model.word(id) != job.word(id))
      throw Error(
          Kind::kInvalid,
          fmt::format("channel {}: word {} of {} is '{}' in the model, '{}' in channel {}; they must agree: give "
                      "the vocabularies that the model was trained with",
                      kModelChannel, id, file, model.word(id), job.word(id), kVocabularyChannel));
}

/// @throws Error, with kInvalid where the channel holds no model: the user's mistake
Model read_model(const std::filesystem::path& folder) {
  try {
    return shell::UnpackedFolder(folder).read(Model::read);
  } catch (const Error& error) {
    throw Error(error.kind() == Kind::kNotFound ? Kind::kInvalid : error.kind(),
                fmt::format("channel {}: {}", kModelChannel, error.what()));
  }
}

}  // namespace

std::vector<std::string> differences(const Architecture& model, const Architecture& job) {
  const Json had = to_json(model), wants = to_json(job);
  const auto shown = [](const Json& value) { return value.is_string() ? value.get<std::string>() : dump_json(value); };
  std::vector<std::string> out;
  for (const char* name : names_that_count(job))
    if (had.at(name) != wants.at(name))
      out.push_back(
          fmt::format("{} of the model is {}, of the job {}", name, shown(had.at(name)), shown(wants.at(name))));
  return out;
}

Parameters starting_parameters(const Hyperparameters& hp, shell::TrainContext& context,
                               const Architecture& architecture, const Vocabulary& source, const Vocabulary& target) {
  if (!context.has_channel(kModelChannel)) {
    Parameters out(architecture);
    out.initialise(hp.init_options(), context.seed());
    return out;
  }
  Model model = read_model(context.channel(kModelChannel).folder());
  if (const auto found = differences(model.architecture, architecture); !found.empty())
    throw Error(Kind::kInvalid, fmt::format("channel {}: {}; they must agree", kModelChannel, fmt::join(found, "; ")));
  check_words(kSourceVocabularyFile, model.source, source);
  check_words(kTargetVocabularyFile, model.target, target);
  context.log().info("Training goes on from the model in channel {}.", kModelChannel);
  return std::move(model.parameters);
}

}  // namespace clary::seq2seq
