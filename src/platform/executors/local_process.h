// SPDX-License-Identifier: Apache-2.0
// Agents as processes of this machine. Each is a session of its own, so that it outlives the server; the lock on
// <instance>/agent.lock, inherited from here and held as long as the agent lives, shows a later server whether it does.
// Any thread may call this class; one thread of its own waits for events (inotify, pidfds) and calls the listener.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <thread>

#include "base/files.h"
#include "base/mutex.h"
#include "platform/training/executor.h"

namespace clary::executors {

class LocalProcess : public training::Executor {
 public:
  /// @param program  the agent; run as `<program> --job <folder> --objects <objects>`
  /// @param objects  ObjectSource::local_root()
  LocalProcess(std::filesystem::path program, std::filesystem::path objects,
               catalog::Resources capacity = catalog::machine_resources());
  ~LocalProcess() override;

  void set_listener(Changed changed) override;
  void start(const std::filesystem::path& folder) override;
  void attach(const std::filesystem::path& folder) override;
  bool alive(const std::filesystem::path& folder) override;
  std::string end_of(const std::filesystem::path& folder) override;
  void forget(const std::filesystem::path& folder) override;
  catalog::Resources capacity() const override { return capacity_; }

 private:
  struct Watched {
    std::filesystem::path folder;
    int watch = -1;   // inotify's
    pid_t pid = -1;   // our child, or -1 for one of an earlier server
    UniqueFd pid_fd;  // of our child
    bool ended = false;
    std::string end;
  };

  void watch(Watched agent);
  void run();
  void on_inotify();
  void on_child_end(int pid_fd);
  void poll_agents();
  void notify_listener(const std::filesystem::path& folder);

  const std::filesystem::path program_, objects_;
  const catalog::Resources capacity_;
  UniqueFd inotify_, wake_, epoll_;

  // Never both at once: the listener runs under the first and may call alive(), which takes the second.
  Mutex listener_mutex_;  // held while the listener is called, so that set_listener() waits for that
  Changed changed_ GUARDED_BY(listener_mutex_);
  Mutex mutex_;
  std::map<std::string, Watched> agents_ GUARDED_BY(mutex_);  // by folder
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: everything it uses is above
};

}  // namespace clary::executors
