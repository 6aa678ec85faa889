// SPDX-License-Identifier: Apache-2.0
#include "corpus/make_vocab.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "corpus/record_writing.h"
#include "corpus/text_file.h"
#include "formats/vocabulary_json.h"

namespace clary::corpus {
namespace {

namespace fs = std::filesystem;
using Say = std::function<void(const std::string&)>;

constexpr const char *kSourceFile = "vocab.src.json", *kTargetFile = "vocab.trg.json";
constexpr std::uint64_t kMaxVocabularyBytes = 512 << 20;
constexpr std::chrono::seconds kBetweenReports{2};

/// Both or neither.
void check_pair(const fs::path& a, const fs::path& b, const char* a_name, const char* b_name, const char* why) {
  if (a.empty() != b.empty())
    throw Error(Kind::kInvalid, fmt::format("{} is given without {}: {}", a.empty() ? b_name : a_name,
                                            a.empty() ? a_name : b_name, why));
}

/// No file is written twice, or over one that is read.
void check_outputs(const MakeVocabOptions& o) {
  std::vector<std::pair<std::string, fs::path>> files{{"--train-source", o.train_source},
                                                      {"--train-target", o.train_target}};
  const auto read = [&](const char* name, const fs::path& path) {
    if (!path.empty()) files.emplace_back(name, path);
  };
  read("--val-source", o.val_source), read("--val-target", o.val_target);
  read("--vocab-source-json", o.vocab_source), read("--vocab-target-json", o.vocab_target);
  const auto write = [&](const char* name, const fs::path& path) {
    for (const auto& [other, taken] : files)
      if (fs::weakly_canonical(taken) == fs::weakly_canonical(path))
        throw Error(Kind::kInvalid,
                    fmt::format("{}: {} is {}, too; it would be overwritten", name, path.string(), other));
    files.emplace_back(name, path);
  };
  if (o.vocab_source.empty())
    for (const char* name : {kSourceFile, kTargetFile}) write(name, o.output / name);
  write("--train-output", o.output / o.train_output);
  if (!o.val_source.empty()) write("--val-output", o.output / o.val_output);
}

void check(const MakeVocabOptions& o) {
  check_pair(o.val_source, o.val_target, "--val-source", "--val-target", "records need both sides");
  check_pair(o.vocab_source, o.vocab_target, "--vocab-source-json", "--vocab-target-json",
             "either both vocabularies are there already or both are made");
  if (o.single_vocab && !o.vocab_source.empty())
    throw Error(Kind::kInvalid,
                "--single-vocab makes a vocabulary, but --vocab-source-json and --vocab-target-json are given");
  for (const VocabularyRule& rule : {o.source, o.target})
    if (rule.most < 1 || rule.most > formats::kMaxVocabularySize - std::ssize(formats::kVocabularySymbols) ||
        rule.min_count < 1)
      throw Error(Kind::kInvalid,
                  fmt::format("a vocabulary has from 1 to {} words, each of which occurs at least once; {} words "
                              "and a least count of {} are given",
                              formats::kMaxVocabularySize - std::ssize(formats::kVocabularySymbols), rule.most,
                              rule.min_count));
}

TextFile open_text(const fs::path& path, const Say& say) {
  TextFile out(path);
  if (out.text().empty()) throw Error(Kind::kInvalid, path.string() + " is empty");
  if (out.was_repaired()) say(fmt::format("{}: bytes that are not UTF-8 were replaced by U+FFFD", path.string()));
  return out;
}

/// The words of a vocabulary by which text is encoded. The words' texts are elsewhere: in the training text, or in
/// `entries`.
struct Ids {
  WordTable table;
  std::vector<formats::VocabularyEntry> entries;
};

Ids ids_of(const std::vector<std::string_view>& words) {
  Ids out{WordTable(words.size()), {}};
  for (std::size_t id = 0; id < words.size(); ++id) out.table[words[id]] = static_cast<std::int64_t>(id);
  return out;
}

Ids read_ids(const fs::path& path, const Say& say) {
  Ids out;
  out.entries = formats::read_vocabulary(read_file(path, kMaxVocabularyBytes), path.string());
  out.table = WordTable(out.entries.size());
  for (const formats::VocabularyEntry& entry : out.entries) out.table[entry.word] = entry.id;
  say(fmt::format("{}: {} words", path.string(), out.entries.size()));
  return out;
}

Ids make_ids(std::vector<std::string_view> texts, const VocabularyRule& rule, int threads, const fs::path& path,
             const Say& say) {
  const WordTable counts = count_words(texts, threads);
  const std::vector<std::string_view> words = vocabulary_of(counts, rule);
  write_file_atomically(path, formats::write_vocabulary(words));
  say(fmt::format("{}: {} ids of {} words that occur (least count {}, at most {} words)", path.string(), words.size(),
                  counts.size(), rule.min_count, rule.most));
  return ids_of(words);
}

void write(const TextFile& source, const TextFile& target, const Ids& source_ids, const Ids& target_ids,
           const fs::path& path, int threads, const Say& say) {
  auto reported = std::chrono::steady_clock::now();
  const auto progress = [&](double share) {
    const auto now = std::chrono::steady_clock::now();
    if (now - reported < kBetweenReports) return;
    reported = now;
    say(fmt::format("{}: {:.0f} %", path.string(), 100 * share));
  };
  const WrittenRecords written =
      write_records(source, target, source_ids.table, target_ids.table, path, threads, progress);
  say(fmt::format("{}: {} pairs; {} lines were left out, as one of their sides has no words", path.string(),
                  written.records, written.left_out));
}

}  // namespace

void make_vocab(const MakeVocabOptions& options, const Say& say) {
  check(options);
  check_outputs(options);
  const int threads =
      options.threads > 0 ? options.threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const TextFile source = open_text(options.train_source, say), target = open_text(options.train_target, say);
  fs::create_directories(options.output);
  const fs::path source_path = options.output / kSourceFile, target_path = options.output / kTargetFile;
  Ids source_ids, target_ids;
  if (!options.vocab_source.empty()) {
    source_ids = read_ids(options.vocab_source, say);
    target_ids = read_ids(options.vocab_target, say);
  } else if (options.single_vocab) {
    source_ids = make_ids({source.text(), target.text()}, options.source, threads, source_path, say);
    write_file_atomically(target_path, read_file(source_path));
    target_ids.table = source_ids.table;
  } else {
    source_ids = make_ids({source.text()}, options.source, threads, source_path, say);
    target_ids = make_ids({target.text()}, options.target, threads, target_path, say);
  }
  write(source, target, source_ids, target_ids, options.output / options.train_output, threads, say);
  if (options.val_source.empty()) return;
  write(open_text(options.val_source, say), open_text(options.val_target, say), source_ids, target_ids,
        options.output / options.val_output, threads, say);
}

}  // namespace clary::corpus
