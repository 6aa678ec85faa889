// SPDX-License-Identifier: Apache-2.0
// Whole trainings: quality on real data where it is present, repeatability, early stopping, bad input.
#include "algorithms/blazingtext/train/trainer.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <thread>

#include "algorithms/blazingtext/cuda/emulation.h"
#include "algorithms/blazingtext/serve/classify.h"
#include "algorithms/blazingtext/train/autotune.h"
#include "algorithms/blazingtext/train/synchronisation.h"
#include "base/error.h"
#include "base/files.h"
#include "base/split_mix.h"
#include "support/paths.h"

namespace clary::blazingtext {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr int kManyThreads = 1;  // threads race on purpose, and ThreadSanitizer would say so
#else
constexpr int kManyThreads = 2;
#endif

/// Runs trainings on texts in a temporary folder and keeps what they log.
class Training {
 public:
  Hyperparameters hp;
  std::string log;
  int threads = 1;
  std::uint64_t seed = 1;
  std::function<bool()> stopped = [] { return false; };
  collective::Collective* hosts = nullptr;
  std::unique_ptr<cuda::Gpu> gpu;

  explicit Training(Mode mode) {
    hp.mode = mode;
    hp.vector_dim = 20;
  }
  Corpus file(const std::string& name, const std::string& text) {
    write_file_atomically(folder_.path() / name, text);
    return corpus_of({{folder_.path() / name, name}}, name);
  }
  Model run(const std::string& text, const std::string& validation = "") {
    shell::TrainLog lines("algo-1", "AWS/BlazingText", [this](std::string_view line) { log += line; });
    Report report(lines, hp);
    TrainingJob job{hp, file("train", text), std::nullopt, report, threads, seed, stopped, hosts, gpu.get()};
    if (!validation.empty()) job.validation = file("validation", validation);
    return hp.is_supervised() ? train_classifier(job) : train_word_vectors(job);
  }
  Hyperparameters tuned(const std::string& text, const std::string& validation) {
    shell::TrainLog lines("algo-1", "AWS/BlazingText", [this](std::string_view line) { log += line; });
    Report report(lines, hp);
    TrainingJob job{hp, file("train", text), file("validation", validation), report, threads, seed, stopped, hosts};
    return autotuned(job, lines);
  }
  std::string error(const std::string& text) {
    try {
      run(text);
    } catch (const Error& problem) {
      return (problem.kind() == Kind::kInvalid ? "" : "wrong kind: ") + std::string(problem.what());
    }
    return "no error";
  }
  /// The number behind `name` in the log's last line that has it.
  double logged(const std::string& name) const {
    const auto at = log.rfind(name);
    return at == std::string::npos ? std::nan("") : std::stod(log.substr(at + name.size()));
  }

 private:
  TemporaryFolder folder_;
};

/// Sentences about one of two topics that share no words but "the" and "and".
std::string two_topics(int sentences, bool labelled, std::uint64_t seed = 1) {
  static constexpr const char* kWords[2][6] = {{"cat", "dog", "horse", "cow", "sheep", "goat"},
                                               {"car", "bus", "train", "ship", "plane", "truck"}};
  SplitMix64 random(seed);
  std::string out;
  for (int i = 0; i < sentences; ++i) {
    const std::uint32_t topic = random.below(2);
    if (labelled) out += topic == 0 ? "__label__animal" : "__label__vehicle";
    for (int w = 0; w < 8; ++w) {
      out += " ";
      out += random.below(4) == 0 ? (random.below(2) == 0 ? "the" : "and") : kWords[topic][random.below(6)];
    }
    out += "\n";
  }
  return out;
}

double cosine(const Model& model, const std::string& a, const std::string& b) {
  const auto x = word_vector(model, a), y = word_vector(model, b);
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t n = 0; n < x.size(); ++n) {
    xy += static_cast<double>(x[n]) * static_cast<double>(y[n]);
    xx += static_cast<double>(x[n]) * static_cast<double>(x[n]);
    yy += static_cast<double>(y[n]) * static_cast<double>(y[n]);
  }
  return xy / std::sqrt(xx * yy);
}

