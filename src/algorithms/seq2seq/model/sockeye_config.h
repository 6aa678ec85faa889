// SPDX-License-Identifier: Apache-2.0
// Sockeye's config file: YAML that PyYAML wrote from Python objects, nested blocks "key: !Class" whose innermost level
// is mostly on one line ("{a: 1, b: c}", wrapped). Only the scalars are read, by the path of their keys; lists are
// skipped. Bytes that are read may come from strangers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clary::seq2seq {

class SockeyeConfig {
 public:
  /// @throws Error{kMalformed} when nested too deeply or too long
  explicit SockeyeConfig(std::string_view text);

  /// The first value of that key, below `section` where one is named; nothing when there is none or it is null.
  /// @throws Error{kMalformed} for an alias ("*id001")
  std::optional<std::string_view> text(std::string_view key, std::string_view section = "") const;
  /// @throws Error{kMalformed} naming key and value when it is none
  std::optional<std::int64_t> integer(std::string_view key, std::string_view section = "") const;
  std::optional<double> number(std::string_view key, std::string_view section = "") const;
  bool flag(std::string_view key, std::string_view section = "") const;

 private:
  struct Entry {
    std::string path;  // ".config_decoder.rnn_config.residual"
    std::string value;
  };
  class Scanner;

  std::vector<Entry> entries_;
};

}  // namespace clary::seq2seq
