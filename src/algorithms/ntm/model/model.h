// SPDX-License-Identifier: Apache-2.0
// A trained NTM: parameters, vocabulary, report; how it is saved, loaded and asked.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "algorithms/ntm/model/parameters.h"
#include "algorithms/ntm/model/topics.h"
#include "base/json.h"
#include "formats/batch.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/predictions.h"
#include "learning/shell/serve_request.h"
#include "learning/shell/train_context.h"

namespace clary::ntm {

/// softmax(mu(x)) of each document: [documents, K] (serve/predict.cpp). Uses the calling thread only.
std::vector<float> topic_weights(const Parameters& p, std::span<const struct Document> documents);

class Model {
 public:
  Model() = default;
  Model(Model&&) = default;  // not copyable: word_id_ looks into vocabulary_
  Model& operator=(Model&&) = default;
  Model(Parameters parameters, std::vector<std::string> vocabulary, TopicReport report, Json meta);

  /// Every host: model_algo-<n>. The first host besides: topics.json, topics.csv, *.npy, vocab.txt (README.md).
  void save(const std::filesystem::path& dir, shell::TrainContext& context) const;
  void save_host(const std::filesystem::path& dir, const std::string& host) const;
  void save_plain(const std::filesystem::path& dir) const;

  void check_finite(const shell::FiniteCheck& check) const;

  /// Reads model_algo-1, or the first model_algo-* there is.
  /// @throws Error{kNotFound} without one, Error{kMalformed}
  static Model load(const std::filesystem::path& dir);

  /// "topic_weights": K numbers a row. Accept parameter topics=true adds "topics": the top words of each
  /// topic. serve/predict.cpp.
  /// @throws Error{kMalformed} for negative counts
  shell::Predictions predict(const formats::Batch& rows, const shell::ServeRequest& request) const;

  std::int64_t feature_dim() const { return parameters_.shape.vocabulary; }
  bool accepts_tokens() const { return !vocabulary_.empty(); }
  /// "topics": topics.json.
  std::optional<shell::Document> document(std::string_view path) const;

  const Parameters& parameters() const { return parameters_; }
  const std::vector<std::string>& vocabulary() const { return vocabulary_; }
  const Json& meta() const { return meta_; }

 private:
  void index_words();

  Parameters parameters_;
  std::vector<std::string> vocabulary_;
  TopicReport report_;
  Json meta_;
  std::string topics_;                                          // topics.json
  std::unordered_map<std::string_view, std::int32_t> word_id_;  // views into vocabulary_
};

}  // namespace clary::ntm
