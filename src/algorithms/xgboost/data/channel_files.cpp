// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/data/channel_files.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "formats/byte_source.h"
#include "formats/csv.h"
#include "formats/number.h"

namespace clary::xgboost {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFirstBytes = 1 << 16;  // of a file: enough for the first line of most
constexpr std::size_t kShownChars = 50;       // of a first line, as in the container's messages
constexpr std::string_view kRecordIoMagic{"\x0A\x23\xD7\xCE", 4};

/// The first bytes of a file, gunzipped.
/// Blocks of the stream may be short: reads until the buffer is full or the file ends.
std::string first_bytes(const formats::InputFile& file) {
  const auto bytes = formats::open_bytes(open_file(file.path, O_RDONLY | O_CLOEXEC), file.name);
  std::string out(kFirstBytes, '\0');
  std::size_t have = 0;
  while (have < out.size()) {
    const std::size_t got = bytes->read(std::as_writable_bytes(std::span(out).subspan(have)));
    if (got == 0) break;
    have += got;
  }
  out.resize(have);
  return out;
}

/// The first line that is not blank, without its end.
std::string first_line(const formats::InputFile& file) {
  const std::string bytes = first_bytes(file);
  std::string_view rest = bytes;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (!trimmed(line).empty()) return std::string(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

bool is_number(std::string_view text) {
  float value;
  return text.find('"') == std::string_view::npos &&
         formats::parse_any_number(text, value) == formats::NumberProblem::kNone;
}

/// Names that the format check passes over: "_SUCCESS", and the library's cache files.
bool is_checked(const fs::path& path) {
  const std::string name = path.filename().string();
  const bool cache = name.find(".cache") != std::string::npos &&
                     (name.find("dtrain") != std::string::npos || name.find("dval") != std::string::npos);
  return !name.starts_with('_') && !cache;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t begin = line.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos || line[begin] == '#') break;
    at = std::min(line.find_first_of(" \t\r", begin), line.size());
    words.push_back(line.substr(begin, at - begin));
  }
  return words;
}

// The container's rules on which files of a folder are data.
void collect(const fs::path& folder, const std::string& prefix, int depth, std::vector<formats::InputFile>& files,
             shell::TrainLog& log) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) {
      log.warn("Hidden file found in the data path! Remove that before training. Skipping {}.", prefix + name);
    } else if (entry.is_directory()) {
      if (depth == kMaxFolderDepth)
        log.warn("The depth of folder {} exceeds the limit {}. Its files are not loaded.", prefix + name,
                 kMaxFolderDepth);
      else
        collect(entry.path(), prefix + name + "/", depth + 1, files, log);
    } else if (name.ends_with(".tar.gz")) {
      log.warn("Skipping {}: an archive, such as the model of an earlier job, is no data.", prefix + name);
    } else {
      files.push_back({entry.path(), prefix + name});
    }
  }
}

}  // namespace

