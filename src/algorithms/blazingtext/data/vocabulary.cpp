// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/vocabulary.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace clary::blazingtext {
namespace {

/// What one thread has counted.
struct Counts {
  WordTable table;
  std::vector<std::int64_t> counts;
  std::vector<WordTable::Key> keys;
  std::int64_t tokens = 0, lines = 0;

  void add(const WordTable::Key& key, const char* text, std::size_t size, std::int64_t times) {
    const auto id = static_cast<std::size_t>(table.insert(key, text, size));
    if (id == counts.size()) counts.push_back(0);
    counts[id] += times;
  }

  void add(std::string_view text, std::span<const Token> batch) {
    keys.resize(batch.size());
    // Hash and prefetch a batch of slots, then look them up: the cache misses overlap.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      keys[i] = WordTable::key_of(text.data() + batch[i].begin, batch[i].size);
      table.prefetch(keys[i]);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].is_end_of_line())
        ++lines;
      else
        add(keys[i], text.data() + batch[i].begin, batch[i].size, 1);
    }
    tokens += static_cast<std::int64_t>(batch.size());
  }

  bool is_label(std::size_t id, bool labels) const { return labels && table.text(id).starts_with(kLabelPrefix); }

  /// Drops the rarest words, then the next, until at most half of `max` entries are left.
  void prune(std::size_t max, bool labels) {
    while (table.size() > max / 2) {
      std::int64_t least = std::numeric_limits<std::int64_t>::max();
      for (std::size_t id = 0; id < counts.size(); ++id)
        if (!is_label(id, labels)) least = std::min(least, counts[id]);
      WordTable kept_table;
      std::vector<std::int64_t> kept;
      for (std::size_t id = 0; id < counts.size(); ++id) {
        if (counts[id] <= least && !is_label(id, labels)) continue;
        kept_table.insert(table.text(id));
        kept.push_back(counts[id]);
      }
      // Labels are never dropped; when only they are left, nothing can be.
      if (kept.size() == counts.size())
        throw Error(Kind::kLimit, "more than " + std::to_string(max / 2) + " different labels in the text");
      table = std::move(kept_table), counts = std::move(kept);
    }
  }
};

constexpr std::size_t kBatch = 64;  // tokens whose slots are fetched together

void check_length(const TextBlock& block, const Token& token) {
  if (token.size > kMaxTokenBytes)
    throw Error(Kind::kMalformed, block.file + ": the word at byte " + std::to_string(block.offset + token.begin) +
                                      " has " + std::to_string(token.size) + " bytes; at most " +
                                      std::to_string(kMaxTokenBytes) + " are taken (words are separated by blanks)");
}

void count_share(TextSource& text, const VocabularyOptions& options, std::size_t max_entries, Counts& out) {
  TextBlock block;
  // Blocks are taken from the common source as threads are free.
  std::vector<Token> tokens;
  while (text.next(block)) {
    if (options.stopped()) throw Error(Kind::kCancelled, "stopped while counting words");
    Tokenizer tokenizer(block.text());
    while (tokenizer.next(tokens)) {
      for (const Token& token : tokens) check_length(block, token);
      for (std::size_t at = 0; at < tokens.size(); at += kBatch)
        out.add(block.text(), std::span(tokens).subspan(at, std::min(kBatch, tokens.size() - at)));
    }
    // Memory stays bounded on text without end; as in fastText, counts of rare words become inexact.
    if (out.table.size() > max_entries) out.prune(max_entries, options.labels);
  }
}

void merge(Counts& into, const Counts& from) {
  into.table.reserve(into.table.size() + from.table.size() / 4);
  for (std::size_t id = 0; id < from.counts.size(); ++id) {
    const auto at = static_cast<std::size_t>(into.table.insert(from.table.text(id)));
    if (at == into.counts.size()) into.counts.push_back(0);
    into.counts[at] += from.counts[id];
  }
  into.tokens += from.tokens;
  into.lines += from.lines;
}

Vocabulary sorted(const Counts& counts, const VocabularyOptions& options) {
  const auto is_label = [&](std::size_t id) {
    return options.labels && counts.table.text(id).starts_with(kLabelPrefix);
  };
  struct Entry {
    std::int64_t count;
    std::uint32_t id;
    bool label;
  };
  std::vector<Entry> order;
  for (std::size_t id = 0; id < counts.counts.size(); ++id) {
    const bool label = is_label(id);
    if (label || counts.counts[id] >= options.min_count)
      order.push_back({counts.counts[id], static_cast<std::uint32_t>(id), label});
  }
  // The order of ids: words by falling count, then labels. Ties by text, so that it depends neither on threads nor on
  // hosts.
  std::sort(order.begin(), order.end(), [&](const Entry& a, const Entry& b) {
    if (a.label != b.label) return b.label;
    if (a.count != b.count) return a.count > b.count;
    return counts.table.text(a.id) < counts.table.text(b.id);
  });

  Vocabulary out;
  out.table.reserve(order.size());
  for (const Entry& entry : order) {
    const std::string_view word = counts.table.text(entry.id);
    out.table.insert(word);
    out.dictionary.words.emplace_back(word);
    out.dictionary.counts.push_back(entry.count);
    ++(entry.label ? out.dictionary.nlabels : out.dictionary.nwords);
    if (!entry.label) out.known_tokens += entry.count;
  }
  out.dictionary.ntokens = counts.tokens;
  out.end_of_line = out.table.find(kEndOfLine);
  return out;
}

}  // namespace

Vocabulary build_vocabulary(TextSource& text, numeric::Team& team, const VocabularyOptions& options) {
  const auto threads = static_cast<std::size_t>(team.size());
  std::vector<Counts> counts(threads);
  team.run([&](int thread) {
    count_share(text, options, options.max_entries / threads, counts[static_cast<std::size_t>(thread)]);
  });
  for (std::size_t t = 1; t < threads; ++t) merge(counts[0], counts[t]);
  // Each line ends with the word </s>, as in fastText.
  if (counts[0].lines > 0) {
    const auto id = static_cast<std::size_t>(counts[0].table.insert(kEndOfLine));
    if (id == counts[0].counts.size()) counts[0].counts.push_back(0);
    counts[0].counts[id] += counts[0].lines;
  }
  return sorted(counts[0], options);
}

void Lookup::find(std::string_view text, std::span<const Token> tokens, std::int32_t end_of_line,
                  std::vector<std::int32_t>& ids) {
  ids.resize(tokens.size());
  keys_.resize(kBatch);
  for (std::size_t first = 0; first < tokens.size(); first += kBatch) {
    const std::size_t last = std::min(first + kBatch, tokens.size());
    for (std::size_t i = first; i < last; ++i) {
      keys_[i - first] = WordTable::key_of(text.data() + tokens[i].begin, tokens[i].size);
      table_.prefetch(keys_[i - first]);
    }
    for (std::size_t i = first; i < last; ++i) {
      const Token& token = tokens[i];
      ids[i] =
          token.is_end_of_line() ? end_of_line : table_.find(keys_[i - first], text.data() + token.begin, token.size);
    }
  }
}

}  // namespace clary::blazingtext
