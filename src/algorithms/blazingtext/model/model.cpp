// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/model.h"

#include <algorithm>
#include <cmath>

namespace clary::blazingtext {
namespace {

/// Appends the row of hashed n-gram `hash`, unless pruning dropped it.
/// fastText's word n-gram and character n-gram buckets share one range of rows behind the words.
void append_bucket(const Model& model, std::uint64_t hash, std::vector<std::int32_t>& rows) {
  auto bucket = static_cast<std::int32_t>(hash % static_cast<std::uint64_t>(model.settings.buckets));
  if (model.bucket_rows) bucket = model.bucket_rows->row(bucket);
  if (bucket == BucketTable::kNone) return;
  rows.push_back(static_cast<std::int32_t>(model.dictionary.nwords) + bucket);
}

void append_char_ngrams(const Model& model, std::string_view text, std::vector<std::int32_t>& rows) {
  const Settings& s = model.settings;
  if (s.max_char <= 0 || s.buckets <= 0 || text == kEndOfLine) return;
  std::string wrapped;
  wrapped.reserve(text.size() + 2);
  wrapped.append("<").append(text).append(">");
  for_each_char_ngram(wrapped, s.min_char, s.max_char, [&](std::uint32_t hash) { append_bucket(model, hash, rows); });
}

void add_row(const Model& model, std::int64_t r, std::span<float> out) {
  if (model.quantized_input) return model.quantized_input->add_row(r, out);
  const auto row = model.input.row(r);
  for (std::size_t d = 0; d < out.size(); ++d) out[d] += row[d];
}

}  // namespace

void append_word_rows(const Model& model, std::string_view text, std::int64_t word, std::vector<std::int32_t>& rows) {
  if (word >= 0 && !model.dictionary.is_label(word)) rows.push_back(static_cast<std::int32_t>(word));
  append_char_ngrams(model, text, rows);
}

// Labels are left out, unknown words contribute their character n-grams and take part in word n-grams, </s> comes last
// if the model knows it: Dictionary::getLine.
void append_line_rows(const Model& model, std::string_view line, std::vector<std::int32_t>& rows) {
  std::vector<std::uint32_t> hashes;
  const auto add = [&](std::string_view token, std::int64_t id, std::uint32_t hash) {
    append_word_rows(model, token, id, rows);
    hashes.push_back(hash);
  };
  for_each_token(line, [&](std::string_view token) {
    if (token == kEndOfLine) return;
    const std::uint32_t hash = hash_of(token);
    const std::int64_t id = model.dictionary.find(token, hash);
    if (id >= 0 ? model.dictionary.is_label(id) : token.starts_with(kLabelPrefix)) return;
    add(token, id, hash);
  });
  if (hashes.empty()) return;
  if (const std::int64_t end = model.dictionary.find(kEndOfLine); end >= 0) add(kEndOfLine, end, hash_of(kEndOfLine));
  if (model.settings.word_ngrams > 1 && model.settings.buckets > 0)
    for_each_word_ngram(hashes, model.settings.word_ngrams,
                        [&](std::uint64_t hash) { append_bucket(model, hash, rows); });
}

// An average with weight 1 / rows, rows that occur twice counting twice.
void mean_of_rows(const Model& model, std::span<const std::int32_t> rows, std::span<float> out) {
  std::fill(out.begin(), out.end(), 0.0F);
  if (rows.empty()) return;
  for (const std::int32_t r : rows) add_row(model, r, out);
  const float scale = 1.0F / static_cast<float>(rows.size());
  for (float& value : out) value *= scale;
}

std::vector<float> word_vector(const Model& model, std::string_view word) {
  std::vector<std::int32_t> rows;
  append_word_rows(model, word, model.dictionary.find(word), rows);
  std::vector<float> out(static_cast<std::size_t>(model.dim()));
  mean_of_rows(model, rows, out);
  return out;
}

std::vector<float> text_vector(const Model& model, std::string_view text) {
  std::vector<float> out(static_cast<std::size_t>(model.dim()));
  if (model.is_supervised()) {
    std::vector<std::int32_t> rows;
    append_line_rows(model, text, rows);
    mean_of_rows(model, rows, out);
    return out;
  }
  // fastText's getSentenceVector for word vectors: the mean of unit vectors, without </s> and without words whose
  // vector is zero.
  std::int64_t words = 0;
  for_each_token(text, [&](std::string_view token) {
    const auto vector = word_vector(model, token);
    const float length = std::sqrt(dot(vector, vector));
    if (!(length > 0) || token == kEndOfLine) return;
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += vector[d] / length;
    ++words;
  });
  if (words > 0)
    for (float& value : out) value /= static_cast<float>(words);
  return out;
}

}  // namespace clary::blazingtext
