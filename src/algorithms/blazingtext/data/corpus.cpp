// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/corpus.h"

#include <filesystem>

#include "algorithms/blazingtext/data/manifest_text.h"
#include "base/error.h"

namespace clary::blazingtext {

Corpus corpus_of(std::vector<formats::InputFile> files, std::string name) {
  Corpus out;
  out.name = std::move(name);
  for (const auto& file : files) out.bytes += std::filesystem::file_size(file.path);
  if (out.bytes == 0) throw Error(Kind::kInvalid, out.name + ": holds no text; every file is empty");
  out.open = [files = std::move(files)](const TextOptions& options) { return open_text(files, options); };
  return out;
}

Corpus corpus_of(shell::Channel& channel) {
  if (!channel.is_pipe()) {
    auto files = channel.files();
    if (files.empty()) throw Error(Kind::kInvalid, "channel " + channel.name() + ": holds no files");
    std::string name = files.size() == 1 ? files[0].path.string() : files[0].path.parent_path().string();
    return corpus_of(std::move(files), std::move(name));
  }
  Corpus out;
  out.name = "channel " + channel.name() + " (pipe)";
  // Each pass opens the pipe again. The channel outlives the corpus.
  out.open = [&channel, name = out.name](const TextOptions& options) {
    auto bytes = channel.open_pipe();
    if (channel.wraps_records()) bytes = manifest_text(std::move(bytes), name);
    return open_text(std::move(bytes), name, options);
  };
  return out;
}

bool Passes::next(TextBlock& out) {
  for (;;) {
    std::shared_ptr<TextSource> current;
    {
      const std::lock_guard lock(mutex_);
      if (!current_) {
        if (left_ == 0) return false;
        --left_;
        current_ = corpus_.open(options_);
      }
      // A reference of its own: another thread may end the pass meanwhile.
      current = current_;
    }
    if (current->next(out)) return true;
    const std::lock_guard lock(mutex_);
    // The first thread that meets the end closes the pass; the others find the next one open.
    if (current_ == current) current_.reset();
  }
}

}  // namespace clary::blazingtext
