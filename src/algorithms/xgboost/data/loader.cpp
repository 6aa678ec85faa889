// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/data/loader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "algorithms/xgboost/data/channel_files.h"
#include "algorithms/xgboost/data/row_store.h"
#include "algorithms/xgboost/tag.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/csv.h"

namespace clary::xgboost {
namespace {

using formats::ContentType;
using formats::Format;

constexpr std::size_t kShownFiles = 3;
constexpr std::int64_t kAllRows = std::numeric_limits<std::int64_t>::max();

/// Everything that is the same for both channels.
/// Made from the channel train (validation where this host has no train file), so that both are read alike.
struct Plan {
  ContentType type;
  formats::ReadOptions read;
  ColumnRoles roles;
  std::vector<std::string> names;         // of the features; empty: none
  std::vector<std::int64_t> categorical;  // feature numbers
  std::optional<formats::LabelRule> label_rule;
};

/// One channel before its matrix exists.
struct Source {
  shell::Channel* channel = nullptr;
  std::vector<formats::InputFile> files;
  std::optional<RowStore> rows;
};

bool has_header(const ContentType& type) { return type.parameter("header") == "present"; }

void check_type(const ContentType& type, const Source& train) {
  if (type.format() == Format::kOther || type.format() == Format::kJson || type.format() == Format::kJsonLines ||
      type.format() == Format::kText)
    throw Error(Kind::kInvalid, fmt::format("{} is not an accepted ContentType: csv, libsvm, "
                                            "recordio-protobuf, text/csv, text/libsvm, text/x-libsvm, "
                                            "application/x-recordio-protobuf.",
                                            type.text()));
  if (type.format() == Format::kLibsvm && train.channel->is_pipe())
    throw Error(Kind::kInvalid, "Pipe mode not supported for LibSVM.");
  if (type.format() == Format::kCsv && type.label_size().value_or(1) != 1)
    throw Error(Kind::kInvalid, fmt::format("{} is not an accepted csv ContentType. Optional parameter label_size must "
                                            "be equal to 1",
                                            type.text()));
}

/// "3" or a name of the header. @throws Error{kInvalid}
std::int64_t column_number(std::string_view parameter, std::string_view text, const std::vector<std::string>& header) {
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 0) return number;
  const auto found = std::find(header.begin(), header.end(), text);
  if (found == header.end())
    throw Error(Kind::kInvalid, fmt::format("content type: {}: {} is neither a column number from 0 nor a name of the "
                                            "header line",
                                            parameter, formats::quoted_for_message(text)));
  return found - header.begin();
}

void plan_columns(Plan& plan, const std::vector<std::string>& header, bool csv_weights) {
  const auto column = [&](std::string_view parameter, std::int64_t otherwise) {
    const auto text = plan.type.parameter(parameter);
    return text ? column_number(parameter, *text, header) : otherwise;
  };
  plan.roles.label = column("label_column", 0);
  plan.roles.weight = column("weight_column", csv_weights ? (plan.roles.label == 0 ? 1 : 0) : -1);
  plan.roles.group = column("group_column", -1);
  const std::set<std::int64_t> others{plan.roles.label, plan.roles.weight, plan.roles.group};
  // Feature numbers leave out the columns with other roles.
  const auto feature_of = [&](std::int64_t c) {
    return c - std::count_if(others.begin(), others.end(), [&](std::int64_t other) { return other >= 0 && other < c; });
  };
  for (std::int64_t c = 0; c < static_cast<std::int64_t>(header.size()); ++c)
    // Commas separate parameters of a content type: the list may use '|' instead.
    if (!others.contains(c)) plan.names.push_back(header[static_cast<std::size_t>(c)]);
  std::string list(plan.type.parameter("categorical").value_or(""));
  std::replace(list.begin(), list.end(), ',', '|');
  for (const auto part : split(list, '|')) {
    if (trimmed(part).empty()) continue;
    const std::int64_t c = column_number("categorical", trimmed(part), header);
    if (others.contains(c))
      throw Error(Kind::kInvalid, fmt::format("content type: categorical: column {} is no feature", c));
    plan.categorical.push_back(feature_of(c));
  }
}

// Columns with roles other than the first ones are split by RowStore, not by the reader.
Plan make_plan(const Source& train, const LoadOptions& options, shell::TrainContext& context) {
  Plan plan;
  plan.type = type_of_channel(*train.channel, train.files, context.log());
  check_type(plan.type, train);
  plan.read.missing_allowed = true;
  plan.read.as_blocks = true;
  plan.read.num_threads = options.threads > 0 ? options.threads : context.threads();
  plan.read.label_size = 0;
  // The reader names file and line; where the label is not alone in front, RowStore checks it and names the row.
  plan.label_rule = options.label_rule;
  if (plan.type.format() != Format::kCsv) plan.read.label_rule = options.label_rule;
  if (plan.type.format() == Format::kRecordIoProtobuf) plan.read.allow_non_finite = true;  // RowStore refuses infinity
  if (plan.type.format() != Format::kCsv) return plan;
  std::vector<std::string> header;
  if (!train.channel->is_pipe()) {
    plan.read.delimiter = delimiter_of_files(plan.type, train.files, context.log());
    if (has_header(plan.type)) header = header_names(train.files, plan.read.delimiter);
  }
  plan_columns(plan, header, options.csv_weights);
  plan.read.label_size = plan.roles.split_by_reader();
  if (plan.read.label_size == 1) plan.read.label_rule = options.label_rule;
  plan.type.parameters.erase("label_size");
  plan.type.parameters.erase("delimiter");
  if (const auto given = formats::delimiter_parameter(train.channel->content_type())) plan.read.delimiter = *given;
  return plan;
}

[[noreturn]] void fail_without_data(const Source& source) {
  const std::string& name = source.channel->name();
  std::string found = "there is no file";
  if (!source.files.empty()) {
    found = "no row in";
    for (std::size_t i = 0; i < source.files.size() && i < kShownFiles; ++i)
      found += fmt::format("{} '{}'", i == 0 ? "" : ",", source.files[i].name);
    if (source.files.size() > kShownFiles)
      found += fmt::format(" and {} more files", source.files.size() - kShownFiles);
  }
  throw Error(Kind::kInvalid,
              fmt::format("No data in {} channel path {}: channel '{}': {}", name == "train" ? "training" : name,
                          source.channel->folder().string(), name, found));
}

/// Nothing to read: an error on one host, an absent channel on one of several.
bool is_empty(const Source& source, const shell::TrainContext& context) {
  if (source.channel->is_pipe() || first_with_content(source.files) != nullptr) return false;
  if (context.hosts().size() > 1) return true;
  fail_without_data(source);
}

std::unique_ptr<formats::RowReader> open_reader(Source& source, const Plan& plan) {
  if (source.channel->is_pipe()) {
    source.channel->set_content_type(plan.type);
    return source.channel->rows(plan.read);
  }
  return formats::open_rows(source.files, plan.type, plan.read);
}

void read_rows(Source& source, const Plan& plan, shell::TrainContext& context) {
  const auto& hosts = context.hosts();
  const bool split = hosts.size() > 1 && !source.channel->is_sharded();
  if (split)
    // Each host reads everything and keeps its share.
    context.log().warn(
        "Channel '{}' is FullyReplicated: each of the {} hosts trains on its share of the rows. Use ShardedByS3Key to "
        "copy less.",
        source.channel->name(), hosts.size());
  source.rows.emplace(source.channel->name(), plan.roles, split ? hosts.rank() : 0, split ? hosts.size() : 1,
                      plan.label_rule);
  const auto reader = open_reader(source, plan);
  formats::Batch batch;
  while (reader->next(batch, kAllRows)) {
    source.rows->add(batch);
    if (context.stop_requested())
      throw Error(Kind::kCancelled, "channel " + source.channel->name() + ": stopped while reading");
  }
}

void set_features(Matrix& matrix, const Plan& plan, std::int64_t width, const std::string& channel) {
  if (!plan.names.empty()) {
    if (static_cast<std::int64_t>(plan.names.size()) != width)
      throw Error(Kind::kInvalid, fmt::format("channel {}: the header line names {} feature columns, the rows have {}",
                                              channel, plan.names.size(), width));
    matrix.set_feature_names(plan.names);
  }
  if (plan.categorical.empty()) return;
  std::vector<std::string> types(static_cast<std::size_t>(width), "q");
  for (const std::int64_t feature : plan.categorical) {
    if (feature >= width)
      throw Error(Kind::kInvalid, fmt::format("content type: categorical: column {} is beyond the last column of "
                                              "channel {}",
                                              feature, channel));
    types[static_cast<std::size_t>(feature)] = "c";
  }
  matrix.set_feature_types(types);
}

// The rows are freed as soon as the matrix has them: the peak of memory is one copy, not two.
LoadedChannel make_channel(Source& source, const Plan& plan, std::int64_t width, shell::TrainContext& context) {
  LoadedChannel out;
  out.rows = source.rows->rows();
  out.columns = width;
  out.matrix = source.rows->make_matrix(width, plan.read.num_threads);
  source.rows.reset();
  set_features(out.matrix, plan, width, source.channel->name());
  context.log().plain(fmt::format("{}x{} matrix with {} entries loaded from {}", out.rows, out.columns,
                                  out.matrix.non_missing(), source.channel->folder().string()));
  return out;
}

/// Rows of CSV say how wide they are; libsvm rows do not, and the widest of both channels counts.
void check_widths(const Source& train, const Source& validation, const Plan& plan) {
  const std::int64_t a = train.rows->width(), b = validation.rows->width();
  if (a == b || plan.type.format() == Format::kLibsvm || train.rows->rows() == 0 || validation.rows->rows() == 0)
    return;
  throw Error(Kind::kInvalid,
              fmt::format("channel validation: the rows have {} features, those of channel train {}", b, a));
}

Source source_of(shell::TrainContext& context, std::string_view name) {
  Source out;
  out.channel = &context.channel(name);
  if (!out.channel->is_pipe()) out.files = channel_files(*out.channel, context.log());
  return out;
}

}  // namespace

