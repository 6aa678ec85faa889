// SPDX-License-Identifier: Apache-2.0
// `clary train`: one algorithm on local files, without a server.
#include <cstdio>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/local_run.h"
#include "contract/layout.h"
#include "formats/archive.h"
#include "platform/server/installation.h"

namespace clary::cli {

namespace fs = std::filesystem;

namespace {

struct TrainOptions {
  std::string algorithm;
  fs::path output = "trained";
  std::vector<std::string> channels, hyperparameters, content_types;
};

/// Lays out input/data/<channel> as links to the user's files; returns inputdataconfig.json.
Json link_channels(const TrainOptions& options) {
  Json config = Json::object();
  for (const std::string& text : options.channels) {
    const auto [channel, source] = name_and_value("--channel", text);
    if (!fs::exists(source)) throw Error(Kind::kNotFound, "--channel " + text + ": " + source + " does not exist");
    const fs::path folder = options.output / "input/data" / channel;
    // A link of an earlier run is removed, not what it points to.
    fs::remove_all(folder);
    fs::create_directories(folder.parent_path());
    if (fs::is_directory(source)) {
      // Links: training reads the user's files in place.
      fs::create_directory_symlink(fs::absolute(source), folder);
    } else {
      fs::create_directory(folder);
      fs::create_symlink(fs::absolute(source), folder / fs::path(source).filename());
    }
    config[channel] = {
        {"TrainingInputMode", "File"}, {"S3DistributionType", "FullyReplicated"}, {"RecordWrapperType", "None"}};
  }
  for (const std::string& text : options.content_types) {
    const auto [channel, type] = name_and_value("--content-type", text);
    if (!config.contains(channel))
      throw Error(Kind::kInvalid, "--content-type " + text + ": there is no channel " + channel);
    config[channel]["ContentType"] = type;
  }
  return config;
}

void train(const TrainOptions& options) {
  const fs::path program = program_of(options.algorithm);
  Json hyperparameters = Json::object();
  for (const std::string& text : options.hyperparameters) {
    const auto [name, value] = name_and_value("--set", text);
    hyperparameters[name] = value;
  }
  for (const char* folder : {"input/config", "model", "output/data"}) fs::create_directories(options.output / folder);
  // An old failure file would be taken for this run's.
  fs::remove(options.output / "output/failure");
  // The same files as in a container.
  write_file_atomically(options.output / "input/config/inputdataconfig.json", dump_json(link_channels(options)));
  write_file_atomically(options.output / "input/config/hyperparameters.json", dump_json(hyperparameters));
  write_file_atomically(options.output / "input/config/resourceconfig.json",
                        R"({"current_host":"algo-1","hosts":["algo-1"],"network_interface_name":"lo"})");
  const int code = wait_for(
      start({program, "train"}, {{contract::kEnvRoot, fs::absolute(options.output)},
                                 {contract::kEnvPretrained, server::pretrained_folder(default_data_folder())}}));
  if (code != 0) {
    const fs::path failure = options.output / "output/failure";
    throw Error(Kind::kInvalid, options.algorithm + " failed (exit code " + std::to_string(code) + ")" +
                                    (fs::exists(failure) ? ": " + read_file(failure, 1 << 16) : ""));
  }
  formats::pack_tar_gz(options.output / "model", options.output / "model.tar.gz");
  std::printf("trained: %s\n", (options.output / "model.tar.gz").c_str());
}

}  // namespace

void add_train(CLI::App& app) {
  auto* command = app.add_subcommand("train", "Train one algorithm on local files, without a server");
  auto options = std::make_shared<TrainOptions>();
  command->add_option("algorithm", options->algorithm, "Its name: see `clary algorithms`")->required();
  command->add_option("-c,--channel", options->channels, "NAME=PATH of a file or folder, e.g. train=data/train.csv")
      ->required();
  command->add_option("-t,--content-type", options->content_types, "CHANNEL=TYPE, e.g. train=text/csv");
  command->add_option("-s,--set", options->hyperparameters, "NAME=VALUE of a hyperparameter");
  command->add_option("-o,--output", options->output, "Folder for the model and the job's files")
      ->capture_default_str();
  command->footer(
      "Example: clary train knn -c train=rows.csv -t 'train=text/csv;label_size=1' -s k=5 -s sample_size=1000\n"
      "           -s feature_dim=54 -s predictor_type=classifier -o my-model");
  command->callback([options] { train(*options); });
}

}  // namespace clary::cli
