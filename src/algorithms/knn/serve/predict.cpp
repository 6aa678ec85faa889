// SPDX-License-Identifier: Apache-2.0
// Model::predict: request options, search, vote, and the answer's columns. Options ride on Accept ("application/json;
// verbose=true; k=3; nprobe=20; order=best; proportions=true; ids=true") and, for k, nprobe and order, also per row in
// JSON's "configuration".
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <map>
#include <optional>

#include "algorithms/knn/data/dataset.h"
#include "algorithms/knn/model/model.h"
#include "algorithms/knn/serve/vote.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace clary::knn {
namespace {

using shell::Column;

// Neighbours held at a time (about 50 MB), and neighbours written into one verbose answer.
constexpr std::int64_t kMostAtOnce = 4'000'000;
constexpr std::int64_t kMostInAnswer = 64'000'000;
constexpr std::int64_t kLargestOption = 1'000'000'000;

/// What may differ from row to row.
struct Options {
  std::int64_t k, nprobe;
  bool best_first;
  auto operator<=>(const Options&) const = default;
};

bool best_first_of(std::string_view text, std::string_view where) {
  const std::string word = lower(trimmed(text));
  if (word != "best" && word != "ascending") {
    throw Error(Kind::kInvalid, fmt::format("{}order: '{}' must be best or ascending", where, text.substr(0, 40)));
  }
  return word == "best";
}

Options request_options(const Model& model, const shell::ServeRequest& request) {
  Options out{model.metadata().k, model.default_probes(), false};
  out.k = request.integer("k", 1, kLargestOption).value_or(out.k);
  out.nprobe = request.integer("nprobe", 1, kLargestOption).value_or(out.nprobe);
  if (const auto order = request.parameter("order")) out.best_first = best_first_of(*order, "");
  return out;
}

/// `text` is the JSON of one instance's "configuration"; empty when it has none.
Options row_options(Options out, const std::string& text, std::int64_t row) {
  if (text.empty()) return out;
  const std::string where = fmt::format("instance {}: configuration: ", row);
  const Json json = parse_json(text);
  if (json.is_null()) return out;
  if (!json.is_object()) throw Error(Kind::kInvalid, where + "must be a JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key == "order") {
      if (!value.is_string()) throw Error(Kind::kInvalid, where + "order: must be best or ascending");
      out.best_first = best_first_of(value.get<std::string>(), where);
    } else if (key == "k" || key == "nprobe") {
      const bool valid = value.is_number_unsigned() && value.get<std::uint64_t>() >= 1 &&
                         value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kLargestOption);
      if (!valid) {
        throw Error(Kind::kInvalid, fmt::format("{}{}: {} must be an integer from 1 to {}", where, key,
                                                dump_json(value).substr(0, 40), kLargestOption));
      }
      (key == "k" ? out.k : out.nprobe) = value.get<std::int64_t>();
    } else {
      throw Error(Kind::kInvalid, fmt::format("{}{}: unknown; known are k, nprobe, order", where, key.substr(0, 40)));
    }
  }
  return out;
}

// Rows with the same options are searched together, since one search has one k and one nprobe.
std::map<Options, std::vector<std::int64_t>> group_rows(const Model& model, const formats::Batch& rows,
                                                        const shell::ServeRequest& request) {
  const Options common = request_options(model, request);
  std::map<Options, std::vector<std::int64_t>> groups;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const bool own = !rows.configurations.empty();
    groups[own ? row_options(common, rows.configurations[static_cast<std::size_t>(r)], r) : common].push_back(r);
  }
  return groups;
}

/// What one row's answer is made of.
struct RowAnswer {
  float predicted = 0;
  std::vector<float> distances, labels;
  std::vector<std::int64_t> ids;
  ClassShares shares;
};

struct Wanted {
  bool verbose, ids, proportions;
};

RowAnswer answer_row(const Model& model, const Neighbours& found, std::int64_t query, bool best_first,
                     const Wanted& wanted) {
  RowAnswer out;
  for (std::int64_t i = query * found.k; i < (query + 1) * found.k; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (found.ids[at] < 0) continue;
    out.labels.push_back(model.label(found.ids[at]));
    if (wanted.verbose) out.distances.push_back(found.distances[at]);
    if (wanted.ids) out.ids.push_back(found.ids[at]);
  }
  out.predicted = answer(model.metadata().predictor_type, out.labels);
  if (wanted.proportions) out.shares = class_shares(out.labels);
  // Labels are needed for the vote in any case; columns_of() writes what is not empty.
  if (!wanted.verbose) out.labels.clear();
  // The compatible order is ascending numbers: for similarities that is the nearest last.
  if (!best_first && !model.index().options().l2) {
    std::reverse(out.labels.begin(), out.labels.end());
    std::reverse(out.distances.begin(), out.distances.end());
    std::reverse(out.ids.begin(), out.ids.end());
  }
  return out;
}

