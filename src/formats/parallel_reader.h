// SPDX-License-Identifier: Apache-2.0
// Decodes blocks on several threads and hands the rows out in order. Internal to formats.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "formats/block_source.h"
#include "formats/row_reader.h"

namespace clary::formats {

using MakeDecoder = std::function<std::unique_ptr<BlockDecoder>()>;

/// The calling thread cuts blocks and merges; options.num_threads others decode, at most twice as many blocks ahead.
std::unique_ptr<RowReader> make_parallel_reader(std::unique_ptr<BlockSource> source, const MakeDecoder& make_decoder,
                                                const ReadOptions& options);

/// Throws the Error that a user sees: "<file>: line <n>: <text>".
[[noreturn]] void throw_problem(const RowProblem& problem, const std::string& file, const char* unit,
                                std::int64_t units_before);

}  // namespace clary::formats
