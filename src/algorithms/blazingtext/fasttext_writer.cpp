// SPDX-License-Identifier: Apache-2.0
// See fasttext_file.h. The host is little-endian, as is the file.
#include <fcntl.h>

#include <bit>
#include <map>

#include "algorithms/blazingtext/fasttext_file.h"
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
  put<std::int64_t>(out, model.kept_buckets ? std::ssize(*model.kept_buckets) : kNotPruned);
  for (std::size_t i = 0; i < d.words.size(); ++i) {
    out.append(d.words[i]).push_back('\0');
    put<std::int64_t>(out, d.counts[i]);
    put<std::uint8_t>(out, d.is_label(static_cast<std::int64_t>(i)) ? 1 : 0);
  }
  if (!model.kept_buckets) return;
  const std::map<std::int32_t, std::int32_t> sorted(model.kept_buckets->begin(), model.kept_buckets->end());
  for (const auto& [bucket, row] : sorted) put_numbers(out, bucket, row);
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

void write_matrix(int fd, const Matrix& matrix, const std::string& name) {
  std::string head;
  put<std::uint8_t>(head, 0);  // not quantised
  put<std::int64_t>(head, matrix.rows);
  put<std::int64_t>(head, matrix.columns);
  write_all(fd, head, name);
  write_all(fd, std::as_bytes(std::span(matrix.values)), name);
}

}  // namespace

void write_fasttext_file(const Model& model, const std::filesystem::path& path) {
  if (model.quantized_output) throw Error(Kind::kInternal, "a quantised output matrix is not written");
  const std::filesystem::path unfinished = path.string() + ".tmp";
  {
    const UniqueFd fd = open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    std::string head;
    put_settings(head, model.settings);
    put_dictionary(head, model);
    write_all(fd.get(), head, unfinished.string());
    if (model.quantized_input)
      write_all(fd.get(), quantized_bytes(*model.quantized_input), unfinished.string());
    else
      write_matrix(fd.get(), model.input, unfinished.string());
    write_matrix(fd.get(), model.output, unfinished.string());
  }
  std::filesystem::rename(unfinished, path);
}

}  // namespace clary::blazingtext
