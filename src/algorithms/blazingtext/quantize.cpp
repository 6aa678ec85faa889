// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/quantize.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "algorithms/blazingtext/quantizer_training.h"

namespace clary::blazingtext {
namespace {

/// Rows to keep: </s>, then the longest; words first, in their order, then buckets, in theirs.
std::vector<std::int32_t> longest_rows(const Model& model, std::int64_t cutoff) {
  const std::int64_t end_of_line = model.dictionary.find(kEndOfLine);
  std::vector<float> squares(static_cast<std::size_t>(model.input.rows));
  for (std::int64_t r = 0; r < model.input.rows; ++r)
    squares[static_cast<std::size_t>(r)] = dot(model.input.row(r), model.input.row(r));
  std::vector<std::int32_t> out(squares.size());
  std::iota(out.begin(), out.end(), 0);
  const auto longer = [&](std::int32_t a, std::int32_t b) {
    if ((a == end_of_line) != (b == end_of_line)) return a == end_of_line;
    const float x = squares[static_cast<std::size_t>(a)], y = squares[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::nth_element(out.begin(), out.begin() + cutoff, out.end(), longer);
  out.resize(static_cast<std::size_t>(cutoff));
  std::sort(out.begin(), out.end());
  return out;
}

/// The words among the rows, and all labels.
Dictionary pruned(const Dictionary& from, std::span<const std::int32_t> rows) {
  Dictionary out;
  const auto add = [&](std::int64_t id) {
    out.words.push_back(from.words[static_cast<std::size_t>(id)]);
    out.counts.push_back(from.counts[static_cast<std::size_t>(id)]);
  };
  for (const std::int32_t r : rows)
    if (r < from.nwords) add(r);
  out.nwords = std::ssize(out.words);
  for (std::int64_t k = 0; k < from.nlabels; ++k) add(from.nwords + k);
  out.nlabels = from.nlabels, out.ntokens = from.ntokens;
  out.build_index();
  return out;
}

}  // namespace

Model quantized(const Model& model, const QuantizeOptions& options, numeric::Team& team) {
  Model out;
  out.settings = model.settings;
  out.output = model.output;
  std::vector<std::int32_t> rows(static_cast<std::size_t>(model.input.rows));
  std::iota(rows.begin(), rows.end(), 0);
  out.dictionary = model.dictionary;
  if (options.cutoff > 0 && options.cutoff < model.input.rows) {
    rows = longest_rows(model, options.cutoff);
    out.dictionary = pruned(model.dictionary, rows);
    auto& kept = out.kept_buckets.emplace();
    for (std::size_t i = static_cast<std::size_t>(out.dictionary.nwords); i < rows.size(); ++i)
      kept[rows[i] - static_cast<std::int32_t>(model.dictionary.nwords)] =
          static_cast<std::int32_t>(i) - static_cast<std::int32_t>(out.dictionary.nwords);
  }
  out.quantized_input = quantize_rows(model.input, rows, options.norms, options.seed, team);
  return out;
}

}  // namespace clary::blazingtext
