// SPDX-License-Identifier: Apache-2.0
// Collects what is wrong with a job's hyperparameters into one Error, in AWS's wording where AWS has one, and always
// with the name, the value and the rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "learning/hyper/field_spec.h"

namespace clary::hyper {

using Table = std::vector<const FieldSpec*>;

inline constexpr const char* kSeedName = "seed";

/// How the container that an algorithm answers for reads hyperparameters and refuses them.
enum class Dialect {
  /// Every problem in one error, in the words of Python's jsonschema after the algorithm's name. "10.0" is an integer,
  /// None a value that was not given.
  kJsonSchema,
  /// The first problem only, in the words of the SageMaker Algorithm Toolkit, which AWS's open containers check with
  /// (XGBoost). It asks first which required names are missing; then, name by name in alphabetical order, whether it
  /// knows
  /// the name and can read the value; then in the same order whether the value is in range; then for the rules between
  /// names. Numbers are read as Python reads them.
  kToolkit,
  /// Every problem in one error, each in the words of Image Classification's container (Python 2): "The value 'x' is
  /// not valid for the 'optimizer' hyperparameter which accepts one of the following: 'sgd', 'adam' (caused by
  /// ValidationError)". Values are read as for kJsonSchema.
  kValidationError,
};

class Problems {
 public:
  Problems(std::string algorithm, Table table, Dialect dialect)
      : algorithm_(std::move(algorithm)), table_(std::move(table)), dialect_(dialect) {}

  /// Required names missing, unknown names given.
  void check_names(const TextMap& given);
  /// @param read  what the row made of the text; not kTaken
  void bad_value(const FieldSpec& spec, std::string_view text, const Read<std::string>& read);
  void broken_text_rule(const std::string& sentence) { found_.push_back({Stage::kTexts, "", sentence}); }
  void broken_rule(const std::string& sentence, const TextMap& configuration);
  /// True when the struct holds all that was given, so that rules can look at it.
  bool values_are_valid() const;
  void raise() const;  // throws Error{kInvalid} when there is a problem

 private:
  enum class Stage { kMissing, kReading, kTexts, kRange, kRule };  // in the toolkit's order
  struct Problem {
    Stage stage;
    std::string name;  // of the hyperparameter, by which a stage is ordered; "" where the table's order holds
    std::string sentence;
  };

  std::string algorithm_;
  Table table_;
  Dialect dialect_;
  std::vector<Problem> found_;
};

/// The value to read, or nothing when absent or Python's None (unless None is one of the field's own words).
std::optional<std::string> given_value(const FieldSpec& spec, const TextMap& given);
/// With the rows' own names in place of their aliases; a value given by an alias counts when both are there.
TextMap without_aliases(const Table& table, const TextMap& given);
TextMap overlaid(const Table& table, const TextMap& given);
Json describe_table(const Table& table);

/// `seed` of a job whose hyperparameters were already checked.
std::uint64_t seed_of(const TextMap& given);

}  // namespace clary::hyper
