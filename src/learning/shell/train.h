// SPDX-License-Identifier: Apache-2.0
// The training side of the container contract around Program::prepare: configuration in, opening log lines, stop flag,
// failure file and exit code out.
#pragma once

#include <exception>
#include <filesystem>
#include <string>

#include "learning/shell/algorithm.h"

namespace clary::shell {

/// CLARY_ML_ROOT or /opt/ml.
contract::Layout layout_from_environment();

/// "ClientError: ..." for the user's mistakes, "AlgorithmError: ..." for the program's; at most kMaxFailureChars
/// characters, cut between UTF-8 sequences.
std::string failure_text(std::exception_ptr error);
bool is_client_error(std::exception_ptr error);

/// SIGTERM and SIGINT set the flag that stop_requested() reads; SIGPIPE is ignored.
void install_stop_handler();
bool stop_requested();

/// One training run. Writes output/failure on an error; returns the exit code.
int train(const Program& program, const contract::Layout& layout);

}  // namespace clary::shell
