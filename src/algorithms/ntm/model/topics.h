// SPDX-License-Identifier: Apache-2.0
// What the topics are about: top words, uniqueness (TU), embedding coherence (WETC) and NPMI (ntm.md section 1.8).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/ntm/data/documents.h"
#include "algorithms/ntm/model/parameters.h"

namespace clary::ntm {

constexpr std::int64_t kTopWords = 20;

/// For each topic the min(20, V) words of largest W[:, k], best first; equal weights by lower id.
std::vector<std::vector<std::int32_t>> top_words(const Matrix& decoder);

/// TU(k) = (1/n) sum_i 1/cnt(i, k), cnt: in how many places of all topics' lists the i-th word of topic k occurs.
std::vector<double> topic_uniqueness(const std::vector<std::vector<std::int32_t>>& top);

/// How many of `documents` hold each listed word, and each pair of words of a topic: what NPMI is made of. Counts of
/// several hosts may be added.
struct Cooccurrence {
  std::int64_t documents = 0;
  std::vector<std::int64_t> words;  // [topic, n]
  std::vector<std::int64_t> pairs;  // [topic, n (n-1) / 2], (0,1), (0,2), ..., (1,2), ...
};
Cooccurrence count_cooccurrence(const std::vector<std::vector<std::int32_t>>& top, const Documents& documents);

/// Mean over pairs of ln(p_ij / (p_i p_j)) / -ln p_ij; -1 for pairs that never meet, 1 for pairs in every document.
std::vector<double> npmi(const Cooccurrence& counts, std::int64_t topics);

/// Mean over pairs of the cosine of their word vectors; words without a vector contribute 0.
/// @param vector_of  unit vector of a word id, empty when it has none
std::vector<double> embedding_coherence(const std::vector<std::vector<std::int32_t>>& top,
                                        const std::function<std::span<const float>(std::int32_t)>& vector_of);

/// Vectors of a GloVe or word2vec text file ("word x1 ... xd" a line, an optional first line "count d"), only those of
/// the words asked for, normalised.
struct WordVectors {
  std::int64_t dimension = 0;
  std::vector<float> values;         // [found, dimension]
  std::vector<std::int64_t> row_of;  // by word id; -1: none
  std::int64_t missing = 0;
  std::span<const float> of(std::int32_t word) const;
};
/// @throws Error{kMalformed} naming the line
WordVectors read_word_vectors(const std::filesystem::path& file, std::span<const std::string> vocabulary);

struct TopicReport {
  std::vector<std::vector<std::int32_t>> top;
  std::vector<double> uniqueness, npmi;
  std::vector<double> coherence;  // WETC; empty without word vectors

  static double mean(const std::vector<double>& values);
};

/// "Topics from epoch:final (num_topics:20) [wetc 0.37, tu 0.75]:" and a line per topic, in AWS's form.
std::vector<std::string> log_lines(const TopicReport& report, std::span<const std::string> vocabulary);
/// topics.json and topics.csv of the artifact.
std::string topics_json(const TopicReport& report, const Matrix& decoder, std::span<const std::string> vocabulary);
std::string topics_csv(const TopicReport& report, const Matrix& decoder, std::span<const std::string> vocabulary);

/// softmax over words of W[:, k]: the word distribution of topic k (the notebook's reading).
std::vector<float> word_distribution(const Matrix& decoder, std::int64_t topic);

}  // namespace clary::ntm
