// SPDX-License-Identifier: Apache-2.0
// For tests: a /opt/ml tree in a temporary folder and the toy program as a child process in it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "contract/config_files.h"
#include "contract/layout.h"

namespace clary::shell {

class JobFolder {
  TemporaryFolder folder_;  // before layout, which lies in it

 public:
  contract::Layout layout{folder_.path() / "ml"};

  JobFolder();
  void hyperparameters(const contract::Hyperparameters& given) const;
  void channel(const std::string& name, const contract::ChannelConfig& config);
  void resources(const contract::ResourceConfig& config) const;
  void data(const std::string& channel, const std::string& file, std::string_view bytes) const;
  std::string failure() const;
  std::filesystem::path scratch(const std::string& name) const { return folder_.path() / name; }

 private:
  contract::InputDataConfig channels_;
};

/// A child process; killed on destruction.
class Child {
 public:
  Child(const JobFolder& job, const std::vector<std::string>& arguments,
        const std::vector<std::pair<std::string, std::string>>& environment = {}, const std::string& input = "");
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();
  void signal(int number) const;
  int wait();                  // exit code, or 128 + signal
  std::string output() const;  // standard output and error so far
  /// Waits until the output holds the text. @return false after 20 s or when the child ended without it
  bool says(const std::string& text);

 private:
  std::filesystem::path output_file_;
  pid_t pid_ = -1;
  int code_ = -1;
};

/// One HTTP exchange over a Unix socket or 127.0.0.1:port, written by hand: independent of clary_http's own client.
struct Exchange {
  int status = 0;
  std::string head, body;
};
Exchange exchange(const std::filesystem::path& socket, std::uint16_t port, const std::string& method,
                  const std::string& path, const std::vector<std::pair<std::string, std::string>>& headers,
                  std::string_view body);

std::uint16_t free_port();

}  // namespace clary::shell
