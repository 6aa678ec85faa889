// SPDX-License-Identifier: Apache-2.0
// The files of model.tar.gz: what Model::save writes and Model::load takes.
#include <fmt/format.h>

#include <algorithm>

#include "algorithms/blazingtext/data/simple_text.h"
#include "algorithms/blazingtext/evaluate/evaluation.h"
#include "algorithms/blazingtext/model/fasttext_file.h"
#include "algorithms/blazingtext/model/model.h"
#include "algorithms/blazingtext/model/quantize.h"
#include "algorithms/blazingtext/model/vectors_text.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxTextFile = 64ULL << 30;

bool is_binary(const fs::path& path) { return path.extension() == ".bin" || path.extension() == ".ftz"; }
bool is_text(const fs::path& path) { return path.filename() == "vectors.txt" || path.extension() == ".vec"; }

/// Regular files at the top of the folder, by name, without hidden ones.
std::vector<fs::path> files_in(const fs::path& dir) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.')) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

std::string names_of(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.filename().string());
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

/// The names that BlazingText writes, else the only binary file, else the only text file.
/// Foreign archives have one model under any name.
fs::path model_file(const fs::path& dir) {
  for (const char* name : {"model.bin", "vectors.bin"})
    if (fs::is_regular_file(dir / name)) return dir / name;
  const auto files = files_in(dir);
  for (const auto& is_model : {is_binary, is_text}) {
    std::vector<fs::path> found;
    std::copy_if(files.begin(), files.end(), std::back_inserter(found), is_model);
    if (found.size() > 1)
      throw Error(Kind::kInvalid,
                  "the model archive holds several models (" + names_of(found) + "); name one model.bin");
    if (!found.empty()) return found.front();
  }
  throw Error(
      Kind::kInvalid,
      "the model archive holds no model.bin, vectors.bin, *.ftz or vectors.txt at its top, but " + names_of(files));
}

void save_word_vectors(const Model& model, const Hyperparameters& hp, const fs::path& dir,
                       shell::TrainContext& context) {
  write_vectors_text(model, dir / "vectors.txt");
  write_fasttext_file(model, dir / "vectors.bin");
  if (hp.write_word2vec_binary) write_vectors_binary(model, dir / "vectors.word2vec.bin");
  if (hp.evaluates()) evaluate(model, dir, context);
}

void save_classifier(const Model& model, const Hyperparameters& hp, const fs::path& dir, shell::TrainContext& context) {
  write_fasttext_file(model, dir / "model.bin");
  if (!hp.quantize) return;
  numeric::Team team(context.threads());
  write_fasttext_file(quantized(model, {hp.quantize_norms, hp.quantize_cutoff, context.seed()}, team),
                      dir / "model.ftz");
  context.log().info("Quantised: model.bin {} bytes, model.ftz {} bytes", fs::file_size(dir / "model.bin"),
                     fs::file_size(dir / "model.ftz"));
}

}  // namespace

void Model::save(const fs::path& dir, shell::TrainContext& context) const {
  // Only one host writes the model.
  if (!context.hosts().is_first())
    return context.log().info("Training is over on this machine; host 1 writes the model.");
  const Hyperparameters hp = schema().parse(context.hyperparameters());
  if (is_supervised())
    save_classifier(*this, hp, dir, context);
  else
    save_word_vectors(*this, hp, dir, context);
  write_tokenizer(tokenizer, dir);
}

// Both matrices: a diverged training is refused before anything is written.
void Model::check_finite(const shell::FiniteCheck& check) const {
  check.array("output", output.values);
  check.array("input", input.values);
}

Model Model::load(const fs::path& dir) {
  const fs::path file = model_file(dir);
  Model out = is_binary(file) ? read_fasttext_file(file)
                              : read_vectors_text(read_file(file, kMaxTextFile), file.filename().string());
  out.tokenizer = read_tokenizer(dir);
  return out;
}

}  // namespace clary::blazingtext
