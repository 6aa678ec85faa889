// SPDX-License-Identifier: Apache-2.0
// Two texts, line by line, to a file of records: features["source"] and features["target"] hold the ids of the words.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "corpus/text_file.h"
#include "corpus/word_table.h"

namespace clary::corpus {

struct WrittenRecords {
  std::int64_t records = 0;
  std::int64_t left_out = 0;  // lines of which one side has no words
};

/// Records in the order of the lines; the file appears when it is whole.
/// @param source_ids, target_ids  ids of words; others get that of <unk>
/// @param progress  gets the share that is done, 0 to 1, from any thread, one call at a time
/// @throws Error{kInvalid} when the texts have different numbers of lines
WrittenRecords write_records(const TextFile& source, const TextFile& target, const WordTable& source_ids,
                             const WordTable& target_ids, const std::filesystem::path& path, int threads,
                             const std::function<void(double)>& progress);

}  // namespace clary::corpus
