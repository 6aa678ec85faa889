// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/model/model.h"

#include <fmt/format.h>

#include <map>

#include "algorithms/ntm/data/dataset.h"
#include "algorithms/ntm/model/mxnet.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "formats/npy.h"
#include "learning/artifact/model_file.h"
#include "learning/artifact/zip_archive.h"

namespace clary::ntm {
namespace {

constexpr std::int64_t kMaxLayers = 100;

/// Member of meta.json as an integer of [low, high].
std::int64_t bounded(const Json& meta, const char* name, std::int64_t low, std::int64_t high) {
  const auto found = meta.find(name);
  if (found == meta.end() || !found->is_number_integer()) {
    throw Error(Kind::kMalformed, fmt::format("ntm: meta.json: {} is missing or no integer", name));
  }
  const auto value = found->get<std::int64_t>();
  if (value < low || value > high) {
    throw Error(Kind::kMalformed, fmt::format("ntm: meta.json: {} is {}, allowed {} to {}", name, value, low, high));
  }
  return value;
}

Shape shape_of(const Json& meta) {
  if (!meta.is_object()) throw Error(Kind::kMalformed, "ntm: meta.json is not an object");
  Shape s;
  s.vocabulary = bounded(meta, "feature_dim", 1, 1'000'000);
  s.topics = bounded(meta, "num_topics", 2, 1000);
  const Json layers = meta.value("encoder_layers", Json());
  if (!layers.is_array() || layers.empty() || static_cast<std::int64_t>(layers.size()) > kMaxLayers) {
    throw Error(Kind::kMalformed, "ntm: meta.json: encoder_layers is not a list of 1 to 100 sizes");
  }
  // bounded() takes a member of an object; a bare number is wrapped in one.
  for (const Json& units : layers) s.layers.push_back(bounded(Json{{"units", units}}, "units", 1, 1'000'000));
  const Json activation = meta.value("encoder_layers_activation", Json());
  s.activation = activation_named(activation.is_string() ? activation.get<std::string>() : "");
  const Json norm = meta.value("batch_norm", Json(false));
  s.batch_norm = norm.is_boolean() && norm.get<bool>();
  return s;
}

const std::string& member(const std::map<std::string, std::string>& zip, const std::string& name) {
  const auto found = zip.find(name);
  if (found == zip.end()) throw Error(Kind::kMalformed, fmt::format("ntm: model file holds no {}", name));
  return found->second;
}

std::string joined_lines(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) (out += line) += '\n';
  return out;
}

}  // namespace

Model::Model(Parameters parameters, std::vector<std::string> vocabulary, TopicReport report, Json meta)
    : parameters_(std::move(parameters)),
      vocabulary_(std::move(vocabulary)),
      report_(std::move(report)),
      meta_(std::move(meta)) {
  // The shape is written from the parameters, whatever the caller's meta holds: load() builds on it.
  const Shape& s = parameters_.shape;
  meta_["format"] = 1;
  meta_["feature_dim"] = s.vocabulary;
  meta_["num_topics"] = s.topics;
  meta_["encoder_layers"] = s.layers;
  meta_["encoder_layers_activation"] = activation_name(s.activation);
  meta_["batch_norm"] = s.batch_norm;
  if (!vocabulary_.empty()) meta_["vocabulary_sha256"] = to_hex(sha256(joined_lines(vocabulary_)));
  topics_ = topics_json(report_, parameters_.decoder, vocabulary_);
}

void Model::save(const std::filesystem::path& dir, shell::TrainContext& context) const {
  save_host(dir, context.hosts().current);
  // All hosts hold the same parameters after the last merge; plain files are needed once.
  if (context.hosts().is_first()) save_plain(dir);
}

void Model::save_host(const std::filesystem::path& dir, const std::string& host) const {
  artifact::ZipMembers members{{"meta.json", dump_json(meta_)},
                               {"params", write_arrays(to_arrays(parameters_))},
                               {"symbol.json", symbol_json(parameters_.shape)},
                               {"topics.json", topics_}};
  if (!vocabulary_.empty()) members.emplace_back("vocab.txt", joined_lines(vocabulary_));
  write_file_atomically(dir / (artifact::kModelFilePrefix + host), artifact::write_zip(members));
}

void Model::save_plain(const std::filesystem::path& dir) const {
  const Shape& s = parameters_.shape;
  std::vector<float> distribution, weights;
  for (std::int64_t k = 0; k < s.topics; ++k) {
    const std::vector<float> row = word_distribution(parameters_.decoder, k);
    distribution.insert(distribution.end(), row.begin(), row.end());
    weights.insert(weights.end(), parameters_.decoder.row(k), parameters_.decoder.row(k) + s.vocabulary);
  }
  const std::int64_t matrix[] = {s.topics, s.vocabulary}, vector[] = {s.vocabulary};
  formats::write_npy(dir / "topic_word.npy", distribution, matrix);
  formats::write_npy(dir / "topic_word_weight.npy", weights, matrix);
  const float* bias = parameters_.decoder.row(s.topics);
  formats::write_npy(dir / "word_bias.npy", std::span(bias, static_cast<std::size_t>(s.vocabulary)), vector);
  write_file_atomically(dir / "topics.json", topics_);
  write_file_atomically(dir / "topics.csv", topics_csv(report_, parameters_.decoder, vocabulary_));
  if (!vocabulary_.empty()) write_file_atomically(dir / "vocab.txt", joined_lines(vocabulary_));
}

void Model::check_finite(const shell::FiniteCheck& check) const {
  Parameters::each_named(parameters_, [&](const std::string& name, const Matrix& m) { check.array(name, m.values); });
}

Model Model::load(const std::filesystem::path& dir) {
  // Bounds the memory that unpacking may take.
  const auto zip = artifact::read_zip(read_file(artifact::find_model_file(dir, "an NTM model"), 32ULL << 30));
  Model m;
  m.meta_ = parse_json(member(zip, "meta.json"));
  m.parameters_ = from_arrays(read_arrays(member(zip, "params")), shape_of(m.meta_));
  if (zip.contains("vocab.txt")) {
    m.vocabulary_ = parse_vocabulary(zip.at("vocab.txt"), m.parameters_.shape.vocabulary);
  }
  // Computed again: topics.json may be missing in files of other programs.
  m.report_.top = top_words(m.parameters_.decoder);
  m.report_.uniqueness = topic_uniqueness(m.report_.top);
  if (zip.contains("topics.json")) m.topics_ = zip.at("topics.json");
  m.index_words();
  return m;
}

// word_id_ holds views of vocabulary_'s strings: built when those have their final place.
void Model::index_words() {
  for (std::size_t i = 0; i < vocabulary_.size(); ++i) word_id_.emplace(vocabulary_[i], static_cast<std::int32_t>(i));
}

std::optional<shell::Document> Model::document(std::string_view path) const {
  if (path != "topics" || topics_.empty()) return std::nullopt;
  return shell::Document{"application/json", topics_};
}

}  // namespace clary::ntm
