// SPDX-License-Identifier: Apache-2.0
// The model is read as UBJSON by a SAX handler: numbers stay binary, and no document of millions of nodes is built.
// Layout: https://xgboost.readthedocs.io/en/release_1.7.0/tutorials/saving_model.html, "JSON Schema".
#include "algorithms/xgboost/model/learned_numbers.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace clary::xgboost {
namespace {

class Handler : public nlohmann::json_sax<nlohmann::json> {
 public:
  Handler(const std::string& prefix, const shell::FiniteCheck& check) : prefix_(prefix), check_(check) {}

  // Keys of arrays are unique in the format; any other key stops the collecting.
  bool key(string_t& name) override {
    field_ = name == "left_children"      ? &children_
             : name == "split_conditions" ? &conditions_
             : name == "weights"          ? &weights_
             : name == "weight_drop"      ? &tree_weights_
                                          : nullptr;
    return true;
  }
  bool number_integer(number_integer_t value) override { return add(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(static_cast<double>(value)); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool end_object() override {
    // "split_conditions" holds the value of a leaf, which is a node without children, and the threshold of any other.
    // end_object() closes each tree, and the linear model, whose weights are checked below.
    if (!conditions_.empty()) {
      std::vector<double> leaves;
      for (std::size_t node = 0; node < conditions_.size(); ++node)
        if (children_.at(node) == -1) leaves.push_back(conditions_[node]);
      check_.array(fmt::format("{}tree {} leaf", prefix_, trees_++), leaves);
    }
    check_.array(prefix_ + "weights", weights_);
    check_.array(prefix_ + "weight_drop", tree_weights_);
    for (auto* values : {&children_, &conditions_, &weights_, &tree_weights_}) values->clear();
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    // The library has just written it: not the user's fault.
    throw Error(Kind::kInternal, fmt::format("xgboost: the library's own model cannot be read: {}", error.what()));
  }

 private:
  bool add(double value) {
    if (field_ != nullptr) field_->push_back(value);
    return true;
  }

  const std::string& prefix_;
  const shell::FiniteCheck& check_;
  std::vector<double>* field_ = nullptr;  // where numbers go: the array of the last key
  std::vector<double> children_, conditions_, weights_, tree_weights_;
  int trees_ = 0;
};

}  // namespace

void check_finite(const Booster& booster, const std::string& prefix, const shell::FiniteCheck& check) {
  Handler handler(prefix, check);
  nlohmann::json::sax_parse(booster.save_to_buffer(ModelFormat::kUbj), &handler,
                            nlohmann::json::input_format_t::ubjson);
}

}  // namespace clary::xgboost
