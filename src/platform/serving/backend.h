// SPDX-License-Identifier: Apache-2.0
// What a request needs of the serving processes: which are ready, how busy each is, where it listens. These objects
// belong to no event loop, so any thread may hold and release them, also after the serving loop is gone (an answer that
// is still being streamed does). The loop's side, Replica and ReplicaSet, owns the processes and writes here what
// becomes of them.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "http/client.h"

namespace clary::serving {

/// One serving process, through all its restarts.
class Backend {
 public:
  bool ready() const noexcept { return ready_.load(std::memory_order_acquire); }
  /// Where it listens now; null before its first start.
  std::shared_ptr<http::Client> client() const { return client_.load(); }
  int in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }
  void enter() noexcept { in_flight_.fetch_add(1, std::memory_order_relaxed); }
  void leave() noexcept { in_flight_.fetch_sub(1, std::memory_order_relaxed); }

  // Written by its Replica only:
  void set_ready(bool ready) noexcept { ready_.store(ready, std::memory_order_release); }
  void set_client(std::shared_ptr<http::Client> client) { client_.store(std::move(client)); }

 private:
  std::atomic<std::shared_ptr<http::Client>> client_;
  std::atomic<bool> ready_ = false;
  std::atomic<int> in_flight_ = 0;
};

/// The processes of one variant, or of one transform instance.
class BackendSet {
 public:
  using List = std::vector<std::shared_ptr<Backend>>;

  /// Counts a request in. False once the set is being drained: look the route up again.
  bool enter() noexcept;
  void leave() noexcept { inside_.fetch_sub(1); }
  int inside() const noexcept { return inside_.load(); }

  /// The ready backend with the fewest requests, counted in; null when none is ready. `other_than` is avoided when
  /// there is a choice.
  std::shared_ptr<Backend> pick(const Backend* other_than = nullptr);

  // Written by its ReplicaSet only:
  void set_list(List list) { list_.store(std::make_shared<const List>(std::move(list))); }
  void close() noexcept { closed_ = true; }
  bool closed() const noexcept { return closed_.load(); }

 private:
  std::atomic<std::shared_ptr<const List>> list_{std::make_shared<const List>()};
  std::atomic<int> inside_ = 0;
  std::atomic<bool> closed_ = false;
};

/// A request's stay in a set and at one backend; leaves both when it goes.
class Visit {
 public:
  explicit Visit(std::shared_ptr<BackendSet> set) : set_(std::move(set)) {}
  Visit(Visit&& other) noexcept : set_(std::move(other.set_)), backend_(std::move(other.backend_)) {}
  Visit& operator=(Visit&&) = delete;
  ~Visit() {
    if (backend_) backend_->leave();
    if (set_) set_->leave();
  }
  /// Moves to a ready process; null when none is.
  std::shared_ptr<Backend> next_replica() {
    auto next = set_->pick(backend_.get());
    if (backend_) backend_->leave();
    return backend_ = std::move(next);
  }

 private:
  std::shared_ptr<BackendSet> set_;
  std::shared_ptr<Backend> backend_;
};

}  // namespace clary::serving
