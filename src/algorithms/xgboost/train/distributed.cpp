// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/distributed.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "learning/collective/rendezvous.h"

namespace clary::xgboost {
namespace {

constexpr std::uint16_t kPort = 9100;  // of the original's second round
constexpr std::chrono::seconds kResolving{300};

/// Ranks of the hosts that have rows in every channel of the job.
/// A host without rows cannot take part in the library's collective, and the others must agree on who does.
std::vector<int> hosts_with_data(shell::TrainContext& context, const Share& share) {
  const auto& hosts = context.hosts();
  const bool validates = context.has_channel("validation");
  std::vector<double> has(static_cast<std::size_t>(hosts.size()));
  has[static_cast<std::size_t>(hosts.rank())] = share.train_rows > 0 && (!validates || share.validation_rows > 0);
  context.collective().all_reduce_sum(std::span(has));
  std::vector<int> out;
  for (int rank = 0; rank < hosts.size(); ++rank)
    if (has[static_cast<std::size_t>(rank)] > 0) out.push_back(rank);
  return out;
}

/// "127.0.0.2 9100", known to all hosts afterwards.
/// The first member runs the tracker; all others learn its address by this program's own collective.
std::string meeting_place(shell::TrainContext& context, const std::vector<int>& members, Membership& membership,
                          Report& report) {
  const auto& hosts = context.hosts();
  std::string place;
  if (hosts.rank() == members.front()) {
    Tracker::Options options;
    options.address = collective::resolve(hosts.current, std::chrono::steady_clock::now() + kResolving);
    options.port = kPort;
    options.members = static_cast<int>(members.size());
    options.log = [&report](std::string_view line) { report.info(line); };
    membership.tracker = std::make_unique<Tracker>(options);
    place = fmt::format("{} {}", options.address, membership.tracker->port());
  }
  return context.collective().broadcast_text(place, members.front());
}

}  // namespace

// Task ids are compared as texts: six digits keep the order of the ranks.
std::string communicator_config(const std::string& tracker_address, std::uint16_t port, int rank, int members) {
  return nlohmann::json{{"xgboost_communicator", "rabit"},
                        {"rabit_tracker_uri", tracker_address},
                        {"rabit_tracker_port", port},
                        {"rabit_task_id", fmt::format("{:06}", rank)},
                        {"rabit_world_size", members}}
      .dump();
}

// libsvm rows do not say how wide the data are: the widest host counts, for every host.
Census take_census(shell::TrainContext& context, const Share& share) {
  Census out{{0}, share.columns};
  if (context.hosts().size() == 1) return out;
  out.members = hosts_with_data(context, share);
  if (out.members.empty()) throw Error(Kind::kInvalid, "No hosts received training data.");
  double columns = static_cast<double>(share.columns);
  context.collective().all_reduce_max(std::span(&columns, 1));
  out.columns = static_cast<std::int64_t>(columns);
  return out;
}

Membership join(shell::TrainContext& context, const Census& census, Report& report) {
  Membership out;
  const auto& members = census.members;
  const auto me = std::find(members.begin(), members.end(), context.hosts().rank());
  out.trains = me != members.end();
  if (!out.trains)
    report.warn(fmt::format("Host {} not being used for distributed training.", context.hosts().current));
  if (members.size() == 1) return out;

  const std::string place = meeting_place(context, members, out, report);
  // A host without data returns after the broadcast, which every host must take part in.
  if (!out.trains) return out;
  const auto blank = place.find(' ');
  out.communicator = std::make_unique<Communicator>(
      communicator_config(place.substr(0, blank), static_cast<std::uint16_t>(std::stoi(place.substr(blank + 1))),
                          static_cast<int>(me - members.begin()), static_cast<int>(members.size())));
  if (out.communicator->world_size() != static_cast<int>(members.size()))
    throw Error(Kind::kInternal, fmt::format("the library's collective has {} members, not {}",
                                             out.communicator->world_size(), members.size()));
  return out;
}

}  // namespace clary::xgboost