struct WordMode {
  const char* name;
  Mode mode;
  bool subwords;
  int threads;
  bool gpu = false;  // the emulated one
};

class WordVectors : public testing::TestWithParam<WordMode> {
 protected:
  static void set_up(Training& out) {
    out.hp.subwords = GetParam().subwords;
    out.hp.buckets = 2000;
    out.hp.sampling_threshold = 0.05;
    out.hp.epochs = 10;
    out.threads = GetParam().threads;
    if (GetParam().gpu) out.gpu = std::make_unique<cuda::Gpu>(cuda::emulated_api(true));
  }
};

TEST_P(WordVectors, PutWordsOfOneTopicTogether) {
  Training t(GetParam().mode);
  set_up(t);
  const Model model = t.run(two_topics(3000, false));
  EXPECT_EQ(model.dictionary.nwords, 15);
  EXPECT_GT(cosine(model, "cat", "dog"), 0.4 + cosine(model, "cat", "bus"));
  EXPECT_GT(cosine(model, "ship", "plane"), 0.4 + cosine(model, "ship", "goat"));
  EXPECT_NE(t.log.find("Number of words:  15\n"), std::string::npos) << t.log;
  EXPECT_NE(t.log.find("Progress: 100.00%"), std::string::npos) << t.log;
  EXPECT_NE(t.log.find("Training finished!\n"), std::string::npos) << t.log;
}

TEST_P(WordVectors, AreTheSameBytesForTheSameSeedOnOneThread) {
  if (GetParam().threads > 1) GTEST_SKIP() << "threads race on purpose";
  const std::string text = two_topics(300, false);
  Training a(GetParam().mode), b(GetParam().mode), c(GetParam().mode);
  for (Training* t : {&a, &b, &c}) set_up(*t);
  c.seed = 2;
  const Model first = a.run(text), again = b.run(text), other = c.run(text);
  EXPECT_EQ(first.input.values, again.input.values);
  EXPECT_EQ(first.output.values, again.output.values);
  EXPECT_NE(first.input.values, other.input.values);
}

INSTANTIATE_TEST_SUITE_P(Modes, WordVectors,
                         testing::Values(WordMode{"skipgram", Mode::kSkipgram, false, 1},
                                         WordMode{"skipgram_subwords", Mode::kSkipgram, true, 1},
                                         WordMode{"skipgram_threads", Mode::kSkipgram, false, kManyThreads},
                                         WordMode{"cbow", Mode::kCbow, false, 1},
                                         WordMode{"cbow_subwords", Mode::kCbow, true, 1},
                                         WordMode{"skipgram_gpu", Mode::kSkipgram, false, 1, true},
                                         WordMode{"skipgram_subwords_gpu", Mode::kSkipgram, true, kManyThreads, true},
                                         WordMode{"cbow_gpu", Mode::kCbow, false, 1, true},
                                         WordMode{"batch_skipgram", Mode::kBatchSkipgram, false, 1},
                                         WordMode{"batch_skipgram_threads", Mode::kBatchSkipgram, false, kManyThreads}),
                         [](const auto& one) { return one.param.name; });

