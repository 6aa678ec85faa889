// SPDX-License-Identifier: Apache-2.0
// The files of a channel in File mode and what can be said of them before they are read: which count, which format
// their first lines have, which delimiter. The rules and most texts are the published container's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/content_type.h"
#include "formats/row_reader.h"
#include "learning/shell/train_context.h"

namespace clary::xgboost {

constexpr int kMaxFolderDepth = 3;

/// The channel's files by path, at most three folders deep. Hidden files, model.tar.gz and its like, and deeper folders
/// are left out with a warning.
std::vector<formats::InputFile> channel_files(const shell::Channel& channel, shell::TrainLog& log);

/// "label[:weight] index:value ...": what the container asks of a file's first line.
bool is_libsvm_line(std::string_view line);

/// The first file that holds more than blanks, or null. Spark's markers (_SUCCESS) and empty parts do not count.
const formats::InputFile* first_with_content(const std::vector<formats::InputFile>& files);

/// What the channel holds: as the job says, else by the first bytes of the first file with content, said in the log.
/// @throws Error{kInvalid} for Parquet and unknown types
formats::ContentType type_of_channel(const shell::Channel& channel, const std::vector<formats::InputFile>& files,
                                     shell::TrainLog& log);

/// @throws Error{kInvalid} "First line '...' of file '...' is not 'LIBSVM' format. ..."; the oldest image's text when
/// `old_text`
void check_libsvm_files(const std::vector<formats::InputFile>& files, bool old_text, shell::TrainLog& log);

/// From the content type, else guessed from the first line of the first file with content, which the log says.
/// @throws Error{kInvalid} "Could not determine delimiter on line ..."
char delimiter_of_files(const formats::ContentType& type, const std::vector<formats::InputFile>& files,
                        shell::TrainLog& log);

/// The names in the first line of the first file, of a CSV with header=present.
std::vector<std::string> header_names(const std::vector<formats::InputFile>& files, char delimiter);

/// Warns of files of the same name and size in both channels.
void warn_of_same_files(const std::vector<formats::InputFile>& train, const std::vector<formats::InputFile>& validation,
                        shell::TrainLog& log);

}  // namespace clary::xgboost
