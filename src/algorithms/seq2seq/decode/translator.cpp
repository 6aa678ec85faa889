// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/decode/translator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/decode/search.h"
#include "base/error.h"
#include "learning/numeric/team.h"
#include "learning/numeric/threads.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using Results = std::vector<Beam::Result>;  // best first

/// Rows of a group's step, from where on more rows no longer make a row cheaper.
constexpr std::int64_t kGroupRows = 96;
/// Source positions of a group: bounds what its encoder and attention keep.
constexpr std::int64_t kGroupPositions = 8192;
/// Below so many rows a step reads the weights for too few.
constexpr std::int64_t kLeastRows = 16;
/// Bound of a translation's length, whatever ratio of lengths a model claims.
constexpr double kMaxCells = 100'000;

/// A piece of a source.
struct Piece {
  std::size_t source;
  Ids ids;
};

nn::WeightPrecision weight_precision(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return nn::WeightPrecision::kFloat32;
    case Precision::kBFloat16:
      return nn::WeightPrecision::kBFloat16;
    case Precision::kInt8:
      return nn::WeightPrecision::kInt8;
  }
  return nn::WeightPrecision::kFloat32;
}

struct Group {
  std::size_t begin, size;
};

/// Sentences of falling length cut into groups.
std::vector<Group> groups_of(std::span<const Ids> sentences, std::int64_t beam, int threads) {
  // One request may have all threads, when each still has rows enough.
  const auto count = static_cast<std::int64_t>(sentences.size());
  const std::int64_t most = std::max<std::int64_t>(1, kGroupRows / beam);
  const std::int64_t least = std::max<std::int64_t>(1, kLeastRows / beam);
  const std::int64_t size = std::clamp((count + threads - 1) / threads, least, most);
  std::vector<Group> groups;
  std::int64_t positions = 0;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const auto length = static_cast<std::int64_t>(sentences[i].size());
    if (groups.empty() || groups.back().size == at(size) || positions + length > kGroupPositions) {
      groups.push_back({i, 0});
      positions = 0;
    }
    ++groups.back().size;
    positions += length;
  }
  return groups;
}

/// Sources cut into pieces of at most `longest` ids, in order.
std::vector<Piece> pieces_of(const std::vector<std::vector<std::int32_t>>& sources, std::size_t longest) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < sources.size(); ++i)
    for (Ids rest = sources[i]; !rest.empty();) {
      const std::size_t n = std::min(rest.size(), longest);
      pieces.push_back({i, rest.first(n)});
      rest = rest.subspan(n);
    }
  return pieces;
}

/// The results of rank `rank` of a source's pieces joined (a piece with fewer gives its last): ids one after the other,
/// costs and lengths added, attention block by block along the diagonal.
Translation join(std::span<const Results> results, std::span<const Piece> pieces, std::size_t rank, bool attention) {
  Translation out;
  double cost = 0;
  std::int64_t length = 0;
  std::size_t columns = 0, column = 0;
  for (const Piece& piece : pieces) columns += piece.ids.size();
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const Beam::Result& result = results[p][std::min(rank, results[p].size() - 1)];
    out.ids.insert(out.ids.end(), result.ids.begin(), result.ids.end());
    cost += result.cost, length += result.length;
    const std::size_t width = pieces[p].ids.size();
    for (std::size_t row = 0; attention && row < result.ids.size(); ++row) {
      out.attention.resize(out.attention.size() + columns, 0.0F);
      std::copy_n(result.attention.begin() + static_cast<std::ptrdiff_t>(row * width), width,
                  out.attention.end() - static_cast<std::ptrdiff_t>(columns - column));
    }
    column += width;
  }
  out.score = cost / static_cast<double>(length);
  return out;
}

}  // namespace

struct Translator::Weights {
  Weights(const Architecture& a, const Parameters& parameters, DecodeLimits decode_limits, Precision precision)
      : architecture(a),
        limits(std::move(decode_limits)),
        model({a, parameters, weight_precision(precision)}, limits.never),
        team(std::make_unique<numeric::Team>(numeric::available_threads(), numeric::Team::Shared())) {}

