// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/algorithm_main.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/error.h"
#include "learning/numeric/blas_core.h"
#include "learning/shell/serve.h"
#include "learning/shell/train.h"

namespace clary::shell {
namespace {

constexpr int kExitUsage = 64;  // sysexits.h: EX_USAGE

std::string help(const Program& program) {
  return fmt::format(
      "{0}: {1}\n\n"
      "usage: {0} train                    train as the files below $CLARY_ML_ROOT (default /opt/ml) say\n"
      "       {0} serve                    serve $CLARY_ML_ROOT/model over HTTP on port 8080, $SAGEMAKER_BIND_TO_PORT\n"
      "                                    or the Unix socket $CLARY_BIND_SOCKET\n"
      "       {0} predict [TYPE [ACCEPT]]  answer one request body from standard input with the same model\n"
      "       {0} describe [--markdown]    print everything about this algorithm as JSON (or as a manual page)\n"
      "       {0} --help\n\nhyperparameters:\n{2}",
      program.name, program.descriptor.about, program.hyperparameter_help);
}

void print(const std::string& text) { write_all(STDOUT_FILENO, text, "standard output"); }

int describe(const Program& program, bool markdown) {
  print(markdown ? to_markdown(program.name, program.descriptor, program.hyperparameter_table)
                 : to_json(program.name, program.descriptor, program.hyperparameters).dump(2) + "\n");
  return contract::kExitSuccess;
}

std::string read_standard_input() {
  // Not read_file(): standard input may be a pipe of unknown length.
  std::string out, block(1 << 16, '\0');
  while (const std::size_t got = std::fread(block.data(), 1, block.size(), stdin)) out.append(block, 0, got);
  return out;
}

// The same path as a request to the endpoint, so that what it answers is what the endpoint would.
int predict_once(const Program& program, const std::vector<std::string>& words) {
  const ServedModel model = program.load(layout_from_environment().model_dir());
  const std::string type = words.size() > 1 ? words[1] : "", accept = words.size() > 2 ? words[2] : "";
  const Answer answer = answer_invocation(model, program.descriptor, type, accept, "", read_standard_input());
  if (answer.status < 300) return print(answer.body), contract::kExitSuccess;
  std::fprintf(stderr, "%s\n", answer.body.c_str());
  return contract::kExitClientError;
}

int serve_model(const Program& program) {
  serve(program.load(layout_from_environment().model_dir()), program.descriptor, serve_options_from_environment());
  return contract::kExitSuccess;
}

// Exactly the words that are understood: a misspelt option must not train.
int dispatch(const Program& program, const std::vector<std::string>& words) {
  const std::string command = words.empty() ? "" : words[0];
  if (command == contract::kTrain && words.size() == 1) return train(program, layout_from_environment());
  if (command == contract::kServe && words.size() == 1) return serve_model(program);
  if (command == "predict" && words.size() <= 3) return predict_once(program, words);
  if (command == "describe" && words.size() == 1) return describe(program, false);
  if (command == "describe" && words.size() == 2 && words[1] == "--markdown") return describe(program, true);
  if (command == "--help" || command == "-h" || command == "help") return print(help(program)), contract::kExitSuccess;
  std::fprintf(
      stderr, "%s: %s; try %s --help\n", program.name.c_str(),
      command.empty() ? "a command is needed" : fmt::format("'{}' is not understood", fmt::join(words, " ")).c_str(),
      program.name.c_str());
  return kExitUsage;
}

}  // namespace

int run_program(const Program& program, int argc, char** argv) noexcept {
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    if (!words.empty() && (words[0] == contract::kTrain || words[0] == contract::kServe || words[0] == "predict"))
      // OpenBLAS reads its environment when it is loaded, before main(): the program starts itself again with it set.
      // Other commands are spared that.
      numeric::reexec_with_blas_environment(argv);
    return dispatch(program, words);
  } catch (...) {
    // Catches everything: this is the thread's entry function.
    // In one line: the platform shows the last line of a container that did not start.
    std::string text = failure_text(std::current_exception());
    std::replace(text.begin(), text.end(), '\n', ' ');
    std::fprintf(stderr, "%s: %s\n", program.name.c_str(), text.c_str());
    return is_client_error(std::current_exception()) ? contract::kExitClientError : contract::kExitAlgorithmError;
  }
}

}  // namespace clary::shell
