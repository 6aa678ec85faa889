// SPDX-License-Identifier: Apache-2.0
// Folders that Sockeye 1.10 trained (github.com/awslabs/sockeye): params.best or the last params.NNNNN, config,
// vocab.src.json, vocab.trg.json. Sizes and kinds follow from the arrays' names and shapes; what does not is in config.
// Bytes that are read may come from strangers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "algorithms/seq2seq/model/model.h"

namespace clary::seq2seq {

bool is_sockeye_folder(const std::filesystem::path& dir);

/// @throws Error{kNotFound, kMalformed, kInvalid}: kInvalid names what Sockeye has and such a model does not
Model read_sockeye_folder(const std::filesystem::path& dir);

/// The same from the files' bytes. @param params_name  for messages
Model read_sockeye(const std::string& params_name, std::span<const std::byte> params, std::string_view config,
                   Vocabulary source, Vocabulary target);

}  // namespace clary::seq2seq