  /// Ids of a piece.
  std::int64_t piece_length() const {
    const std::int64_t table =
        architecture.encoder == NetworkType::kCnn ? architecture.max_seq_len_source : limits.max_source;
    return std::max<std::int64_t>(1, std::min(limits.max_source, table));
  }

  /// Words of a translation, its end included: the array has one cell more, for kBegin. The source's length is rounded
  /// up to tens, as if it were padded to the width of a bucket.
  std::int64_t steps(std::int64_t source_length) const {
    const double factor = limits.length_ratio_mean + 2 * limits.length_ratio_std;
    const double rounded = static_cast<double>((source_length + 9) / 10 * 10);
    const double cells = std::clamp(std::ceil(factor * rounded), 2.0, kMaxCells);
    const auto steps = static_cast<std::int64_t>(cells) - 1;
    if (architecture.decoder != NetworkType::kCnn) return steps;
    return std::max<std::int64_t>(1, std::min({steps, limits.max_target, architecture.max_seq_len_target}));
  }

  /// Results of all pieces, in their order: pieces of similar length are translated side by side, each group by one
  /// thread.
  std::vector<Results> search_all(const std::vector<Piece>& pieces, const DecodeOptions& options) const {
    std::vector<std::size_t> order(pieces.size());  // by falling length
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return pieces[a].ids.size() > pieces[b].ids.size(); });
    std::vector<Ids> sentences;
    std::vector<std::int64_t> most;
    for (const std::size_t i : order) {
      sentences.push_back(pieces[i].ids);
      most.push_back(steps(static_cast<std::int64_t>(pieces[i].ids.size())));
    }
    std::vector<Results> results(pieces.size());
    const std::vector<Group> groups = groups_of(sentences, options.beam_size, team->size());
    team->run_units(static_cast<std::int64_t>(groups.size()), [&](std::int64_t unit) {
      const auto [begin, size] = groups[at(unit)];
      std::vector<Results> found =
          search(model, std::span(sentences).subspan(begin, size), std::span(most).subspan(begin, size), options);
      for (std::size_t i = 0; i < size; ++i) results[order[begin + i]] = std::move(found[i]);
    });
    return results;
  }

  Architecture architecture;
  DecodeLimits limits;
  SearchModel model;
  std::unique_ptr<numeric::Team> team;  // any thread may ask for its help
};

Translator::Translator(const Architecture& architecture, const Parameters& parameters, DecodeLimits limits,
                       Precision precision)
    : weights_(std::make_unique<const Weights>(architecture, parameters, std::move(limits), precision)) {}

Translator::Translator(Translator&&) noexcept = default;
Translator& Translator::operator=(Translator&&) noexcept = default;
Translator::~Translator() = default;

std::vector<std::vector<Translation>> Translator::translate(std::span<const std::vector<std::int32_t>> sources,
                                                            const DecodeOptions& options) const {
  if (options.beam_size < 1 || options.n_best < 1)
    throw Error(Kind::kInvalid, fmt::format("beam_size is {}, n_best is {}: both must be at least 1", options.beam_size,
                                            options.n_best));
  const Weights& w = *weights_;
  std::vector<std::vector<std::int32_t>> known(sources.begin(), sources.end());
  for (std::vector<std::int32_t>& ids : known)
    for (std::int32_t& id : ids)
      if (id < 0 || id >= w.architecture.source_vocabulary) id = kUnknown;
  const std::vector<Piece> pieces = pieces_of(known, at(w.piece_length()));
  const std::vector<Results> results = w.search_all(pieces, options);

  std::vector<std::vector<Translation>> out(sources.size());
  for (std::size_t begin = 0, end = 0; begin < pieces.size(); begin = end) {
    const std::size_t source = pieces[begin].source;
    std::size_t ranks = 0;
    for (end = begin; end < pieces.size() && pieces[end].source == source; ++end)
      ranks = std::max(ranks, results[end].size());
    const std::span of_source = std::span(results).subspan(begin, end - begin);
    for (std::size_t rank = 0; rank < ranks; ++rank)
      out[source].push_back(join(of_source, std::span(pieces).subspan(begin, end - begin), rank, options.attention));
  }
  for (std::vector<Translation>& translations : out)
    if (translations.empty()) translations.emplace_back().score = std::numeric_limits<double>::infinity();
  return out;
}

}  // namespace clary::seq2seq