// Both channels are read before a matrix is made: the width is the larger one's.
LoadedData load_data(shell::TrainContext& context, const LoadOptions& options) {
  LoadedData out;
  Source train = source_of(context, "train");
  std::optional<Source> validation;
  if (context.has_channel("validation")) validation = source_of(context, "validation");
  const bool no_train = is_empty(train, context);
  const bool no_validation = !validation || is_empty(*validation, context);
  if (no_train && no_validation) return out;
  const Plan plan = make_plan(no_train ? *validation : train, options, context);
  const bool old_texts = tag_from_environment() < Tag{0, 90};
  if (plan.type.format() == Format::kLibsvm) {
    check_libsvm_files(train.files, old_texts, context.log());
    if (validation) check_libsvm_files(validation->files, old_texts, context.log());
  }
  if (validation) warn_of_same_files(train.files, validation->files, context.log());

  if (!no_train) read_rows(train, plan, context);
  if (!no_validation) read_rows(*validation, plan, context);
  if (!no_train && !no_validation) check_widths(train, *validation, plan);
  const std::int64_t width =
      std::max(no_train ? 0 : train.rows->width(), no_validation ? 0 : validation->rows->width());
  const auto finish = [&](Source& source) -> std::optional<LoadedChannel> {
    if (source.rows->rows() > 0) return make_channel(source, plan, width, context);
    if (context.hosts().size() > 1) return std::nullopt;
    fail_without_data(source);
  };
  if (!no_train) out.train = finish(train);
  if (!no_validation) out.validation = finish(*validation);
  return out;
}

}  // namespace clary::xgboost
