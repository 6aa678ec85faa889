// SPDX-License-Identifier: Apache-2.0
#include "learning/collective/gloo_collective.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <gloo/allreduce.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#pragma GCC diagnostic pop

#include <fmt/format.h>

#include <functional>
#include <thread>

#include "base/error.h"
#include "learning/collective/rendezvous.h"
#include "learning/collective/shared_memory.h"

namespace clary::collective {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kGatherSlot = 0x70ULL << 56;  // gloo's own collectives use the prefixes 0x01 .. 0x08
constexpr std::size_t kGatherChunk = std::size_t{256} << 20;

std::chrono::milliseconds until(Clock::time_point deadline) {
  return std::max(std::chrono::milliseconds(0),
                  std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
}

/// gloo's view of the rendezvous.
class Store final : public gloo::rendezvous::Store {
 public:
  Store(RendezvousClient& client, Clock::time_point deadline) : client_(client), deadline_(deadline) {}
  void set(const std::string& key, const std::vector<char>& value) override {
    client_.set("gloo/" + key, {value.data(), value.size()});
  }
  std::vector<char> get(const std::string& key) override {
    // Waits for the value: the other hosts publish their addresses as soon as they are ready.
    std::string value;
    if (!client_.get("gloo/" + key, value, until(deadline_)))
      throw Error(Kind::kUnavailable, "rendezvous: no value for " + key);
    return {value.begin(), value.end()};
  }
  void wait(const std::vector<std::string>& keys) override {
    for (const auto& key : keys) get(key);
  }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds&) override { wait(keys); }

 private:
  RendezvousClient& client_;
  Clock::time_point deadline_;
};

/// gloo wants an address that an interface really has, and 127.0.x.y (the hosts of one machine) is on none: these meet
/// on 127.0.0.1, each on a port of its own.
std::shared_ptr<gloo::transport::Device> make_device(const Hosts& hosts, Clock::time_point deadline) {
  const std::string address = resolve(hosts.current, deadline);
  gloo::transport::tcp::attr attributes;
  attributes.hostname = address.starts_with("127.") ? "127.0.0.1" : address;
  attributes.ai_family = AF_INET;
  return gloo::transport::tcp::CreateDevice(attributes);
}

class GlooCollective final : public Collective {
 public:
  // The order of meeting is the same on every host, since each step waits for all: rendezvous, presence, full mesh of
  // connections, shared memory. The rendezvous stays connected for the whole job, because its end is how a dead host
  // is noticed.
  GlooCollective(const Hosts& hosts, const ConnectOptions& options) : hosts_(hosts), options_(options) {
    const auto deadline = Clock::now() + options.connect_timeout;
    // Before the client: the first host's own client connects to it.
    if (hosts.is_first()) server_ = std::make_unique<RendezvousServer>(resolve(hosts.current, deadline), options.port);
    client_ = std::make_unique<RendezvousClient>(hosts.current, hosts.names.front(), options.port, deadline);
    wait_for_everybody(deadline);
    auto device = make_device(hosts, deadline);
    Store store(*client_, deadline);
    context_ = std::make_shared<gloo::rendezvous::Context>(hosts.rank(), hosts.size());
    context_->setTimeout(until(deadline) + std::chrono::seconds(1));
    guarded("connect", [&] { context_->connectFullMesh(store, device); });
    // The connecting phase has its own deadline; from here on each collective has `timeout`.
    context_->setTimeout(options.timeout);
    if (options.shared_memory) shared_ = SharedMemory::meet(hosts, *client_, deadline);
  }

  int rank() const noexcept override { return hosts_.rank(); }
  int size() const noexcept override { return hosts_.size(); }

  void all_reduce_sum(std::span<float> values) override {
    all_reduce("all_reduce_sum", values, &gloo::sum<float>, std::plus<float>());
  }
  void all_reduce_sum(std::span<double> values) override {
    all_reduce("all_reduce_sum", values, &gloo::sum<double>, std::plus<double>());
  }
  void all_reduce_sum(std::span<std::int64_t> values) override {
    all_reduce("all_reduce_sum", values, &gloo::sum<std::int64_t>, std::plus<std::int64_t>());
  }
  void all_reduce_max(std::span<double> values) override {
    all_reduce("all_reduce_max", values, &gloo::max<double>, Max());
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    if (bytes.empty()) return;
    guarded("broadcast", [&] {
      gloo::BroadcastOptions options(context_);
      options.setOutput(reinterpret_cast<char*>(bytes.data()), bytes.size());
      options.setRoot(root);
      gloo::broadcast(options);
    });
  }

