// SPDX-License-Identifier: Apache-2.0
// See fasttext_file.h. The host is little-endian, as is the file.
#include <fcntl.h>

#include <bit>

#include "algorithms/blazingtext/model/fasttext_file.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::int32_t kMagic = 793'712'314;
constexpr std::int32_t kVersion = 12;
constexpr std::int64_t kNotPruned = -1;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class... T>
void put_numbers(std::string& out, T... values) {
  (put<std::int32_t>(out, static_cast<std::int32_t>(values)), ...);
}

void put_settings(std::string& out, const Settings& s) {
  put_numbers(out, kMagic, kVersion, s.dim, s.window_size, s.epochs, s.min_count, s.negative_samples, s.word_ngrams,
              s.loss, s.architecture, s.buckets, s.min_char, s.max_char, s.update_rate);
  put<double>(out, s.sampling_threshold);
}

void put_dictionary(std::string& out, const Model& model) {
  const Dictionary& d = model.dictionary;
  put_numbers(out, d.size(), d.nwords, d.nlabels);
  put<std::int64_t>(out, d.ntokens);
  const bool pruned = model.quantized_input && model.bucket_rows;
  put<std::int64_t>(out, pruned ? std::ssize(model.bucket_rows->entries()) : kNotPruned);
  for (std::size_t i = 0; i < d.words.size(); ++i) {
    out.append(d.words[i]).push_back('\0');
    put<std::int64_t>(out, d.counts[i]);
    put<std::uint8_t>(out, d.is_label(static_cast<std::int64_t>(i)) ? 1 : 0);
  }
  if (!pruned) return;
  for (const auto& [bucket, row] : model.bucket_rows->entries()) put_numbers(out, bucket, row);
}

void put_floats(std::string& out, std::span<const float> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

void put_codes(std::string& out, std::span<const std::uint8_t> codes) {
  out.append(reinterpret_cast<const char*>(codes.data()), codes.size());
}

void put_quantizer(std::string& out, const ProductQuantizer& q) {
  put_numbers(out, q.dim, q.parts, q.part_dim, q.last_dim);
  put_floats(out, q.centroids);
}

std::string quantized_bytes(const QuantizedMatrix& matrix) {
  std::string out;
  put<std::uint8_t>(out, 1);  // quantised
  put<std::uint8_t>(out, matrix.has_norms ? 1 : 0);
  put<std::int64_t>(out, matrix.rows);
  put<std::int64_t>(out, matrix.columns);
  put_numbers(out, matrix.codes.size());
  put_codes(out, matrix.codes);
  put_quantizer(out, matrix.quantizer);
  if (!matrix.has_norms) return out;
  put_codes(out, matrix.norm_codes);
  put_quantizer(out, matrix.norm_quantizer);
  return out;
}

void write_shape(SparseWriter& out, std::int64_t rows, std::int64_t columns) {
  std::string head;
  put<std::uint8_t>(head, 0);  // not quantised
  put<std::int64_t>(head, rows);
  put<std::int64_t>(head, columns);
  out.write(head);
}

void write_dense(SparseWriter& out, const Matrix& matrix) {
  write_shape(out, matrix.rows, matrix.columns);
  out.write(std::as_bytes(std::span(matrix.values)));
}

/// E as fastText has it, a row for every bucket: those that share a row get its copy, zeros.
/// Zeros are written as holes (SparseWriter): a file of two million buckets takes the disk space of the used ones.
void write_input(SparseWriter& out, const Model& model) {
  if (!model.bucket_rows) return write_dense(out, model.input);
  const Matrix& input = model.input;
  const std::int64_t words = model.dictionary.nwords;
  const auto bytes_of = [&](std::int64_t row) { return std::as_bytes(input.row(row)); };
  const std::size_t row_bytes = static_cast<std::size_t>(input.columns) * sizeof(float);
  write_shape(out, words + model.settings.buckets, input.columns);
  out.write(std::as_bytes(std::span(input.values).first(static_cast<std::size_t>(words * input.columns))));
  std::int64_t bucket = 0;
  for (const auto& entry : model.bucket_rows->entries()) {
    out.zeros(static_cast<std::uint64_t>(entry.bucket - bucket) * row_bytes);
    out.write(bytes_of(words + entry.row));
    bucket = entry.bucket + 1;
  }
  out.zeros(static_cast<std::uint64_t>(model.settings.buckets - bucket) * row_bytes);
}

}  // namespace

void write_fasttext_file(const Model& model, const std::filesystem::path& path) {
  if (model.quantized_output) throw Error(Kind::kInternal, "a quantised output matrix is not written");
  // Written beside and renamed: a file of that name is complete.
  const std::filesystem::path unfinished = path.string() + ".tmp";
  {
    const UniqueFd fd = open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    SparseWriter out(fd.get(), unfinished.string());
    std::string head;
    put_settings(head, model.settings);
    put_dictionary(head, model);
    out.write(head);
    if (model.quantized_input)
      out.write(quantized_bytes(*model.quantized_input));
    else
      write_input(out, model);
    write_dense(out, model.output);
    out.finish();
  }
  std::filesystem::rename(unfinished, path);
}

}  // namespace clary::blazingtext
