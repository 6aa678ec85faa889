// SPDX-License-Identifier: Apache-2.0
// The files of a model (README.md, "The artifact"), as bytes. Bytes that are read may come from strangers.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "algorithms/seq2seq/model/model.h"

namespace clary::seq2seq {

/// @throws Error{kMalformed} naming file and rule
Model read_model(std::string_view model_json, std::span<const std::byte> safetensors, Vocabulary source,
                 Vocabulary target);

/// metrics.tsv: a line of names, then a line per checkpoint. @param history  a list of objects of numbers
std::string metrics_table(const Json& history);

}  // namespace clary::seq2seq
