// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/evaluate/word_similarity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"

namespace clary::blazingtext {
namespace {

constexpr double kCosineGuard = 1e-6;  // the published script adds it to every number of both vectors

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t start = line.find_first_not_of(" \t\r", at);
    if (start == std::string_view::npos) break;
    at = std::min(line.find_first_of(" \t\r", start), line.size());
    out.push_back(line.substr(start, at - start));
  }
  return out;
}

WordPair pair_of(std::string_view line, const std::string& name, std::size_t number) {
  const auto fields = fields_of(line);
  WordPair out;
  const auto bad = [&](const std::string& problem) {
    throw Error(Kind::kMalformed, fmt::format("{}: line {}: {}", name, number, problem));
  };
  if (fields.size() != 3) bad(fmt::format("has {} fields, must be `word word score`", fields.size()));
  const auto text = fields[2];
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.score);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(out.score))
    bad(fmt::format("the score '{}' is not a number", text.substr(0, 40)));
  out.first = lower(fields[0]), out.second = lower(fields[1]);
  return out;
}

/// Rank 1 is the highest value.
/// Ties get the mean of their ranks, as scipy's spearmanr computes them.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  std::vector<double> out(values.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double mean = (static_cast<double>(begin + 1) + static_cast<double>(end)) / 2;
    for (std::size_t i = begin; i < end; ++i) out[order[i]] = mean;
  }
  return out;
}

double pearson(std::span<const double> a, std::span<const double> b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n,
               mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t d = 0; d < a.size(); ++d) {
    const double x = static_cast<double>(a[d]) + kCosineGuard, y = static_cast<double>(b[d]) + kCosineGuard;
    ab += x * y, aa += x * x, bb += y * y;
  }
  const double out = ab / std::sqrt(aa * bb);
  return std::isfinite(out) ? out : 0;  // never a NaN into a sort
}

/// Vectors of the words that a list names, by lower-case form.
/// Of several words with one lower-case form the last (the rarest) is taken.
std::unordered_map<std::string, std::vector<float>> vectors_for(const Model& model, const PairList& list) {
  std::unordered_map<std::string, std::vector<float>> out;
  std::unordered_map<std::string, std::int64_t> found;
  for (const auto& pair : list.pairs) found.emplace(pair.first, -1), found.emplace(pair.second, -1);
  for (std::int64_t id = 0; id < model.dictionary.nwords; ++id)
    if (const auto at = found.find(lower(model.dictionary.words[static_cast<std::size_t>(id)])); at != found.end())
      at->second = id;
  for (const auto& [word, id] : found)
    if (id >= 0) out.emplace(word, word_vector(model, model.dictionary.words[static_cast<std::size_t>(id)]));
  return out;
}

}  // namespace

std::vector<WordPair> read_word_pairs(std::string_view text, const std::string& name) {
  std::vector<WordPair> out;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trimmed(line).empty() || line.starts_with('#')) continue;
    out.push_back(pair_of(line, name, number));
  }
  return out;
}

// Pearson's correlation of the ranks.
double spearman(std::span<const double> a, std::span<const double> b) {
  return a.size() < 2 ? 0 : pearson(ranks_of(a), ranks_of(b));
}

PairListResult score_pairs(const Model& model, const PairList& list) {
  PairListResult out{list.name, static_cast<std::int64_t>(list.pairs.size()), 0, 0};
  const auto vectors = vectors_for(model, list);
  // A map: a pair that a list names twice counts once, the last score.
  std::map<std::pair<std::string, std::string>, std::pair<double, double>> scored;  // human, cosine
  for (const auto& pair : list.pairs) {
    const auto a = vectors.find(pair.first), b = vectors.find(pair.second);
    if (a == vectors.end() || b == vectors.end())
      ++out.not_found;
    else
      scored[{pair.first, pair.second}] = {pair.score, cosine(a->second, b->second)};
  }
  std::vector<double> human, cosines;
  for (const auto& [words, values] : scored) human.push_back(values.first), cosines.push_back(values.second);
  out.rho = spearman(human, cosines);
  return out;
}

double mean_rho(const std::vector<PairListResult>& results) {
  double sum = 0;
  for (const auto& result : results) sum += result.rho;
  return results.empty() ? 0 : sum / static_cast<double>(results.size());
}

Json evaluation_json(const std::vector<PairListResult>& results) {
  Json out = Json::object();
  for (const auto& result : results)
    out[result.name] = {
        {"not_found", result.not_found}, {"spearmans_rho", result.rho}, {"total_pairs", result.total_pairs}};
  out["mean_rho"] = mean_rho(results);
  return out;
}

}  // namespace clary::blazingtext
