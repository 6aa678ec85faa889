// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/vectors_text.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace clary::blazingtext {
namespace {

constexpr std::size_t kWriteBytes = 1 << 20;
constexpr std::int64_t kMaxTextDimension = 1 << 16;  // Clary's limit

void append_float(std::string& out, float value) {
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

/// Fields of one line of numbers; names the line in its errors.
class Line {
 public:
  Line(std::string_view text, const std::string& name, std::int64_t number)
      : rest_(text), name_(name), number_(number) {}

  std::string_view field() {
    const std::size_t start = rest_.find_first_not_of(' ');
    if (start == std::string_view::npos) return rest_ = {}, rest_;
    const std::size_t end = std::min(rest_.find(' ', start), rest_.size());
    const auto out = rest_.substr(start, end - start);
    rest_.remove_prefix(end);
    return out;
  }

  template <class T>
  T number(std::string_view what) {
    const auto text = field();
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty())
      fail(fmt::format("{}: '{}' is not a number", what, text.substr(0, 40)));
    return value;
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(Kind::kMalformed, fmt::format("{}: line {}: {}", name_, number_, problem));
  }

 private:
  std::string_view rest_;
  const std::string& name_;
  std::int64_t number_;
};

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

namespace {

/// @param append  (text, vector) writes the numbers of one word
/// Shared by both forms: head, one word a line, buffered by 1 MiB, renamed when complete.
template <class Append>
void write_vectors(const Model& model, const std::filesystem::path& path, Append&& append) {
  const std::filesystem::path unfinished = path.string() + ".tmp";
  {
    const UniqueFd fd = open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    std::string out = fmt::format("{} {}\n", model.dictionary.nwords, model.dim());
    std::vector<std::int32_t> rows;
    std::vector<float> vector(static_cast<std::size_t>(model.dim()));
    for (std::int64_t id = 0; id < model.dictionary.nwords; ++id) {
      const std::string& word = model.dictionary.words[static_cast<std::size_t>(id)];
      rows.clear();
      append_word_rows(model, word, id, rows);
      mean_of_rows(model, rows, vector);
      out += word;
      append(out, vector);
      out += '\n';
      if (out.size() >= kWriteBytes) write_all(fd.get(), out, unfinished.string()), out.clear();
    }
    write_all(fd.get(), out, unfinished.string());
  }
  std::filesystem::rename(unfinished, path);
}

}  // namespace

void write_vectors_text(const Model& model, const std::filesystem::path& path) {
  write_vectors(model, path, [](std::string& out, std::span<const float> vector) {
    for (const float value : vector) out += ' ', append_float(out, value);
  });
}

// word2vec's binary form: float32 in the machine's order behind the word.
void write_vectors_binary(const Model& model, const std::filesystem::path& path) {
  write_vectors(model, path, [](std::string& out, std::span<const float> vector) {
    out.append(" ").append(reinterpret_cast<const char*>(vector.data()), vector.size_bytes());
  });
}

VectorsHead read_vectors_head(std::string_view line, const std::string& name) {
  Line head(line, name, 1);
  VectorsHead out;
  out.words = head.number<std::int64_t>("number of words");
  out.dim = head.number<std::int64_t>("dimension");
  if (!head.field().empty()) head.fail("must be `<number of words> <dimension>`");
  if (out.words < 0) head.fail(fmt::format("{} words", out.words));
  if (out.dim < 1 || out.dim > kMaxTextDimension)
    head.fail(fmt::format("dimension is {}, must be 1 to {}", out.dim, kMaxTextDimension));
  return out;
}

std::string_view read_vector_line(std::string_view text, const std::string& name, std::int64_t number,
                                  std::span<float> vector) {
  Line line(text, name, number);
  const auto word = line.field();
  if (word.empty()) line.fail("holds no word, but line 1 announces more words");
  for (float& value : vector) value = line.number<float>("a vector's number");
  if (!vector.empty() && !line.field().empty()) line.fail(fmt::format("has more than {} numbers", vector.size()));
  return word;
}

Model read_vectors_text(std::string_view text, const std::string& name) {
  const auto [words, dim] = read_vectors_head(take_line(text), name);
  // Bounds the allocation by the size of the text before it is made.
  // A line is at least a letter and, for every number, a blank and a digit; the last one may lack its newline.
  if (words > kMaxRows || words > static_cast<std::int64_t>(text.size() + 1) / (2 * dim + 2))
    throw Error(Kind::kMalformed, fmt::format("{}: line 1: {} words of {} numbers cannot stand in {} bytes", name,
                                              words, dim, text.size()));
  Model out;
  out.settings.dim = static_cast<std::int32_t>(dim);
  out.input = Matrix(words, dim);
  out.dictionary.nwords = words;
  for (std::int64_t row = 0; row < words; ++row)
    out.dictionary.words.emplace_back(read_vector_line(take_line(text), name, row + 2, out.input.row(row)));
  out.dictionary.counts.assign(out.dictionary.words.size(), 1);
  out.dictionary.build_index();
  return out;
}

}  // namespace clary::blazingtext