TEST(Synchronisation, TakesRareRowsRarely) {
  EXPECT_EQ(Synchronisation::rows_at(1, 100'000), 1024);
  EXPECT_EQ(Synchronisation::rows_at(2, 100'000), 2048);
  EXPECT_EQ(Synchronisation::rows_at(3, 100'000), 1024);
  EXPECT_EQ(Synchronisation::rows_at(12, 100'000), 4096);
  EXPECT_EQ(Synchronisation::rows_at(1 << 20, 100'000), 100'000);
}

std::uint16_t free_port() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// Two hosts as two threads of this process: calls work(rank, hosts) on both. @return what went wrong on each
template <class Work>
std::array<std::string, 2> on_two_hosts(Work&& work) {
  collective::ConnectOptions options;
  options.port = free_port();
  options.timeout = std::chrono::seconds(30);
  std::array<std::string, 2> problem;
  const auto run = [&](int rank) {
    try {
      const auto hosts =
          collective::connect({{"127.0.0.1", "127.0.0.2"}, rank == 0 ? "127.0.0.1" : "127.0.0.2", "lo"}, options);
      work(rank, *hosts);
    } catch (const std::exception& error) {
      problem[static_cast<std::size_t>(rank)] = error.what();
    }
  };
  std::thread other([&] { run(1); });
  run(0);
  other.join();
  return problem;
}

TEST(Synchronisation, TakesTheMeanOfEqualMovesAndTheSumOfMovesWithNothingInCommon) {
  constexpr std::int64_t kStride = 16;
  TrainingMatrix input[2], output[2];
  const auto problem = on_two_hosts([&](int rank, collective::Collective& hosts) {
    TrainingMatrix &in = input[rank], &out = output[rank];
    in = TrainingMatrix(3, kStride), out = TrainingMatrix(3, kStride);
    for (TrainingMatrix* matrix : {&in, &out}) std::fill(matrix->values.begin(), matrix->values.end(), 10.0f);
    Synchronisation all(hosts, in, out);
    in.row(0)[0] += 2;                              // the same on both hosts
    in.row(1)[rank] += 2;                           // elsewhere on each
    in.row(2)[0] += rank == 0 ? 2.0f : -2;          // against each other
    out.row(0)[0] += 1, out.row(0)[1 + rank] += 1;  // half in common: (2, 1, 1), sum of squares 4 of 6
    all.meet({});
    in.row(0)[0] += 2;  // moves count from where the last meeting left the row
    all.meet({});
  });
  ASSERT_EQ(problem[0] + problem[1], "");
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_FLOAT_EQ(input[rank].row(0)[0], 14);
    EXPECT_FLOAT_EQ(input[rank].row(1)[0], 12);
    EXPECT_FLOAT_EQ(input[rank].row(1)[1], 12);
    EXPECT_FLOAT_EQ(input[rank].row(2)[0], 10);
    EXPECT_FLOAT_EQ(output[rank].row(0)[0], 10 + 2 * 4.0f / 6);
    EXPECT_FLOAT_EQ(output[rank].row(0)[1], 10 + 4.0f / 6);
    EXPECT_FLOAT_EQ(output[rank].row(2)[5], 10);
  }
}

/// A training on two hosts.
struct TwoHosts {
  std::array<std::string, 2> problem;
  Model model[2];
  std::string log[2];

  TwoHosts(const std::string& first, const std::string& second, std::uint64_t seed) {
    problem = on_two_hosts([&](int rank, collective::Collective& hosts) {
      Training t(Mode::kBatchSkipgram);
      t.hp.sampling_threshold = 0.05, t.hp.epochs = 10, t.seed = seed;
      t.hosts = &hosts;
      model[rank] = t.run(rank == 0 ? first : second);
      log[rank] = t.log;
    });
  }
};

TEST(TwoHosts, ShareTheTextAndEndWithTheSameVectors) {
  const std::string text = two_topics(20'000, false);
  const TwoHosts hosts(text, text, 1), again(text, text, 1);
  ASSERT_EQ(hosts.problem[0] + hosts.problem[1], "");
  EXPECT_EQ(hosts.model[0].input.values, hosts.model[1].input.values);
  EXPECT_EQ(hosts.model[0].input.values, again.model[0].input.values);
  EXPECT_GT(cosine(hosts.model[0], "cat", "dog"), 0.4 + cosine(hosts.model[0], "cat", "bus"));
  EXPECT_NE(hosts.log[0].find("Progress: 100.00%"), std::string::npos) << hosts.log[0];
  EXPECT_EQ(hosts.log[1].find("Progress:"), std::string::npos) << hosts.log[1];
}

TEST(TwoHosts, MustHaveTheSameText) {
  const TwoHosts hosts(two_topics(500, false, 1), two_topics(500, false, 2), 1);
  EXPECT_NE(hosts.problem[0].find("FullyReplicated"), std::string::npos) << hosts.problem[0];
  EXPECT_NE(hosts.problem[1].find("FullyReplicated"), std::string::npos) << hosts.problem[1];
}

TEST(WordVectors, NeedWordsThatAreFrequentEnough) {
  Training t(Mode::kSkipgram);
  EXPECT_EQ(t.error("once upon a time"),
            "train: no word occurs min_count=5 times or more (4 words read); lower min_count or give more text");
  EXPECT_EQ(t.error(" \n\t "),
            "train: no word occurs min_count=5 times or more (1 words read); lower min_count or give more text");
  EXPECT_EQ(t.error(""), "train: holds no text; every file is empty");
}

TEST(WordVectors, TakeTextThatIsNotUtf8) {
  Training t(Mode::kCbow);
  t.hp.min_count = 1, t.hp.subwords = true, t.hp.buckets = 100;
  const Model model = t.run("\xff\xfe\x80 caf\xc3 \xe2\x82 ok\n\xff\xfe\x80 ok\n");
  EXPECT_GE(model.dictionary.find("\xff\xfe\x80"), 0);
}

TEST(WordVectors, AreKeptAsTheyAreWhenStopped) {
  Training t(Mode::kSkipgram);
  int asked = 0;
  t.stopped = [&] { return ++asked > 50; };
  const Model model = t.run(two_topics(5000, false));
  EXPECT_EQ(model.input.rows, 15);
  EXPECT_LT(asked, 100);
}

TEST(Classifier, LearnsTwoTopics) {
  for (const int threads : {1, kManyThreads}) {
    Training t(Mode::kSupervised);
    t.hp.buckets = 1000;
    t.threads = threads;
    const Model model = t.run(two_topics(1000, true), two_topics(300, true, 7));
    EXPECT_EQ(model.dictionary.nlabels, 2);
    EXPECT_EQ(model.output.rows, 2);
    // 14 words and </s>, in pairs: words of one topic and of both, with </s> at the end.
    const auto used = std::ssize(model.bucket_rows->entries());
    EXPECT_TRUE(used > 50 && used < 200) << used;
    EXPECT_EQ(t.logged("Number of buckets used:  "), static_cast<double>(used)) << t.log;
    EXPECT_EQ(model.input.rows, model.dictionary.nwords + 1 + used);
    EXPECT_GE(t.logged("#train_accuracy: "), 0.99) << t.log;
    EXPECT_GE(t.logged("#validation_accuracy: "), 0.99) << t.log;
    EXPECT_EQ(t.logged("Number of validation examples: "), 300);
  }
}

TEST(Classifier, LearnsOnAnEmulatedGpu) {
  for (const bool one_vs_all : {false, true}) {
    Training t(Mode::kSupervised);
    t.hp.buckets = 1000, t.hp.epochs = 20, t.hp.early_stopping = true,
    t.hp.loss = one_vs_all ? Loss::kOneVsAll : t.hp.loss;
    t.gpu = std::make_unique<cuda::Gpu>(cuda::emulated_api(true));
    t.threads = kManyThreads;
    t.run(two_topics(1000, true), two_topics(300, true, 7));
    EXPECT_GE(t.logged("#train_accuracy: "), 0.99) << t.log;
    EXPECT_GE(t.logged("#validation_accuracy: "), 0.99) << t.log;
    EXPECT_NE(t.log.find("Storing best weights..."), std::string::npos) << t.log;
  }
}

TEST(Classifier, IsTheSameForTheSameSeedOnOneThread) {
  const std::string text = two_topics(200, true) + "__label__animal __label__vehicle cat in a car\n";
  Training a(Mode::kSupervised), b(Mode::kSupervised), c(Mode::kSupervised);
  a.hp.buckets = b.hp.buckets = c.hp.buckets = 500;
  c.seed = 2;
  const Model first = a.run(text), again = b.run(text), other = c.run(text);
  EXPECT_EQ(first.input.values, again.input.values);
  EXPECT_EQ(first.output.values, again.output.values);
  EXPECT_NE(first.input.values, other.input.values);
}

TEST(Classifier, HasTheRowsOfItsTextOnlyAndZerosForTheRest) {
  Training t(Mode::kSupervised);
  t.hp.buckets = 50'000, t.hp.min_count = 1;
  const Model model = t.run("__label__a one two\n__label__b two one three\n__label__a one two\n");
  // "one two", "two </s>", "two one", "one three", "three </s>"
  EXPECT_EQ(model.bucket_rows->entries().size(), 5U);
  std::vector<std::int32_t> rows;
  append_line_rows(model, "two one", rows);  // its two words, </s>, "two one", "one </s>"
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_GT(rows[3], model.dictionary.nwords);
  EXPECT_EQ(rows[4], model.dictionary.nwords);
  for (const float value : model.input.row(rows[4])) EXPECT_EQ(value, 0);
}

TEST(Classifier, LearnsEveryLabelOfALine) {
  Training t(Mode::kSupervised);
  t.hp.word_ngrams = 1, t.hp.epochs = 50, t.hp.learning_rate = 0.5, t.hp.min_count = 1;
  std::string text;
  for (int i = 0; i < 50; ++i) text += "__label__a both __label__b\nonly __label__a\n__label__c neither nor\n";
  const Model model = t.run(text);
  const auto score = [&](const std::string& word, const std::string& label) {
    const auto x = word_vector(model, word);
    const auto row = model.output.row(model.dictionary.find(label) - model.dictionary.nwords);
    double sum = 0;
    for (std::size_t n = 0; n < x.size(); ++n) sum += static_cast<double>(x[n]) * static_cast<double>(row[n]);
    return sum;
  };
  EXPECT_GT(score("both", "__label__a"), score("both", "__label__c") + 1);
  EXPECT_GT(score("both", "__label__b"), score("both", "__label__c") + 1);
  EXPECT_GT(score("only", "__label__a"), score("only", "__label__b") + 1);
}

TEST(Classifier, OneVsAllGivesEveryLabelAProbabilityOfItsOwn) {
  Training t(Mode::kSupervised);
  t.hp.word_ngrams = 1, t.hp.epochs = 100, t.hp.learning_rate = 0.5, t.hp.min_count = 1, t.hp.loss = Loss::kOneVsAll;
  std::string text;
  for (int i = 0; i < 50; ++i)
    text += "__label__a both __label__b __label__a\nonly __label__a\n__label__c neither nor\n";
  const Model model = t.run(text);
  EXPECT_EQ(model.settings.loss, Loss::kOneVsAll);
  const auto labels = [&](const std::string& words) {
    std::string out;
    for (const auto& ranked : classify(model, words, 9, 0.5)) out += model.dictionary.label(ranked.label).substr(9);
    std::sort(out.begin(), out.end());
    return out;
  };
  EXPECT_EQ(labels("both"), "ab");
  EXPECT_EQ(labels("only"), "a");
  EXPECT_EQ(labels("neither"), "c");
}

TEST(Autotune, FindsARateWhereTheDefaultLearnsNothing) {
  Training t(Mode::kSupervised);
  t.hp.buckets = 1000, t.hp.word_ngrams = 1, t.hp.epochs = 1;
  const std::string text = two_topics(60, true), validation = two_topics(200, true, 7);
  t.run(text, validation);
  const double before = t.logged("#validation_accuracy: ");
  EXPECT_LT(before, 0.9) << t.log;
  const Hyperparameters best = t.tuned(text, validation);
  EXPECT_GT(best.learning_rate, 0.05);
  EXPECT_NE(t.log.find("autotune: learning_rate 0.25, epochs 1: accuracy "), std::string::npos) << t.log;
  EXPECT_EQ(t.log.find("#train_accuracy", t.log.find("autotune")), std::string::npos) << t.log;
  t.hp = best;
  t.run(text, validation);
  EXPECT_GT(t.logged("#validation_accuracy: "), 0.97) << t.log;
}

TEST(Classifier, NamesWhatIsMissing) {
  Training t(Mode::kSupervised);
  t.hp.min_count = 1, t.hp.buckets = 100;
  EXPECT_EQ(t.error("no label here\n"),
            "train: no word starts with __label__ in the 4 words of the text; supervised mode needs labels");
  EXPECT_EQ(t.error("__label__a\n__label__b\n"),
            "train: no word beside labels occurs min_count=1 times or more (4 words read); lower min_count or give "
            "more text");
  t.hp.min_count = 5;
  EXPECT_EQ(t.error("__label__a rare words\n"),
            "train: no word beside labels occurs min_count=5 times or more (4 words read); lower min_count or give "
            "more text");
}

TEST(EarlyStopping, EndsTheTrainingAndGoesBackToTheBestWeights) {
  Training t(Mode::kSupervised);
  t.hp.buckets = 1000, t.hp.epochs = 50, t.hp.early_stopping = true, t.hp.min_epochs = 2, t.hp.patience = 3;
  t.run(two_topics(1000, true), two_topics(300, true, 7));
  EXPECT_EQ(t.log.find("-------------- End of epoch: 1\n"), std::string::npos);
  EXPECT_NE(t.log.find("-------------- End of epoch: 2\n"), std::string::npos);
  EXPECT_NE(t.log.find("Validation accuracy improved! Storing best weights...\n"), std::string::npos) << t.log;
  EXPECT_NE(t.log.find("has not improved for last 3 epochs."), std::string::npos) << t.log;
  EXPECT_EQ(t.log.find("has not improved for last 4 epochs."), std::string::npos) << t.log;
  EXPECT_EQ(t.log.find("End of epoch: 50"), std::string::npos) << t.log;
  EXPECT_GE(t.logged("#validation_accuracy: "), 0.99);
}

/// What a shell command prints; empty when it cannot run.
std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  char buffer[1 << 16];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, got);
  return ::pclose(pipe) == 0 ? out : "";
}

/// AG News: "class","title","text" to labelled lines of lower-cased words and single signs.
std::string labelled(const std::string& csv) {
  std::string out;
  std::size_t at = 0;
  while (at < csv.size()) {
    const std::size_t end = std::min(csv.find('\n', at), csv.size());
    std::string line = csv.substr(at, end - at);
    at = end + 1;
    const std::size_t comma = line.find(',');
    std::string label;
    for (const char c : line.substr(0, comma))
      if (std::isdigit(static_cast<unsigned char>(c))) label += c;
    if (label.empty() || comma == std::string::npos) continue;
    out += "__label__" + label + " ";
    for (const char c : line.substr(comma + 1)) {
      const auto byte = static_cast<unsigned char>(c);
      if (std::isalnum(byte) || byte >= 0x80)
        out += static_cast<char>(std::tolower(byte));
      else
        out += std::isspace(byte) ? std::string(" ") : std::string(" ") + c + " ";
    }
    out += "\n";
  }
  return out;
}

TEST(Classifier, ReachesFastTextOnAgNews) {
  const std::string folder = (tests::shared_data() / "agnews/").string();
  const std::string train = labelled(output_of("xz -dc " + folder + "train-sample.csv.xz 2>/dev/null"));
  const std::string test = labelled(output_of("xz -dc " + folder + "test.csv.xz 2>/dev/null"));
  if (train.empty() || test.empty()) GTEST_SKIP() << "no " << folder;
  Training t(Mode::kSupervised);
  t.hp.vector_dim = 10, t.hp.learning_rate = 0.5, t.hp.min_count = 1, t.hp.buckets = 200'000;
  t.run(train, test);
  EXPECT_EQ(t.logged("Number of validation examples: "), 7600);
  // fastText 0.9.2 on the same lines and settings: 0.884 (one run).
  EXPECT_GE(t.logged("#validation_accuracy: "), 0.878) << t.log;
}

}  // namespace
}  // namespace clary::blazingtext
