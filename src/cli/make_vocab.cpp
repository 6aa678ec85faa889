// SPDX-License-Identifier: Apache-2.0
// `clary make-vocab`: parallel text to vocabularies and records, with the options of AWS's create_vocab_proto.py.
#include "corpus/make_vocab.h"

#include <array>
#include <cstdio>
#include <string>
#include <utility>

#include "cli/commands.h"

namespace clary::cli {
namespace {

/// Options that Python's argparse takes and CLI11 does not: several letters behind one dash.
constexpr std::array<std::pair<const char*, const char*>, 7> kPythonOptions{{{"-ts", "--train-source"},
                                                                             {"-tt", "--train-target"},
                                                                             {"-vs", "--val-source"},
                                                                             {"-vt", "--val-target"},
                                                                             {"-to", "--train-output"},
                                                                             {"-vo", "--val-output"},
                                                                             {"-single-vocab", "--single-vocab"}}};

void add_rule(CLI::App& command, const std::string& side, corpus::VocabularyRule& rule) {
  command
      .add_option("--num-words-" + side, rule.most,
                  "Most words of the " + side + " vocabulary, besides the four symbols")
      ->capture_default_str();
  command.add_option("--word-min-count-" + side, rule.min_count, "How often a word of the " + side + " must occur")
      ->capture_default_str();
}

}  // namespace

std::vector<std::string> spelled_out(int argc, char** argv) {
  std::vector<std::string> out(argv + 1, argv + argc);
  if (out.empty() || out.front() != "make-vocab") return out;
  for (std::string& argument : out)
    for (const auto& [given, meant] : kPythonOptions)
      if (argument == given) argument = meant;
  return out;
}

void add_make_vocab(CLI::App& app) {
  auto* command = app.add_subcommand("make-vocab", "Make vocabularies and records of parallel text, for seq2seq");
  auto options = std::make_shared<corpus::MakeVocabOptions>();
  corpus::MakeVocabOptions& o = *options;
  command->add_option("--train-source", o.train_source, "Training text of the source, one sequence a line (-ts)")
      ->required();
  command->add_option("--train-target", o.train_target, "Training text of the target, line by line the same (-tt)")
      ->required();
  command->add_option("--val-source", o.val_source, "Validation text of the source (-vs)");
  command->add_option("--val-target", o.val_target, "Validation text of the target (-vt)");
  command->add_option("--output", o.output, "Folder for the files")->capture_default_str();
  command->add_option("--train-output", o.train_output, "Name of the training records (-to)")->capture_default_str();
  command->add_option("--val-output", o.val_output, "Name of the validation records (-vo)")->capture_default_str();
  command->add_option("--vocab-source-json", o.vocab_source, "Vocabulary of the source that exists already");
  command->add_option("--vocab-target-json", o.vocab_target, "Vocabulary of the target that exists already");
  command->add_flag("--single-vocab", o.single_vocab,
                    "One vocabulary of both sides, by the source's limits (-single-vocab)");
  add_rule(*command, "source", o.source);
  add_rule(*command, "target", o.target);
  command->add_option("--threads", o.threads, "0: as many as there are CPUs")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Words are separated by white space; files in .gz are read as they are. Example:\n"
      "clary make-vocab --train-source train.en --train-target train.de --val-source val.en --val-target val.de\n"
      "                 --output data");
  command->callback([options] {
    corpus::make_vocab(*options, [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); });
  });
}

}  // namespace clary::cli
