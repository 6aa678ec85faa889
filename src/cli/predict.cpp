// SPDX-License-Identifier: Apache-2.0
// `clary predict`: a trained model on one request body, without a server: starts the algorithm's serving program on a
// Unix socket of its own, asks it as an endpoint would, and stops it.
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <iterator>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/local_run.h"
#include "formats/archive.h"
#include "http/client.h"

namespace clary::cli {

namespace fs = std::filesystem;
namespace asio = http::asio;
using namespace std::chrono_literals;

namespace {

struct PredictOptions {
  std::string algorithm, content_type = "text/csv", accept;
  fs::path model = "trained/model.tar.gz", input = "-";
};

struct Answer {
  int status = 0;
  std::string body;
};

asio::awaitable<Answer> ask(http::Client& client, http::ClientRequest request) {
  http::ClientResponse response = co_await client.send(std::move(request), 600s);
  Answer answer{response.status, {}};
  answer.body = co_await http::read_body(*response.body, 1ULL << 30);
  co_return answer;
}

Answer call(http::Client& client, http::ClientRequest request) {
  // A context for one call, run to its end on this thread.
  asio::io_context context;
  Answer answer;
  std::exception_ptr failure;
  asio::co_spawn(context, ask(client, std::move(request)), [&](std::exception_ptr error, Answer got) {
    failure = error;
    answer = std::move(got);
  });
  context.run();
  if (failure) std::rethrow_exception(failure);
  return answer;
}

/// Waits until /ping answers 200, or the program ends.
void wait_until_ready(const fs::path& socket, pid_t child) {
  for (;;) {
    // waitpid() also reaps: kill() alone would succeed on a zombie.
    if (::kill(child, 0) != 0 || ::waitpid(child, nullptr, WNOHANG) == child)
      throw Error(Kind::kInvalid, "the serving program ended before it was ready; its last words are above");
    if (fs::exists(socket)) {
      http::Client client = http::Client::to_unix(socket);
      try {
        if (call(client, {.target = "/ping", .headers = {}, .body = {}}).status == 200) return;
      } catch (const Error&) {  // not listening yet
      }
    }
    std::this_thread::sleep_for(2ms);
  }
}

std::string read_input(const fs::path& input) {
  if (input != "-") return read_file(input);
  std::string text;
  char buffer[1 << 16];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, n);
  return text;
}

void predict(const PredictOptions& options) {
  const fs::path program = program_of(options.algorithm);
  if (!fs::exists(options.model))
    throw Error(Kind::kNotFound, "--model " + options.model.string() +
                                     " does not exist; it is what `clary train` or a training job made");
  const TemporaryFolder folder;
  // A folder is linked, not copied.
  if (fs::is_directory(options.model)) {
    fs::create_directory_symlink(fs::absolute(options.model), folder.path() / "model");
  } else {
    fs::create_directory(folder.path() / "model");
    formats::unpack_tar_gz(options.model, folder.path() / "model");
  }
  const fs::path socket = folder.path() / "socket";
  // A socket in the temporary folder: no port to choose, nobody else can connect.
  const pid_t child = start({program, "serve"}, {{"CLARY_ML_ROOT", folder.path()}, {"CLARY_BIND_SOCKET", socket}},
                            Output::kToStandardError);
  wait_until_ready(socket, child);
  http::Client client = http::Client::to_unix(socket);
  http::ClientRequest request{.method = "POST",
                              .target = "/invocations",
                              .headers = {{"Content-Type", options.content_type}},
                              .body = read_input(options.input)};
  if (!options.accept.empty()) request.headers.set("Accept", options.accept);
  const Answer answer = call(client, std::move(request));
  // Ends it as the server would: the program finishes and removes what it has made.
  ::kill(child, SIGTERM);
  wait_for(child);
  if (answer.status / 100 != 2)
    throw Error(Kind::kInvalid, "answer " + std::to_string(answer.status) + ": " + answer.body);
  std::fwrite(answer.body.data(), 1, answer.body.size(), stdout);
  if (!answer.body.ends_with('\n')) std::fputc('\n', stdout);
}

}  // namespace

void add_predict(CLI::App& app) {
  auto* command = app.add_subcommand("predict", "Ask a trained model about rows, without a server");
  auto options = std::make_shared<PredictOptions>();
  command->add_option("algorithm", options->algorithm, "Its name: see `clary algorithms`")->required();
  command->add_option("input", options->input, "File with the request body; - for standard input")
      ->capture_default_str();
  command->add_option("-m,--model", options->model, "model.tar.gz, or the folder of an unpacked one")
      ->capture_default_str();
  command->add_option("-t,--content-type", options->content_type, "Of the input")->capture_default_str();
  command->add_option("-a,--accept", options->accept, "Of the answer, e.g. 'application/json; verbose=true'");
  command->footer("Example: echo 0.1,0.2,0.3 | clary predict knn -m my-model/model.tar.gz");
  command->callback([options] { predict(*options); });
}

}  // namespace clary::cli
