// SPDX-License-Identifier: Apache-2.0
// Log lines in the form of the image's container: "[2022-08-27:00:38:45:INFO] text" since 1.5, "INFO:root:text" before;
// evaluation and library lines have no prefix.
#pragma once

#include <string_view>

#include "algorithms/xgboost/tag.h"
#include "learning/shell/train_log.h"

namespace clary::xgboost {

class Report {
 public:
  Report(shell::TrainLog& out, Tag tag) : out_(out), tag_(tag) {}

  void info(std::string_view text) { line("INFO", text); }
  void warn(std::string_view text) { line("WARNING", text); }
  void plain(std::string_view text) { out_.plain(text); }
  Tag tag() const noexcept { return tag_; }

 private:
  void line(std::string_view level, std::string_view text);

  shell::TrainLog& out_;
  Tag tag_;
};

}  // namespace clary::xgboost
