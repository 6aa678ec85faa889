// SPDX-License-Identifier: Apache-2.0
// `clary algorithms`: lists the built-in algorithms, or prints one's hyperparameter table, from their descriptors.
#include <cstdio>
#include <map>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "cli/commands.h"
#include "platform/server/installation.h"

namespace clary::cli {

namespace fs = std::filesystem;

namespace {

struct AlgorithmsOptions {
  std::string name;
  bool json = false;
};

std::map<std::string, Json> descriptors() {
  std::map<std::string, Json> found;
  // A missing folder means that no algorithm is installed; it is reported by the caller.
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(server::algorithms_folder(), missing)) {
    if (entry.path().extension() == ".json") found[entry.path().stem()] = parse_json(read_file(entry.path(), 1 << 22));
  }
  return found;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : dump_json(value);
}

std::string range_of(const Json& parameter) {
  // Range is a list of one kind of limits, or a text.
  if (!parameter.contains("Range")) return "";
  const Json& range = parameter["Range"];
  if (!range.is_object()) return text_of(range);
  for (const auto& [kind, limits] : range.items()) {
    if (limits.is_object() && limits.contains("Values")) {
      std::string all;
      for (const Json& value : limits["Values"]) all += (all.empty() ? "" : ", ") + text_of(value);
      return all;
    }
    if (limits.is_object())
      return text_of(limits.value("MinValue", Json())) + " .. " + text_of(limits.value("MaxValue", Json()));
  }
  return "";
}

void print_one(const Json& descriptor) {
  std::printf("%s  (images:", descriptor.at("Name").get<std::string>().c_str());
  for (const Json& image : descriptor.at("Images")) std::printf(" %s", image.get<std::string>().c_str());
  std::printf(")\n\nHyperparameters\n");
  for (const Json& p : descriptor.at("HyperParameters")) {
    const std::string name = p.at("Name");
    // Internal ones of AWS, accepted without effect.
    if (name.starts_with('_')) continue;
    const std::string fallback = p.contains("DefaultValue") ? "default " + text_of(p["DefaultValue"]) : "";
    std::printf("  %-30s %-11s %-34s %s\n", name.c_str(), text_of(p.value("Type", Json())).c_str(), range_of(p).c_str(),
                p.value("IsRequired", false) ? "required" : fallback.c_str());
    if (const std::string about = text_of(p.value("Description", Json())); !about.empty())
      std::printf("      %s\n", about.c_str());
  }
  std::printf("\nChannels\n");
  for (const Json& channel : descriptor.at("Channels")) {
    std::printf("  %-12s %-9s", channel.at("Name").get<std::string>().c_str(),
                channel.value("IsRequired", false) ? "required" : "");
    for (const Json& type : channel.value("ContentTypes", Json::array()))
      std::printf(" %s", type.get<std::string>().c_str());
    std::printf("\n");
  }
  std::printf("\nMetrics\n");
  for (const Json& metric : descriptor.at("Metrics"))
    std::printf("  %s\n", metric.at("Name").get<std::string>().c_str());
}

void print_algorithms(const AlgorithmsOptions& options) {
  const auto all = descriptors();
  if (options.name.empty()) {
    if (all.empty()) std::printf("no algorithm is installed in %s\n", server::algorithms_folder().c_str());
    for (const auto& [name, descriptor] : all)
      std::printf("%-10s %s\n", name.c_str(), descriptor.value("Description", std::string()).c_str());
    return;
  }
  const auto found = all.find(options.name);
  if (found == all.end())
    throw Error(Kind::kNotFound, "no algorithm is called " + options.name + "; `clary algorithms` lists them");
  if (options.json)
    std::printf("%s\n", found->second.dump(2).c_str());
  else
    print_one(found->second);
}

}  // namespace

void add_algorithms(CLI::App& app) {
  auto* command = app.add_subcommand(
      "algorithms", "List the built-in algorithms, or print one's hyperparameters, channels and metrics");
  auto options = std::make_shared<AlgorithmsOptions>();
  command->add_option("name", options->name, "Which one to print");
  command->add_flag("--json", options->json, "Print the whole descriptor as JSON");
  command->callback([options] { print_algorithms(*options); });
}

void add_version(CLI::App& app) {
  app.add_subcommand("version", "Print the version")->callback([] { std::printf("clary %s\n", CLARY_VERSION); });
}

}  // namespace clary::cli
