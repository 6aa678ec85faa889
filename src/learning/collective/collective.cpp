// SPDX-License-Identifier: Apache-2.0
#include "learning/collective/collective.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "learning/collective/gloo_collective.h"

namespace clary::collective {
namespace {

constexpr std::uint64_t kMaxTextBytes = 1ULL << 34;

class Alone final : public Collective {
 public:
  int rank() const noexcept override { return 0; }
  int size() const noexcept override { return 1; }
  void all_reduce_sum(std::span<float>) override {}
  void all_reduce_sum(std::span<double>) override {}
  void all_reduce_sum(std::span<std::int64_t>) override {}
  void all_reduce_max(std::span<double>) override {}
  void broadcast(std::span<std::byte>, int) override {}
  std::vector<std::string> gather(std::string_view blob, int) override { return {std::string(blob)}; }
  void barrier() override {}
};

}  // namespace

int Hosts::rank() const noexcept {
  const auto found = std::find(names.begin(), names.end(), current);
  return found == names.end() ? 0 : static_cast<int>(found - names.begin());
}

// Two broadcasts: the length, then the bytes; every host must call this, the length of the others' `text` plays no
// part.
std::string Collective::broadcast_text(std::string_view text, int root) {
  std::uint64_t bytes = rank() == root ? text.size() : 0;
  broadcast(std::as_writable_bytes(std::span(&bytes, 1)), root);
  if (bytes > kMaxTextBytes) throw Error(Kind::kLimit, "broadcast: " + std::to_string(bytes) + " bytes are too many");
  std::string out(bytes, '\0');
  if (rank() == root) std::memcpy(out.data(), text.data(), text.size());
  if (bytes > 0) broadcast(std::as_writable_bytes(std::span(out)), root);
  return out;
}

std::unique_ptr<Collective> alone() { return std::make_unique<Alone>(); }

std::unique_ptr<Collective> connect(const Hosts& hosts, const ConnectOptions& options) {
  if (hosts.size() <= 1) return alone();
  return connect_gloo(hosts, options);
}

}  // namespace clary::collective
