// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/evaluation.h"

#include <cstdlib>

#include "algorithms/blazingtext/word_similarity.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

namespace fs = std::filesystem;

constexpr int kIndent = 4;  // as published
constexpr std::uint64_t kMaxPairFile = 64ULL << 20;

std::vector<PairList> from_channel(shell::TrainContext& context) {
  std::vector<PairList> out;
  for (const auto& file : context.channel(kPairChannel).files())
    out.push_back({file.path.filename().string(), read_word_pairs(read_file(file.path, kMaxPairFile), file.name)});
  return out;
}

std::vector<PairList> pair_lists(shell::TrainContext& context) {
  if (context.has_channel(kPairChannel)) return from_channel(context);
  if (const char* folder = std::getenv(kEnvPairFolder); folder != nullptr && *folder != '\0')
    return read_pair_lists(folder);
  std::error_code none;
  return read_pair_lists(fs::read_symlink("/proc/self/exe", none).parent_path() / kPairChannel);
}

}  // namespace

void evaluate(const Model& model, const fs::path& model_dir, shell::TrainContext& context) {
  auto& log = context.log();
  const auto lists = pair_lists(context);
  if (lists.empty())
    return log.warn(
        "evaluation: there are no word pairs to score the vectors on, so eval.json and #mean_rho are left out. Give a "
        "channel '{}' with lists such as EN-WS-353-ALL.txt (lines `word word score`), or name their folder as {} under "
        "'files' in the "
        "server's configuration.",
        kPairChannel, kEnvPairFolder);
  log.info("Evaluating word embeddings....");
  log.info("Vectors read from: {} ", (model_dir / "vectors.txt").string());
  std::vector<PairListResult> results;
  for (const auto& list : lists) results.push_back(score_pairs(model, list));
  const std::string report = evaluation_json(results).dump(kIndent, ' ', false, Json::error_handler_t::replace);
  log.plain(report);
  log.plain("");
  log.plain("#mean_rho: " + shell::python_float(mean_rho(results)));
  write_file_atomically(model_dir / "eval.json", report + "\n");
}

}  // namespace clary::blazingtext
