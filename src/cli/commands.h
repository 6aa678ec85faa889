// SPDX-License-Identifier: Apache-2.0
// The subcommands of `clary`. Each function adds one to the command line; its work runs from CLI11's callback and
// reports failure by throwing clary::Error, which main prints.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace clary::cli {

void add_serve(CLI::App& app);
void add_algorithms(CLI::App& app);
void add_train(CLI::App& app);
void add_predict(CLI::App& app);
void add_doctor(CLI::App& app);
void add_env(CLI::App& app);
void add_make_vocab(CLI::App& app);
void add_version(CLI::App& app);

/// The arguments behind the program's name, with the options of make-vocab that CLI11 cannot read ("-ts") as it can.
std::vector<std::string> spelled_out(int argc, char** argv);

/// $CLARY_DATA, else ~/.clary.
std::filesystem::path default_data_folder();

}  // namespace clary::cli
