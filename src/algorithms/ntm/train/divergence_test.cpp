// SPDX-License-Identifier: Apache-2.0
// A training that diverges, as a whole job under the container contract: it fails and says what to change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "algorithms/ntm/ntm.h"
#include "base/files.h"
#include "contract/config_files.h"
#include "learning/shell/train.h"

namespace clary::ntm {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

/// Documents of 20 words with counts up to `largest`.
std::string documents(int largest) {
  std::string out;
  for (int d = 0; d < 64; ++d) {
    for (int w = 0; w < 20; ++w) out += std::to_string((d * 7 + w * 3) % 5 * largest / 4) + (w < 19 ? "," : "\n");
  }
  return out;
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  write_file_atomically(path, text);
}

int train(const contract::Layout& layout, const contract::Hyperparameters& more, int largest) {
  contract::Hyperparameters given{{"feature_dim", "20"}, {"num_topics", "3"}, {"epochs", "2"}};
  given.insert(more.begin(), more.end());
  write(layout.hyperparameters(), contract::to_json(given));
  write(layout.input_data_config(),
        contract::to_json(contract::InputDataConfig{
            {"train", {contract::InputMode::kFile, "FullyReplicated", "None", "text/csv;label_size=0"}}}));
  write(layout.resource_config(), contract::to_json(contract::ResourceConfig{"algo-1", {"algo-1"}, "lo", "", ""}));
  write(layout.channel_dir("train") / "part.csv", documents(largest));
  return shell::train(shell::program_of<Ntm>(), layout);
}

/// exp(log sigma) of the first forward pass is infinite: a relu encoder does not bound it, and no later step mends it.
TEST(NtmDivergence, LargeCountsInAReluEncoderFailTheJob) {
  const TemporaryFolder folder;
  const contract::Layout layout{folder.path()};
  EXPECT_EQ(train(layout, {{"encoder_layers_activation", "relu"}}, 100'000), contract::kExitClientError);
  EXPECT_THAT(read_file(layout.failure()),
              AllOf(StartsWith("ClientError: ntm: enc_0_weight["), EndsWith("whose outputs are bounded")));
  EXPECT_TRUE(std::filesystem::is_empty(layout.model_dir()));
}

TEST(NtmDivergence, TheAdviceOfTheErrorHelps) {
  const TemporaryFolder scaled, bounded;
  EXPECT_EQ(train({scaled.path()}, {{"encoder_layers_activation", "relu"}}, 10), 0);
  EXPECT_EQ(train({bounded.path()}, {{"encoder_layers_activation", "tanh"}}, 100'000), 0);
}

}  // namespace
}  // namespace clary::ntm