  std::vector<std::string> gather(std::string_view blob, int root) override {
    std::vector<std::int64_t> sizes(hosts_.names.size());
    // Everyone learns all sizes, so that the root can allocate before it receives.
    sizes[static_cast<std::size_t>(rank())] = static_cast<std::int64_t>(blob.size());
    all_reduce_sum(sizes);
    std::vector<std::string> out;
    guarded("gather", [&] {
      // Receives from one host after the other; the others' data wait in their sockets.
      if (rank() != root) return send(blob, root);
      out.resize(sizes.size());
      for (std::size_t host = 0; host < sizes.size(); ++host)
        out[host] = static_cast<int>(host) == root
                        ? std::string(blob)
                        : receive(static_cast<std::size_t>(sizes[host]), static_cast<int>(host));
    });
    return out;
  }

  void barrier() override {
    if (shared_) return shared_->barrier(peer_check("barrier"));
    guarded("barrier", [&] {
      gloo::BarrierOptions options(context_);
      gloo::barrier(options);
    });
  }

 private:
  /// Every host sets a key of its own, so that one which never comes can be named.
  void wait_for_everybody(Clock::time_point deadline) {
    client_->set("here/" + hosts_.current, "1");
    std::vector<std::string> missing;
    std::string ignored;
    for (const std::string& name : hosts_.names)
      if (!client_->get("here/" + name, ignored, until(deadline))) missing.push_back(name);
    if (!missing.empty())
      throw Error(Kind::kUnavailable,
                  fmt::format("host {}: did not join within {} s", fmt::join(missing, ", "),
                              std::chrono::duration_cast<std::chrono::seconds>(options_.connect_timeout).count()));
  }

  template <class T, class Op>
  void all_reduce(const char* what, std::span<T> values, void (*reduce)(void*, const void*, const void*, std::size_t),
                  Op op) {
    if (values.empty()) return;
    if (shared_) return shared_->all_reduce(values, op, peer_check(what));
    guarded(what, [&] {
      gloo::AllreduceOptions options(context_);
      options.setOutput(values.data(), values.size());
      options.setReduceFunction(reduce);
      gloo::allreduce(options);
    });
  }

  /// The check that a wait on shared memory makes at intervals.
  std::function<void()> peer_check(const char* what) {
    // The deadline is taken when the collective begins. gone() is a call over the network, hence only every now and
    // then (SharedMemory::barrier).
    return [this, what, deadline = Clock::now() + options_.timeout] {
      const auto lost = client_->gone();
      if (!lost.empty() || Clock::now() > deadline)
        throw Error(Kind::kUnavailable,
                    fmt::format("{}: host {} lost contact with {}{}", what, hosts_.current, suspects(),
                                lost.empty() ? ": no word from it for too long" : ": it ended"));
    };
  }

  void send(std::string_view blob, int to) {
    auto buffer = context_->createUnboundBuffer(const_cast<char*>(blob.data()), blob.size());
    for (std::size_t at = 0; at < blob.size(); at += kGatherChunk) {
      buffer->send(to, kGatherSlot, at, std::min(kGatherChunk, blob.size() - at));
      buffer->waitSend(options_.timeout);
    }
  }

  std::string receive(std::size_t bytes, int from) {
    std::string out(bytes, '\0');
    auto buffer = context_->createUnboundBuffer(out.data(), bytes);
    for (std::size_t at = 0; at < bytes; at += kGatherChunk) {
      buffer->recv(from, kGatherSlot, at, std::min(kGatherChunk, bytes - at));
      buffer->waitRecv(options_.timeout);
    }
    return out;
  }

  /// Runs f; what gloo throws becomes an Error that names the hosts in question.
  template <class F>
  // Exceptions of gloo do not say which host was lost.
  void guarded(const char* what, F f) {
    try {
      f();
    } catch (const gloo::Exception& error) {
      throw Error(Kind::kUnavailable,
                  fmt::format("{}: host {} lost contact with {}: {}", what, hosts_.current, suspects(), error.what()));
    }
  }

  /// Hosts whose connection ended, else all others. The service notices a dead host a moment later.
  std::string suspects() {
    std::vector<std::string> names;
    try {
      for (int tries = 0; tries < 20 && names.empty(); ++tries) {
        if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(25));
        names = client_->gone();
      }
    } catch (const Error&) {
      names = {hosts_.names.front()};
    }
    if (names.empty())
      for (const std::string& name : hosts_.names)
        if (name != hosts_.current) names.push_back(name);
    return fmt::format("{}", fmt::join(names, ", "));
  }

  Hosts hosts_;
  ConnectOptions options_;
  std::unique_ptr<RendezvousServer> server_;
  std::unique_ptr<RendezvousClient> client_;
  std::shared_ptr<gloo::rendezvous::Context> context_;
  std::unique_ptr<SharedMemory> shared_;  // null: the hosts are on several machines
};

}  // namespace

std::unique_ptr<Collective> connect_gloo(const Hosts& hosts, const ConnectOptions& options) {
  return std::make_unique<GlooCollective>(hosts, options);
}

}  // namespace clary::collective
