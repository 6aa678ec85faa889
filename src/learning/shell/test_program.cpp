// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/test_program.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "base/error.h"

namespace clary::shell {
namespace {

void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  write_file_atomically(path, text);
}

UniqueFd connected(const std::filesystem::path& socket_path, std::uint16_t port) {
  UniqueFd fd(socket(socket_path.empty() ? AF_INET : AF_UNIX, SOCK_STREAM, 0));
  int status = 0;
  if (socket_path.empty()) {
    sockaddr_in at{};
    at.sin_family = AF_INET, at.sin_port = htons(port), at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    status = connect(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at);
  } else {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, socket_path.c_str(), sizeof at.sun_path - 1);
    status = connect(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at);
  }
  if (status != 0) throw_errno("connect");
  return fd;
}

}  // namespace

JobFolder::JobFolder() { std::filesystem::create_directories(layout.config_dir()); }

void JobFolder::hyperparameters(const contract::Hyperparameters& given) const {
  write_text(layout.hyperparameters(), contract::to_json(given));
}

void JobFolder::channel(const std::string& name, const contract::ChannelConfig& config) {
  channels_[name] = config;
  write_text(layout.input_data_config(), contract::to_json(channels_));
  if (config.input_mode != contract::InputMode::kPipe) std::filesystem::create_directories(layout.channel_dir(name));
}

void JobFolder::resources(const contract::ResourceConfig& config) const {
  write_text(layout.resource_config(), contract::to_json(config));
}

void JobFolder::data(const std::string& channel, const std::string& file, std::string_view bytes) const {
  write_text(layout.channel_dir(channel) / file, bytes);
}

std::string JobFolder::failure() const {
  return std::filesystem::exists(layout.failure()) ? read_file(layout.failure()) : "";
}

Child::Child(const JobFolder& job, const std::vector<std::string>& arguments,
             const std::vector<std::pair<std::string, std::string>>& environment, const std::string& input) {
  static int number = 0;
  output_file_ = job.scratch("output" + std::to_string(++number));
  const auto input_file = job.scratch("input" + std::to_string(number));
  write_text(input_file, input);
  std::vector<std::string> words{TOY_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw_errno("fork");
  if (pid_ > 0) return;
  setenv("CLARY_ML_ROOT", job.layout.root.c_str(), 1);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  const int in = open(input_file.c_str(), O_RDONLY);
  const int out = open(output_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(in, 0), dup2(out, 1), dup2(out, 2);
  execv(argv[0], argv.data());
  _exit(127);
}

Child::~Child() {
  if (code_ >= 0) return;
  kill(pid_, SIGKILL);
  wait();
}

void Child::signal(int number) const { kill(pid_, number); }

int Child::wait() {
  if (code_ >= 0) return code_;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  return code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string Child::output() const { return std::filesystem::exists(output_file_) ? read_file(output_file_) : ""; }

bool Child::says(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (output().find(text) != std::string::npos) return true;
    int status = 0;
    if (code_ < 0 && waitpid(pid_, &status, WNOHANG) == pid_)
      code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (code_ >= 0) return output().find(text) != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

Exchange exchange(const std::filesystem::path& socket, std::uint16_t port, const std::string& method,
                  const std::string& path, const std::vector<std::pair<std::string, std::string>>& headers,
                  std::string_view body) {
  const UniqueFd fd = connected(socket, port);
  std::string request = method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
  for (const auto& [name, value] : headers) request += name + ": " + value + "\r\n";
  if (method == "POST") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n";
  request += body;
  write_all(fd.get(), request, "request");
  std::string answer, block(1 << 16, '\0');
  for (;;) {
    const ssize_t got = recv(fd.get(), block.data(), block.size(), 0);
    if (got <= 0) break;
    answer.append(block, 0, static_cast<std::size_t>(got));
  }
  Exchange out;
  const std::size_t end = answer.find("\r\n\r\n");
  if (end == std::string::npos) return out;
  out.head = answer.substr(0, end), out.body = answer.substr(end + 4);
  out.status = std::atoi(out.head.c_str() + 9);
  return out;
}

std::uint16_t free_port() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET, address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace clary::shell
