// SPDX-License-Identifier: Apache-2.0
#include "cli/local_run.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "platform/sandbox/sandbox.h"
#include "platform/server/installation.h"

namespace clary::cli {

namespace fs = std::filesystem;

fs::path program_of(const std::string& algorithm) {
  const fs::path program = server::algorithms_folder() / algorithm;
  // A name with a slash would leave the folder.
  if (algorithm.find('/') == std::string::npos && fs::exists(program)) return program;
  std::string known;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(server::algorithms_folder(), missing))
    if (entry.path().extension() == ".json") known += " " + entry.path().stem().string();
  throw Error(Kind::kNotFound, "no algorithm is called " + algorithm + "; there are:" + known);
}

pid_t start(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
            Output output) {
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  // Before fork(): allocation in the child is safe here only since the command has one thread.
  const auto compute = sandbox::compute_environment(static_cast<int>(std::thread::hardware_concurrency()));
  const pid_t child = ::fork();
  if (child < 0) throw_errno("fork");
  if (child == 0) {
    // The kernel kills the child when this process ends, also by SIGKILL.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (output == Output::kToStandardError) ::dup2(STDERR_FILENO, STDOUT_FILENO);
    // 0: the user's own settings win; 1: those of this run must hold.
    for (const auto& [name, value] : compute) ::setenv(name.c_str(), value.c_str(), 0);
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  return child;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) throw_errno("waitpid");
  // As a shell reports it.
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::pair<std::string, std::string> name_and_value(const std::string& option, const std::string& text) {
  const auto at = text.find('=');
  if (at == std::string::npos || at == 0)
    throw Error(Kind::kInvalid, option + " " + text + ": it has the form NAME=VALUE");
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace clary::cli
