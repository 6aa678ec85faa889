// SPDX-License-Identifier: Apache-2.0
// Several hosts in one process: their collective is a few vectors behind a barrier.
#include "algorithms/ntm/train/exchange.h"

#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "algorithms/ntm/train/testing_reference.h"
#include "base/error.h"

namespace clary::ntm {
namespace {

struct Room {
  explicit Room(int n) : size(n), meet(n), floats(n), doubles(n), integers(n) {}
  int size;
  std::barrier<> meet;
  std::vector<std::vector<float>> floats;
  std::vector<std::vector<double>> doubles;
  std::vector<std::vector<std::int64_t>> integers;
};

class InProcess final : public collective::Collective {
 public:
  InProcess(Room& room, int rank) : room_(room), rank_(rank) {}
  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return room_.size; }
  void all_reduce_sum(std::span<float> v) override { reduce(v, room_.floats, false); }
  void all_reduce_sum(std::span<double> v) override { reduce(v, room_.doubles, false); }
  void all_reduce_sum(std::span<std::int64_t> v) override { reduce(v, room_.integers, false); }
  void all_reduce_max(std::span<double> v) override { reduce(v, room_.doubles, true); }
  void broadcast(std::span<std::byte>, int) override {}
  std::vector<std::string> gather(std::string_view, int) override { return {}; }
  void barrier() override { room_.meet.arrive_and_wait(); }

 private:
  template <class T>
  void reduce(std::span<T> v, std::vector<std::vector<T>>& all, bool maximum) {
    all[static_cast<std::size_t>(rank_)].assign(v.begin(), v.end());
    room_.meet.arrive_and_wait();
    for (std::size_t i = 0; i < v.size(); ++i) {
      T out = all[0][i];
      for (std::size_t h = 1; h < all.size(); ++h) out = maximum ? std::max(out, all[h][i]) : out + all[h][i];
      v[i] = out;
    }
    room_.meet.arrive_and_wait();
  }

  Room& room_;
  int rank_;
};

/// f(rank, collective) on every host.
template <class F>
void on_hosts(int n, F&& f) {
  Room room(n);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank) {
    threads.emplace_back([&, rank] {
      InProcess here(room, rank);
      f(rank, here);
    });
  }
  for (std::thread& t : threads) t.join();
}

TEST(NtmExchange, EveryHostEndsWithTheSumOfAllChanges) {
  for (const std::int64_t vocabulary : {40, 9000}) {  // all rows; only those that changed
    const Shape shape{vocabulary, 3, {5}, kernels::Activation::kTanh, false};
    std::vector<Parameters> results(3);
    on_hosts(3, [&](int rank, collective::Collective& hosts) {
      Parameters p = initial_parameters(shape, 1);
      Optimizer optimizer({}, p);
      Team team(1);
      Exchange exchange(hosts, p);
      if (rank != 2) {  // host 2 has nothing to do
        const std::int32_t word = 7 + rank;
        const float count = 1;
        const Document d{&word, &count, 1, 1, 0};
        WordIndex index({0, vocabulary});
        index.build(0, {&d, 1});
        p.embedding.at(word, 2) += 10;
        p.decoder.at(1, 4) += static_cast<float>(rank + 1);
        exchange.note(index);
      }
      const auto status = exchange.merge(p, optimizer, team, {rank == 1, false});
      EXPECT_TRUE(status.has_more);
      EXPECT_FALSE(status.stop);
      EXPECT_FALSE(exchange.merge(p, optimizer, team, {false, false}).has_more);
      EXPECT_TRUE(exchange.merge(p, optimizer, team, {false, rank == 0}).stop);
      results[static_cast<std::size_t>(rank)] = p;
    });
    const Parameters start = initial_parameters(shape, 1);
    for (const Parameters& p : results) {
      EXPECT_EQ(p.embedding.values, results[0].embedding.values);
      EXPECT_EQ(p.decoder.values, results[0].decoder.values);
      EXPECT_NEAR(p.embedding.at(7, 2), start.embedding.at(7, 2) + 10, 1e-5);
      EXPECT_NEAR(p.embedding.at(8, 2), start.embedding.at(8, 2) + 10, 1e-5);
      EXPECT_NEAR(p.decoder.at(1, 4), start.decoder.at(1, 4) + 3, 1e-5);
      EXPECT_EQ(p.embedding.at(9, 2), start.embedding.at(9, 2));
    }
  }
}

TEST(NtmExchange, AgreesOnlyOnEqualNumbers) {
  on_hosts(2, [](int rank, collective::Collective& hosts) {
    Parameters p = initial_parameters({10, 2, {3}, kernels::Activation::kTanh, false}, 1);
    Exchange exchange(hosts, p);
    EXPECT_TRUE(exchange.agree(0xdeadbeef12345678ull));
    EXPECT_FALSE(exchange.agree(static_cast<std::uint64_t>(rank)));
    EXPECT_FALSE(exchange.agree(static_cast<std::uint64_t>(rank) << 40));
    EXPECT_EQ(exchange.sum(std::int64_t{rank + 1}), 3);
    EXPECT_EQ(exchange.sum(LossSum{1, 2, 5}).documents, 10);
  });
}

}  // namespace
}  // namespace clary::ntm
