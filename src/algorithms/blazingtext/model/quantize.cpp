// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/quantize.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "algorithms/blazingtext/model/quantizer_training.h"

namespace clary::blazingtext {
namespace {

/// Rows of words by number, then of buckets by bucket; without the row that unused buckets share.
std::vector<std::int32_t> rows_of(const Model& model) {
  std::vector<std::int32_t> out(
      static_cast<std::size_t>(model.bucket_rows ? model.dictionary.nwords : model.input.rows));
  std::iota(out.begin(), out.end(), 0);
  if (model.bucket_rows)
    for (const auto& entry : model.bucket_rows->entries())
      out.push_back(static_cast<std::int32_t>(model.dictionary.nwords) + entry.row);
  return out;
}

/// Places in `rows` of those to keep: </s>, then the longest; in their order.
/// fastText's selectEmbeddings: rows by descending length, </s> always among them.
std::vector<std::int32_t> longest(const Model& model, std::span<const std::int32_t> rows, std::int64_t cutoff) {
  const std::int64_t end_of_line = model.dictionary.find(kEndOfLine);  // a word's place is its row
  std::vector<float> squares;
  for (const std::int32_t r : rows) squares.push_back(dot(model.input.row(r), model.input.row(r)));
  std::vector<std::int32_t> out(squares.size());
  std::iota(out.begin(), out.end(), 0);
  const auto longer = [&](std::int32_t a, std::int32_t b) {
    if ((a == end_of_line) != (b == end_of_line)) return a == end_of_line;
    const float x = squares[static_cast<std::size_t>(a)], y = squares[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  };
  // Linear time; then back into their order, since words must come before buckets.
  std::nth_element(out.begin(), out.begin() + cutoff, out.end(), longer);
  out.resize(static_cast<std::size_t>(cutoff));
  std::sort(out.begin(), out.end());
  return out;
}

/// The words among the places, and all labels.
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

/// Codes for a row of every bucket, from those of the words, the used buckets and, last, the row of zeros.
/// A model without cutoff must answer like its .bin for every bucket, so each needs codes; those that were never
/// learned share those of the row of zeros.
void give_every_bucket_a_row(const Model& model, QuantizedMatrix& matrix) {
  const std::int64_t words = model.dictionary.nwords, buckets = model.settings.buckets;
  std::vector<std::int64_t> from(static_cast<std::size_t>(words + buckets), matrix.rows - 1);
  std::iota(from.begin(), from.begin() + words, 0);
  std::int64_t place = words;
  for (const auto& entry : model.bucket_rows->entries()) from[static_cast<std::size_t>(words + entry.bucket)] = place++;
  const std::int64_t parts = matrix.quantizer.parts;
  std::vector<std::uint8_t> codes(from.size() * static_cast<std::size_t>(parts)), norms;
  for (std::size_t r = 0; r < from.size(); ++r)
    std::copy_n(matrix.codes.begin() + from[r] * parts, parts, codes.begin() + static_cast<std::int64_t>(r) * parts);
  if (matrix.has_norms)
    for (const std::int64_t r : from) norms.push_back(matrix.norm_codes[static_cast<std::size_t>(r)]);
  matrix.codes = std::move(codes), matrix.norm_codes = std::move(norms);
  matrix.rows = words + buckets;
}

/// Whether fastText's file, which counts codes in 32 bits, can hold a row of every bucket.
bool fits(const Model& model) {
  const std::int64_t parts = (model.dim() + 1) / 2;
  return (model.dictionary.nwords + model.settings.buckets) * parts <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

Model quantized(const Model& model, const QuantizeOptions& options, numeric::Team& team) {
  Model out;
  out.settings = model.settings;
  out.output = model.output;
  std::vector<std::int32_t> rows = rows_of(model);
  out.dictionary = model.dictionary;
  const bool cut = options.cutoff > 0 && options.cutoff < std::ssize(rows);
  // Three cases: codes for every bucket (fits the format), a pruned table (a cutoff, or too many buckets), or no
  // buckets at all.
  if (model.bucket_rows && options.cutoff == 0 && fits(model)) {
    rows.push_back(static_cast<std::int32_t>(model.dictionary.nwords) + model.bucket_rows->others());
    out.quantized_input = quantize_rows(model.input, rows, options.norms, options.seed, team);
    give_every_bucket_a_row(model, *out.quantized_input);
    return out;
  }
  if (cut || model.bucket_rows) {
    std::vector<std::int32_t> places(rows.size());
    std::iota(places.begin(), places.end(), 0);
    if (cut) places = longest(model, rows, options.cutoff);
    out.dictionary = pruned(model.dictionary, places);
    std::vector<BucketTable::Entry> kept;
    for (std::size_t i = static_cast<std::size_t>(out.dictionary.nwords); i < places.size(); ++i) {
      const std::int32_t bucket = places[i] - static_cast<std::int32_t>(model.dictionary.nwords);
      kept.push_back(
          {model.bucket_rows ? model.bucket_rows->entries()[static_cast<std::size_t>(bucket)].bucket : bucket,
           static_cast<std::int32_t>(std::ssize(kept))});
    }
    out.bucket_rows.emplace(std::move(kept));
    for (std::int32_t& place : places) place = rows[static_cast<std::size_t>(place)];
    rows = std::move(places);
  }
  out.quantized_input = quantize_rows(model.input, rows, options.norms, options.seed, team);
  return out;
}

}  // namespace clary::blazingtext
