// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/train.h"

#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/error.h"
#include "base/files.h"

namespace clary::shell {
namespace {

// The only state that the handler touches.
std::atomic<bool> stopping{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // it is set in a signal handler

extern "C" void on_stop(int) { stopping.store(true); }

// By characters, not bytes: AWS's limit on the failure file is in characters.
std::string cut(const std::string& text, std::size_t max_chars) {
  std::size_t chars = 0, at = 0;
  for (; at < text.size(); ++at) {
    // 0b10xxxxxx are continuation bytes of UTF-8.
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (starts && ++chars > max_chars) break;
  }
  return text.substr(0, at);
}

// Nothing may escape: this runs while another failure is being reported.
void write_failure(const contract::Layout& layout, const std::string& text) noexcept {
  try {
    std::filesystem::create_directories(layout.output_dir());
    // Atomically, as the agent may read it at any time.
    write_file_atomically(layout.failure(), text);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", layout.failure().c_str(), error.what());
  }
}

void log_configuration(TrainLog& log, const Program& program, const contract::Layout& layout,
                       const contract::Hyperparameters& given) {
  const auto shown = [&](const contract::Hyperparameters& configuration, const contract::Hyperparameters& from_user) {
    return program.descriptor.python_2 ? hyper::python2_repr(configuration, from_user)
                                       : hyper::python_repr(configuration);
  };
  log.plain("Docker entrypoint called with argument(s): train");
  log.info("Reading default configuration from {}: {}", program.name, shown(program.defaults(), {}));
  log.info("Merging with provided configuration from {}: {}", layout.hyperparameters().string(), shown(given, given));
  log.info("Final configuration: {}", shown(program.configuration(given), given));
}

// Hyperparameters are checked before anything is created or read, so that a wrong one fails within milliseconds.
void train_once(const Program& program, const contract::Layout& layout) {
  auto setup = TrainContext::read_setup(layout);
  setup.stopped = stop_requested;
  TrainLog log(setup.resources.current_host, program.descriptor.log_name);
  log_configuration(log, program, layout, setup.hyperparameters);
  // prepare() parses and checks; run does the work.
  const auto run = program.prepare(setup.hyperparameters);
  std::filesystem::create_directories(layout.model_dir());
  std::filesystem::create_directories(layout.output_data_dir());
  TrainContext context(program.descriptor, std::move(setup));
  if (const auto checkpoints = context.checkpoint_dir(); !checkpoints.empty()) {
    std::filesystem::create_directories(checkpoints);
    log.info("Checkpoints are kept in {}.", checkpoints.string());
  } else {
    log.info("Checkpoint loading and saving are disabled.");
  }
  run(context);
  log.info("{}",
           stop_requested() ? "Training was stopped; the model of this moment is saved." : "Training is complete.");
}

}  // namespace

contract::Layout layout_from_environment() {
  const char* root = std::getenv(contract::kEnvRoot);
  return root != nullptr && *root != '\0' ? contract::Layout{root} : contract::Layout{};
}

void install_stop_handler() {
  struct sigaction action {};
  action.sa_handler = on_stop;  // no SA_RESTART: a read that waits for a pipe returns
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() { return stopping.load(); }

// Bad hyperparameters, bad data and limits are the user's to correct; everything else is a fault of the algorithm.
bool is_client_error(std::exception_ptr error) {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const Error& known) {
    return known.kind() == Kind::kInvalid || known.kind() == Kind::kMalformed || known.kind() == Kind::kLimit;
  } catch (...) {
    return false;
  }
}

std::string failure_text(std::exception_ptr error) {
  const std::string prefix = is_client_error(error) ? "ClientError: " : "AlgorithmError: ";
  try {
    std::rethrow_exception(std::move(error));
  } catch (const std::bad_alloc&) {
    return prefix + "out of memory; choose a larger instance type or smaller batches";
  } catch (const std::exception& known) {
    return cut(prefix + known.what(), contract::kMaxFailureChars);
  } catch (...) {
    return prefix + "unknown exception";
  }
}

int train(const Program& program, const contract::Layout& layout) {
  install_stop_handler();
  std::exception_ptr problem;
  try {
    train_once(program, layout);
    return contract::kExitSuccess;
  } catch (const Error& error) {
    // Order of handlers: kCancelled only counts as a stop if one was asked for.
    // Stopped while waiting for data: there is no model yet, and nothing went wrong.
    if (error.kind() == Kind::kCancelled && stop_requested()) return contract::kExitSuccess;
    problem = std::current_exception();
  } catch (...) {
    problem = std::current_exception();
  }
  const std::string text = failure_text(problem);
  // Without a host name: the failure may lie in the files that name it.
  TrainLog("", program.descriptor.log_name).error("{}", text);
  write_failure(layout, text);
  return is_client_error(problem) ? contract::kExitClientError : contract::kExitAlgorithmError;
}

}  // namespace clary::shell
