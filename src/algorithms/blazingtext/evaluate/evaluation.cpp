// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/evaluate/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "algorithms/blazingtext/evaluate/word_similarity.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

namespace fs = std::filesystem;

constexpr int kIndent = 4;  // as published
constexpr std::uint64_t kMaxListFile = 64ULL << 20;

void add_list(const fs::path& path, const std::string& name, EvaluationLists& out) {
  const std::string text = read_file(path, kMaxListFile), file = path.filename().string();
  if (are_analogies(text))
    out.analogies.push_back({file, read_analogies(text, name)});
  else
    out.pairs.push_back({file, read_word_pairs(text, name)});
}

// In order of precedence: the job's channel, a folder of the operator's, one beside the program.
EvaluationLists lists_for(shell::TrainContext& context) {
  if (context.has_channel(kPairChannel)) {
    EvaluationLists out;
    for (const auto& file : context.channel(kPairChannel).files()) add_list(file.path, file.name, out);
    return out;
  }
  if (const char* folder = std::getenv(kEnvPairFolder); folder != nullptr && *folder != '\0') return read_lists(folder);
  std::error_code none;
  return read_lists(fs::read_symlink("/proc/self/exe", none).parent_path() / kPairChannel);
}

std::vector<AnalogyResult> answer_analogies(const Model& model, const EvaluationLists& lists, int threads) {
  std::vector<AnalogyResult> out;
  if (lists.analogies.empty()) return out;
  numeric::Team team(threads);
  for (const auto& list : lists.analogies) out.push_back(score_analogies(model, list.name, list.questions, team));
  return out;
}

}  // namespace

EvaluationLists read_lists(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (entry.is_regular_file() && entry.path().extension() == ".txt" &&
        !entry.path().filename().string().starts_with('.'))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  EvaluationLists out;
  for (const auto& file : files) add_list(file, file.filename().string(), out);
  return out;
}

void check_lists(shell::TrainContext& context) { lists_for(context); }

// eval.json in the form that BlazingText writes, analogies added to it.
void evaluate(const Model& model, const fs::path& model_dir, shell::TrainContext& context) {
  auto& log = context.log();
  const EvaluationLists lists = lists_for(context);
  if (lists.pairs.empty() && lists.analogies.empty())
    return log.warn(
        "evaluation: there are no word pairs to score the vectors on, so eval.json and #mean_rho are left out. Give a "
        "channel '{}' with lists such as EN-WS-353-ALL.txt (lines `word word score`), or name their folder as {} under "
        "'files' in the "
        "server's configuration.",
        kPairChannel, kEnvPairFolder);
  log.info("Evaluating word embeddings....");
  log.info("Vectors read from: {} ", (model_dir / "vectors.txt").string());
  std::vector<PairListResult> results;
  for (const auto& list : lists.pairs) results.push_back(score_pairs(model, list));
  const auto analogies = answer_analogies(model, lists, context.threads());
  Json document = results.empty() ? Json::object() : evaluation_json(results);
  for (const auto& result : analogies) document[result.name] = analogy_json(result);
  const std::string report = document.dump(kIndent, ' ', false, Json::error_handler_t::replace);
  log.plain(report);
  log.plain("");
  if (!results.empty()) log.plain("#mean_rho: " + shell::python_float(mean_rho(results)));
  for (const auto& result : analogies)
    log.plain(
        fmt::format("#analogies: {:.4f} ({} of {} questions)", result.accuracy(), result.asked, result.questions));
  write_file_atomically(model_dir / "eval.json", report + "\n");
}

}  // namespace clary::blazingtext
