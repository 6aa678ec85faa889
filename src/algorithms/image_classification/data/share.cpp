// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/data/share.h"

#include <fmt/format.h>

#include <numeric>

#include "base/error.h"
#include "learning/numeric/philox.h"
#include "learning/numeric/team.h"

namespace clary::image_classification {
namespace {

constexpr std::uint64_t kOrderKey = 0x6F72646572ULL;  // "order": apart from what else is drawn with the seed

}  // namespace

Share::Share(shell::TrainContext& context, const std::string& channel, std::int64_t count, bool training)
    : here_(count), total_(count), size_(count), training_(training) {
  const int hosts = context.hosts().size(), rank = context.hosts().rank();
  if (hosts > 1 && context.channel(channel).is_sharded()) {
    double fewest = -static_cast<double>(count);
    context.collective().all_reduce_max(std::span(&fewest, 1));
    context.collective().all_reduce_sum(std::span(&total_, 1));
    if (training) size_ = static_cast<std::int64_t>(-fewest);
  } else if (training) {
    size_ = count / hosts;
    first_ = size_ * rank;
  } else {
    const auto [begin, end] = numeric::share(count, rank, hosts);
    first_ = begin;
    size_ = end - begin;
  }
  if (training && size_ == 0)
    throw Error(Kind::kInvalid, fmt::format("channel {}: {} pictures for {} instances; each needs at least one",
                                            channel, total_, hosts));
}

std::vector<std::int64_t> Share::order(std::uint64_t seed, std::int64_t epoch) const {
  std::vector<std::int64_t> all(static_cast<std::size_t>(here_));
  std::iota(all.begin(), all.end(), 0);
  if (training_) {  // Fisher and Yates
    numeric::PhiloxStream random(seed ^ kOrderKey, static_cast<std::uint64_t>(epoch));
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[random.below(i)]);
  }
  return {all.begin() + first_, all.begin() + first_ + size_};
}

}  // namespace clary::image_classification
