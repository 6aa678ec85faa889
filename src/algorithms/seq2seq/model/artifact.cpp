// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/artifact.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "algorithms/seq2seq/model/architecture_json.h"
#include "algorithms/seq2seq/model/sockeye.h"
#include "algorithms/seq2seq/model/weights.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/safetensors.h"

namespace clary::seq2seq {
namespace {

namespace fs = std::filesystem;

constexpr const char *kWeights = "model.safetensors", *kMetadata = "model.json", *kMetrics = "metrics.tsv";
constexpr const char *kArchitecture = "architecture", *kRatioMean = "length_ratio_mean",
                     *kRatioStd = "length_ratio_std", *kBeam = "beam_size", *kTraining = "training",
                     *kHyperparameters = "hyperparameters", *kCheckpoint = "checkpoint";
constexpr int kFormat = 1;  // of model.json
constexpr std::uint64_t kMaxMetadata = 64 << 20, kMaxVocabulary = 512 << 20;
constexpr std::int64_t kMaxBeam = 1'000'000;

[[noreturn]] void malformed(const std::string& rule) {
  throw Error(Kind::kMalformed, std::string(kMetadata) + ": " + rule);
}

/// A ratio above the longest target would let a stranger's model decode for ever.
double ratio_of(const Json& json, const char* name, double low, double high) {
  const Json value = json.value(name, Json());
  if (!value.is_number() || !(value.get<double>() >= low) || !(value.get<double>() <= high))
    malformed(fmt::format("{} is {:.40}, must be a number from {} to {} (max_seq_len_target)", name, dump_json(value),
                          low, high));
  return value.get<double>();
}

Json object_of(const Json& json, const char* name) {
  const Json value = json.value(name, Json::object());
  if (!value.is_object()) malformed(fmt::format("{} is no object", name));
  return value;
}

void check_size(const Vocabulary& vocabulary, const char* file, std::int64_t expected) {
  if (vocabulary.size() != expected)
    throw Error(Kind::kMalformed, fmt::format("{}: its largest id is {}, must be {} as model.json says", file,
                                              vocabulary.size() - 1, expected - 1));
}

Vocabulary read_vocabulary(const fs::path& dir, const char* name) {
  std::error_code error;
  if (!fs::exists(dir / name, error))
    throw Error(Kind::kNotFound, fmt::format("{} holds no {}: not a model of seq2seq", dir.string(), name));
  return Vocabulary::parse(read_file(dir / name, kMaxVocabulary), name);
}

}  // namespace

std::string metrics_table(const Json& history) {
  std::set<std::string> names;
  for (const Json& checkpoint : history)
    for (const auto& [name, value] : checkpoint.items())
      if (name != kCheckpoint && !value.is_structured()) names.insert(name);
  std::string out = kCheckpoint;
  for (const std::string& name : names) out += '\t' + name;
  out += '\n';
  std::int64_t number = 0;
  for (const Json& checkpoint : history) {
    out += dump_json(checkpoint.value(kCheckpoint, Json(++number)));
    for (const std::string& name : names) {
      out += '\t';
      if (checkpoint.contains(name)) out += dump_json(checkpoint[name]);
    }
    out += '\n';
  }
  return out;
}

void Model::save(const fs::path& dir) const {
  std::vector<artifact::ArrayRef> arrays;
  for (const Tensor& tensor : parameters.list()) arrays.push_back({tensor.name, tensor.shape, parameters.of(tensor)});
  artifact::write_file_in_pieces(dir / kWeights, [&](const artifact::ByteSink& sink) {
    artifact::write_safetensors(arrays, {{"format", "pt"}}, sink);
  });
  write_file_atomically(dir / kSourceVocabularyFile, source.text());
  write_file_atomically(dir / kTargetVocabularyFile, target.text());
  write_file_atomically(dir / kMetrics, metrics_table(training.value("history", Json::array())));
  const Json metadata{{"format", kFormat},
                      {"algorithm", "seq2seq"},
                      {kArchitecture, to_json(architecture)},
                      {"parameters", parameters.learned()},
                      {kRatioMean, length_ratio_mean},
                      {kRatioStd, length_ratio_std},
                      {kBeam, beam_size},
                      {kTraining, training},
                      {kHyperparameters, hyperparameters}};
  write_file_atomically(dir / kMetadata, metadata.dump(2, ' ', false, Json::error_handler_t::replace) + '\n');
}

Model read_model(std::string_view model_json, std::span<const std::byte> safetensors, Vocabulary source,
                 Vocabulary target) {
  const Json json = [&] {
    try {
      return parse_json(model_json);
    } catch (const Error& error) {
      throw Error(error.kind(), std::string(kMetadata) + ": " + error.what());
    }
  }();
  if (!json.is_object()) malformed("is no object");
  if (json.value("format", Json()) != kFormat)
    malformed(fmt::format("format is {:.40}, this version reads {}", dump_json(json.value("format", Json())), kFormat));
  Model out;
  out.architecture = architecture_of(json.value(kArchitecture, Json()));
  const auto longest = static_cast<double>(out.architecture.max_seq_len_target);
  out.length_ratio_mean = ratio_of(json, kRatioMean, 0, longest);
  out.length_ratio_std = ratio_of(json, kRatioStd, 0, longest);
  const auto beam = exact_integer(json.value(kBeam, Json()));
  if (!beam || *beam < 1 || *beam > kMaxBeam)
    malformed(fmt::format("beam_size must be an integer from 1 to {}", kMaxBeam));
  out.beam_size = *beam;
  out.training = object_of(json, kTraining);
  out.hyperparameters = object_of(json, kHyperparameters);
  check_size(source, kSourceVocabularyFile, out.architecture.source_vocabulary);
  check_size(target, kTargetVocabularyFile, out.architecture.target_vocabulary);
  out.source = std::move(source), out.target = std::move(target);
  const auto arrays = artifact::read_safetensors(safetensors).arrays;
  out.parameters = WeightFile(kWeights, arrays).parameters(out.architecture, [](const Tensor& tensor) {
    return std::vector<std::string>{tensor.name};
  });
  return out;
}

Model Model::read(const fs::path& dir) {
  std::error_code error;
  if (!fs::exists(dir / kMetadata, error)) {
    if (is_sockeye_folder(dir)) return read_sockeye_folder(dir);
    throw Error(Kind::kNotFound,
                fmt::format("{} holds neither {} nor the params of a Sockeye model: not a model of seq2seq",
                            dir.string(), kMetadata));
  }
  if (!fs::exists(dir / kWeights, error))
    throw Error(Kind::kNotFound, fmt::format("{} holds no {}: not a model of seq2seq", dir.string(), kWeights));
  const artifact::MappedFile weights(dir / kWeights);
  return read_model(read_file(dir / kMetadata, kMaxMetadata), weights.bytes(),
                    read_vocabulary(dir, kSourceVocabularyFile), read_vocabulary(dir, kTargetVocabularyFile));
}

}  // namespace clary::seq2seq
