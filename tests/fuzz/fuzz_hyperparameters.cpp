// SPDX-License-Identifier: Apache-2.0
// Lines "name=value" against a schema with a field of every type, in both dialects. Only Error{kInvalid} may escape,
// and what was accepted is accepted again in the form that the schema shows.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "learning/hyper/python_text.h"
#include "learning/hyper/schema.h"

namespace {

struct Sample {
  std::int64_t k = 5;
  double rate = 0.1;
  int task = 0;
  bool on = false;
  std::vector<std::int64_t> layers;
  std::string note;
  clary::hyper::TextMap passed;
};

clary::Schema<Sample> schema(clary::hyper::Dialect dialect) {
  using namespace clary::hyper;
  return {"sample",
          {integer("k", &Sample::k, 1, 1000).literal("auto", "0"),
           continuous("rate", &Sample::rate, 1e-6).literal("Inf", "inf"),
           categorical("task", &Sample::task, {{"a", 0}, {"b", 1}}).literal("bee", "b"), boolean("on", &Sample::on),
           integer_list("layers", &Sample::layers, 1).literal("auto", ""), free_text("note", &Sample::note),
           word_list("steps", &Sample::passed, {"grow", "prune"}).or_else("grow"),
           one_of("method", &Sample::passed, {"true", "false"}).any_case().alias("m").or_else("true")},
          {{"k must not be 13", [](const Sample& h) { return h.k != 13; }}},
          dialect};
}

void parse_twice(const clary::Schema<Sample>& schema, const clary::hyper::TextMap& given) {
  try {
    schema.parse(given);
    schema.parse(schema.configuration(given));
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kInvalid) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  clary::hyper::TextMap given;
  for (const auto line : clary::split({reinterpret_cast<const char*>(data), size}, '\n')) {
    const std::size_t equals = line.find('=');
    given[std::string(line.substr(0, equals))] = equals == line.npos ? "" : std::string(line.substr(equals + 1));
  }
  static const auto open = schema(clary::hyper::Dialect::kJsonSchema), strict = schema(clary::hyper::Dialect::kToolkit);
  parse_twice(open, given);
  parse_twice(strict, given);
  clary::hyper::python_repr(given);
  return 0;
}
