// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/ntm.h"

namespace clary::ntm {

const shell::Descriptor& Ntm::descriptor() {
  static const shell::Descriptor d = [] {
    shell::Descriptor out;
    out.images = {"ntm"};
    out.about = "Neural topic model: learns topics from word counts and gives each document its topic weights.";
    out.log_name = "AWS/NTM";
    out.distributed = true;
    shell::ChannelSpec train{.name = "train", .required = true, .about = "Documents as word counts."};
    shell::ChannelSpec validation{.name = "validation", .about = "Scored every epoch; decides early stopping."};
    shell::ChannelSpec test{.name = "test", .about = "Scored once, with the final model."};
    validation.distributions = test.distributions = {"FullyReplicated"};
    shell::ChannelSpec auxiliary{.name = "auxiliary",
                                 .about = "One file vocab.txt: the word of feature i in line i.",
                                 .content_types = {"text/plain"},
                                 .input_modes = {"File", "FastFile"},
                                 .distributions = {"FullyReplicated"},
                                 .default_content_type = "text/plain"};
    out.channels = {train, validation, test, auxiliary};
    // Tuning jobs find the metrics in the log lines by these regular expressions.
    out.metrics = {{"validation:total_loss",
                    R"(#quality_metric: host=\S+, epoch=\S+, validation total_loss <loss>=(\S+))", "Minimize"},
                   {"train:total_loss", R"(#quality_metric: host=\S+, epoch=\S+, train total_loss <loss>=(\S+))", ""},
                   {"test:total_loss", R"(#quality_metric: host=\S+, test total_loss <loss>=(\S+))", ""},
                   {"train:progress", R"(#progress_metric: host=\S+, completed (\S+) %)", ""},
                   {"train:throughput", R"(#throughput_metric: host=\S+, train throughput=(\S+) records/second)", ""}};
    return out;
  }();
  return d;
}

}  // namespace clary::ntm
