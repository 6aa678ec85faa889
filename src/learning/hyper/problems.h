// SPDX-License-Identifier: Apache-2.0
// Collects everything wrong with a job's hyperparameters into one Error, in AWS's wording where AWS has one, and always
// with the name, the value and the rule.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "learning/hyper/field_spec.h"

namespace clary::hyper {

/// Names to text, as hyperparameters.json holds them.
using TextMap = std::map<std::string, std::string, std::less<>>;
using Table = std::vector<const FieldSpec*>;

inline constexpr const char* kSeedName = "seed";

class Problems {
 public:
  Problems(std::string algorithm, Table table) : algorithm_(std::move(algorithm)), table_(std::move(table)) {}

  /// Required names missing, unknown names given.
  void check_names(const TextMap& given);
  void bad_value(const FieldSpec& spec, std::string_view value);
  void broken_rule(const std::string& sentence, const TextMap& configuration);
  bool none() const noexcept { return found_.empty(); }
  void raise() const;  // throws Error{kInvalid} unless none()

 private:
  std::string algorithm_;
  Table table_;
  std::vector<std::string> found_;
};

/// The value to read, or nothing when absent or Python's None (unless None is one of the field's own words).
std::optional<std::string> given_value(const FieldSpec& spec, const TextMap& given);
TextMap overlaid(const Table& table, const TextMap& given);
Json describe_table(const Table& table);

/// `seed` of a job whose hyperparameters were already checked.
std::uint64_t seed_of(const TextMap& given);

/// {'k': '10', 'seed': '1'}: how AWS's containers print a configuration (Python's repr of a dict).
std::string python_repr(const TextMap& map);

}  // namespace clary::hyper