template <class T, class Get>
std::pair<std::vector<T>, std::vector<std::int64_t>> joined(const std::vector<RowAnswer>& answers, Get get) {
  std::vector<T> flat;
  std::vector<std::int64_t> offsets{0};
  for (const RowAnswer& one : answers) {
    get(one, flat);
    offsets.push_back(static_cast<std::int64_t>(flat.size()));
  }
  return {std::move(flat), std::move(offsets)};
}

// The lists of all rows in one flat array with offsets, as ragged columns are encoded.
Column list_column(const char* name, const std::vector<RowAnswer>& answers,
                   const std::vector<float>& (*values)(const RowAnswer&)) {
  auto [flat, offsets] = joined<float>(answers, [&](const RowAnswer& one, std::vector<float>& out) {
    out.insert(out.end(), values(one).begin(), values(one).end());
  });
  return Column::of_ragged_lists(name, std::move(flat), std::move(offsets));
}

Column id_column(const Model& model, const std::vector<RowAnswer>& answers) {
  auto [flat, offsets] = joined<std::string>(answers, [&](const RowAnswer& one, std::vector<std::string>& out) {
    for (const std::int64_t id : one.ids) out.push_back(model.id_text(id));
  });
  return Column::of_text_lists("ids", std::move(flat), std::move(offsets));
}

shell::Predictions columns_of(const Model& model, const std::vector<RowAnswer>& answers, const Wanted& wanted) {
  shell::Predictions out;
  out.rows = static_cast<std::int64_t>(answers.size());
  std::vector<float> predicted;
  for (const RowAnswer& one : answers) predicted.push_back(one.predicted);
  out.columns.push_back(Column::of_numbers("predicted_label", std::move(predicted)));
  using Floats = const std::vector<float>&;
  if (wanted.verbose) {
    out.columns.push_back(list_column("distances", answers, [](const RowAnswer& a) -> Floats { return a.distances; }));
    out.columns.push_back(list_column("labels", answers, [](const RowAnswer& a) -> Floats { return a.labels; }));
  }
  if (wanted.ids) out.columns.push_back(id_column(model, answers));
  if (wanted.proportions) {
    out.columns.push_back(
        list_column("classes", answers, [](const RowAnswer& a) -> Floats { return a.shares.classes; }));
    out.columns.push_back(
        list_column("proportions", answers, [](const RowAnswer& a) -> Floats { return a.shares.shares; }));
  }
  return out;
}

}  // namespace

shell::Predictions Model::predict(const formats::Batch& rows, const shell::ServeRequest& request) const {
  const Wanted wanted{request.flag("verbose"), request.flag("ids"), request.flag("proportions")};
  if (wanted.proportions && metadata_.predictor_type != Task::kClassifier) {
    throw Error(Kind::kInvalid, "proportions: only a classifier has classes; this model is a regressor");
  }
  // Values are checked here: a NaN among the features is the client's error.
  const Vectors all = dense_vectors(rows);
  if (rows.rows > 0) check_width(all.width());
  std::vector<RowAnswer> answers(static_cast<std::size_t>(rows.rows));
  std::int64_t listed = 0;
  for (const auto& [options, members] : group_rows(*this, rows, request)) {
    // More than the index holds would only add empty places.
    const std::int64_t k = std::min(options.k, this->rows());
    listed += wanted.verbose || wanted.ids ? k * static_cast<std::int64_t>(members.size()) : 0;
    if (listed > kMostInAnswer) {
      throw Error(
          Kind::kLimit,
          fmt::format("a verbose answer of more than {} neighbours; ask for a smaller k or fewer rows", kMostInAnswer));
    }
    // Bounds the memory of one search whatever k and the number of rows are.
    const auto step = static_cast<std::size_t>(std::max<std::int64_t>(1, kMostAtOnce / k));
    for (std::size_t first = 0; first < members.size(); first += step) {
      const std::size_t end = std::min(members.size(), first + step);
      Vectors queries(all.width());
      queries.reserve(static_cast<std::int64_t>(end - first));
      for (std::size_t i = first; i < end; ++i) {
        queries.append({all.row(members[i]), static_cast<std::size_t>(all.width())});
      }
      const Neighbours found = neighbours_of_prepared(prepared(std::move(queries)), k, options.nprobe);
      for (std::size_t i = first; i < end; ++i) {
        answers[static_cast<std::size_t>(members[i])] =
            answer_row(*this, found, static_cast<std::int64_t>(i - first), options.best_first, wanted);
      }
    }
  }
  return columns_of(*this, answers, wanted);
}

}  // namespace clary::knn
