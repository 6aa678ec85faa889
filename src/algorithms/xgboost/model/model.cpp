// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "algorithms/xgboost/model/learned_numbers.h"
#include "algorithms/xgboost/model/model_file.h"
#include "algorithms/xgboost/serve/responder.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::xgboost {
namespace {

constexpr std::uint64_t kMaxModelBytes = 8ULL << 30;

}  // namespace

Model::Model() = default;
Model::Model(std::vector<Booster> boosters) : boosters_(std::move(boosters)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

// One file, or one a fold of a cross validation, with a number behind the name.
void Model::save(const std::filesystem::path& dir) const {
  const ModelFile form = model_file_of(tag_from_environment());
  for (std::size_t i = 0; i < boosters_.size(); ++i) {
    const std::string name = boosters_.size() == 1 ? kModelFileName : fmt::format("{}-{}", kModelFileName, i);
    write_file_atomically(dir / name, write_model(boosters_[i], form));
  }
}

void Model::check_finite(const shell::FiniteCheck& check) const {
  for (std::size_t i = 0; i < boosters_.size(); ++i)
    xgboost::check_finite(boosters_[i], boosters_.size() == 1 ? "" : fmt::format("fold {} ", i), check);
}

Model Model::load(const std::filesystem::path& dir) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (!entry.is_regular_file()) continue;
    if (entry.path().filename().string().starts_with('.'))
      // The container's own message and behaviour.
      std::fprintf(
          stderr,
          "WARNING: Ignoring dotfile '%s' found in model directory - please exclude dotfiles from model archives\n",
          entry.path().c_str());
    else
      files.push_back(entry.path());
  }
  // Sorted: the order of an ensemble's members decides which one answers alone, and rounding of their mean.
  std::sort(files.begin(), files.end());
  if (files.empty()) throw Error(Kind::kInvalid, "Unable to load model: no file in " + dir.string());
  Model out;
  for (const auto& file : files) {
    try {
      out.boosters_.push_back(read_model(read_file(file, kMaxModelBytes)));
    } catch (const Error& error) {
      throw Error(Kind::kInvalid, fmt::format("Unable to load model: {}: {}", file.filename().string(), error.what()));
    }
  }
  // Built once; serving threads share it.
  out.responder_ = std::make_unique<const Responder>(out.boosters_, responder_options_from_environment());
  return out;
}

shell::Answer Model::answer(const shell::Invocation& invocation) const {
  // A model that was just trained has no responder: it is only saved.
  if (!responder_) throw Error(Kind::kInternal, "Model::answer: the model was not loaded from a folder");
  return responder_->answer(invocation);
}

}  // namespace clary::xgboost