std::vector<formats::InputFile> channel_files(const shell::Channel& channel, shell::TrainLog& log) {
  std::vector<formats::InputFile> files;
  std::error_code missing;
  if (fs::is_directory(channel.folder(), missing)) collect(channel.folder(), channel.name() + "/", 1, files, log);
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

const formats::InputFile* first_with_content(const std::vector<formats::InputFile>& files) {
  // Names with "_" are markers in most folders, and data in a few: they are looked at last.
  for (const bool checked : {true, false})
    for (const auto& file : files)
      if (is_checked(file.path) == checked && !trimmed(first_bytes(file)).empty()) return &file;
  return nullptr;
}

// "label[:weight] index:value ...": the first word is a number, all others have a colon.
bool is_libsvm_line(std::string_view line) {
  const auto words = words_of(line);
  if (words.empty()) return false;
  const std::size_t colon = words[0].find(':');
  if (!is_number(words[0].substr(0, colon))) return false;
  if (colon != std::string_view::npos && !is_number(words[0].substr(colon + 1))) return false;
  return std::all_of(words.begin() + 1, words.end(),
                     [](std::string_view word) { return word.find(':') != std::string_view::npos; });
}

// A guess is made from the first file only, and said in the log.
formats::ContentType type_of_channel(const shell::Channel& channel, const std::vector<formats::InputFile>& files,
                                     shell::TrainLog& log) {
  const formats::ContentType& given = channel.content_type();
  if (given.type == "parquet" || given.type == "application/x-parquet")
    throw Error(Kind::kInvalid, "Content type '" + given.type +
                                    "': this build reads no Parquet; convert the data to text/csv, text/libsvm or "
                                    "application/x-recordio-protobuf.");
  if (channel.has_content_type()) return given;
  const formats::InputFile* const first = first_with_content(files);
  if (channel.is_pipe() || first == nullptr) return formats::parse_content_type("text/libsvm");
  const auto assume = [&](std::string_view type) {
    log.info("No ContentType given for channel '{}': assuming '{}' from the start of file '{}'.", channel.name(), type,
             first->name);
    return formats::parse_content_type(type);
  };
  const std::string start = first_bytes(*first);
  if (start.starts_with(kRecordIoMagic)) return assume("application/x-recordio-protobuf");
  if (start.starts_with("PAR1"))
    throw Error(Kind::kInvalid, "file '" + first->name +
                                    "' is in Parquet format, which this build does not read; convert the data to "
                                    "text/csv, text/libsvm or application/x-recordio-protobuf.");
  const std::string line = first_line(*first);
  if (!is_libsvm_line(line) && line.find_first_of(",;\t|") != std::string::npos) return assume("text/csv");
  return assume("text/libsvm");
}

// The first line of each file: a wrong format is found before gigabytes are read.
void check_libsvm_files(const std::vector<formats::InputFile>& files, bool old_text, shell::TrainLog& log) {
  for (const auto& file : files) {
    if (!is_checked(file.path)) continue;
    const std::string line = first_line(file);
    if (trimmed(line).empty() || trimmed(line).front() == '#') continue;
    if (is_libsvm_line(line)) {
      if (words_of(line).size() == 1) log.warn("File '{}' has no feature in its first line '{}'.", file.name, line);
      continue;
    }
    const std::string shown = line.substr(0, kShownChars);
    if (old_text)
      throw Error(Kind::kInvalid, fmt::format("Blankspace and colon not found in firstline '{}...' of file '{}'. "
                                              "ContentType by default is in libsvm; please specify ContentType "
                                              "explicitly if the data are in another format.",
                                              shown, file.name));
    throw Error(Kind::kInvalid, fmt::format("First line '{}...' of file '{}' is not 'LIBSVM' format. Please ensure the "
                                            "file is in 'LIBSVM' format.",
                                            shown, file.name));
  }
}

char delimiter_of_files(const formats::ContentType& type, const std::vector<formats::InputFile>& files,
                        shell::TrainLog& log) {
  if (const auto given = formats::delimiter_parameter(type)) return *given;
  const formats::InputFile* const first = first_with_content(files);
  const std::string line = first == nullptr ? "" : first_line(*first);
  if (trimmed(line).empty())
    throw Error(Kind::kInvalid, fmt::format("Could not determine delimiter on line {}:\nthe first line is blank",
                                            line.substr(0, kShownChars)));
  const char delimiter = formats::guess_delimiter(line);
  log.info("Determined delimiter of CSV input is '{}'", delimiter == '\t' ? "\\t" : std::string(1, delimiter));
  return delimiter;
}

std::vector<std::string> header_names(const std::vector<formats::InputFile>& files, char delimiter) {
  std::vector<std::string> names;
  const formats::InputFile* const first = first_with_content(files);
  if (first == nullptr) return names;
  const std::string line = first_line(*first);
  for (std::string_view field : split(line, delimiter)) {
    field = trimmed(field);
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
    names.emplace_back(field);
  }
  return names;
}

void warn_of_same_files(const std::vector<formats::InputFile>& train, const std::vector<formats::InputFile>& validation,
                        shell::TrainLog& log) {
  std::error_code ignored;
  for (const auto& a : train)
    for (const auto& b : validation)
      if (a.path.filename() == b.path.filename() && fs::file_size(a.path, ignored) == fs::file_size(b.path, ignored))
        log.warn(
            "Suspected identical files found. ({} and {} with same name and size.) Duplicate data in the training set "
            "and validation set is usually not intentional and can impair the validity of the model evaluation by the "
            "validation score.",
            a.name, b.name);
}

}  // namespace clary::xgboost
