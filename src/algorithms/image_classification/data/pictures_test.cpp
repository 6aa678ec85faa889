// SPDX-License-Identifier: Apache-2.0
// Channels of every form to batches: what they hold, order, shares of hosts, bad input, ends in the middle.
#include "algorithms/image_classification/data/pictures.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "formats/image_record.h"
#include "formats/recordio.h"
#include "learning/vision/decode.h"
#include "learning/vision/test_data.h"

namespace clary::image_classification {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;
using vision::tests::test_file;

/// The .rec of pictures whose labels are 0, 1, 2, ...
std::string records(int count, const std::string& picture = test_file("420.jpg")) {
  std::string out;
  for (int i = 0; i < count; ++i)
    formats::append_image_record(out, static_cast<std::uint64_t>(i), std::vector<float>{static_cast<float>(i)},
                                 picture);
  return out;
}

PictureOptions options(std::int64_t classes, bool training = false) {
  PictureOptions out;
  out.image = {3, 20, 24};
  out.classes = classes;
  out.shuffle = training;
  out.threads = 3;
  return out;
}

/// A job's tree with channels of files or pipes.
class Job {
 public:
  Job() {
    setup_.layout.root = folder_.path();
    setup_.log = [this](std::string_view line) { log += line; };
    setup_.stopped = [this] { return stopped.load(); };
  }
  Job& file(const std::string& name, const std::string& bytes) {
    const auto path = setup_.layout.data_dir() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    setup_.channels[name.substr(0, name.find('/'))];
    return *this;
  }
  Job& type(const std::string& channel, const std::string& type) {
    setup_.channels[channel].content_type = type;
    return *this;
  }
  /// Each text is what one pass reads. A regular file takes a FIFO's place.
  Job& pipe(const std::string& channel, const std::vector<std::string>& passes,
            const std::string& type = "application/x-recordio") {
    setup_.channels[channel] = {contract::InputMode::kPipe, "FullyReplicated", "RecordIO", type};
    std::filesystem::create_directories(setup_.layout.data_dir());
    for (std::size_t i = 0; i < passes.size(); ++i)
      std::ofstream(fifo(channel, static_cast<std::int64_t>(i)), std::ios::binary) << passes[i];
    return *this;
  }
  Job& host(int number, int hosts) {
    setup_.resources.hosts.clear();
    for (int h = 1; h <= hosts; ++h) setup_.resources.hosts.push_back("algo-" + std::to_string(h));
    setup_.resources.current_host = "algo-" + std::to_string(number);
    return *this;
  }
  std::filesystem::path fifo(const std::string& channel, std::int64_t pass) const {
    return setup_.layout.channel_fifo(channel, pass);
  }
  std::unique_ptr<Pictures> open(const PictureOptions& given, const std::string& channel = "train") {
    shell::Descriptor descriptor;
    descriptor.distributed = true;
    for (const char* name : {"train", "validation", "train_lst", "validation_lst"}) {
      shell::ChannelSpec spec;
      spec.name = name;
      spec.content_types.clear();
      spec.default_content_type = "application/x-recordio";
      descriptor.channels.push_back(spec);
    }
    context_ = std::make_unique<shell::TrainContext>(descriptor, setup_);
    return open_pictures(*context_, channel, given);
  }
  /// What goes wrong when the channel is opened and read.
  std::string failure(const PictureOptions& given) {
    try {
      Batch batch;
      const auto pictures = open(given);
      const auto pass = pictures->pass(0);
      while (pass->next(batch, 4)) {
      }
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  std::string data() const { return setup_.layout.data_dir().string(); }

  std::string log;
  std::atomic<bool> stopped = false;

 private:
  TemporaryFolder folder_;
  shell::TrainContext::Setup setup_;
  std::unique_ptr<shell::TrainContext> context_;
};

struct PassContent {
  std::vector<float> labels;
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> batches;  // sizes
  bool operator==(const PassContent&) const = default;
};

PassContent read(Pass& pass, std::int64_t batch_size) {
  PassContent out;
  Batch batch;
  while (pass.next(batch, batch_size)) {
    out.labels.insert(out.labels.end(), batch.labels.begin(), batch.labels.end());
    out.pixels.insert(out.pixels.end(), batch.pixels.begin(), batch.pixels.end());
    out.batches.push_back(batch.pictures);
  }
  return out;
}

std::vector<float> up_to(int count) {
  std::vector<float> out;
  for (int i = 0; i < count; ++i) out.push_back(static_cast<float>(i));
  return out;
}

TEST(Records, ComeInTheirOrderInValidationWithTheCentreOfThePicture) {
  Job job;
  const auto pictures = job.file("train/a.rec", records(7)).file("train/a.idx", "x").open(options(7));
  EXPECT_EQ(pictures->count(), 7);
  EXPECT_THAT(job.log, HasSubstr("Searching for .rec files in " + job.data() + "/train."));
  const PassContent content = read(*pictures->pass(0), 3);
  EXPECT_EQ(content.labels, up_to(7));
  EXPECT_THAT(content.batches, ElementsAre(3, 3, 1));
  const std::string file = test_file("420.jpg");
  const vision::Picture whole = vision::decode(vision::tests::bytes_of(file), 3);
  for (std::int64_t y = 0; y < 20; ++y)  // (47 - 20) / 2, (61 - 24) / 2
    ASSERT_EQ(std::memcmp(content.pixels.data() + y * 24 * 3, whole.row(13 + y) + 18 * 3, 24 * 3), 0);
}

TEST(Records, AreShuffledInTrainingByASeedAndTheEpoch) {
  Job job;
  job.file("train/a.rec", records(30)).file("train/b.rec", records(20));
  PictureOptions given = options(30, true);
  given.augmentation = vision::Augmentation::kCropColorTransform;
  given.resize = 40;
  const auto pictures = job.open(given);
  const PassContent first = read(*pictures->pass(0), 8), second = read(*pictures->pass(1), 8);
  std::vector<float> all = up_to(30);
  const std::vector<float> more = up_to(20);
  all.insert(all.end(), more.begin(), more.end());
  EXPECT_THAT(first.labels, UnorderedElementsAreArray(all));
  EXPECT_THAT(second.labels, UnorderedElementsAreArray(all));
  EXPECT_NE(first.labels, second.labels);
  EXPECT_EQ(read(*pictures->pass(0), 8), first);
  given.threads = 1;
  EXPECT_EQ(read(*job.open(given)->pass(0), 8), first) << "threads must not matter";
  given.seed = 2;
  EXPECT_NE(read(*job.open(given)->pass(0), 8).labels, first.labels);
}

TEST(Records, AreDividedEquallyInTrainingAndWhollyInValidation) {
  std::set<float> trained, validated;
  for (int host = 1; host <= 3; ++host) {
    Job job;
    job.file("train/a.rec", records(11)).file("validation/a.rec", records(11)).host(host, 3);
    const PassContent training = read(*job.open(options(11, true))->pass(0), 2);
    EXPECT_EQ(training.labels.size(), 3U);
    trained.insert(training.labels.begin(), training.labels.end());
    const PassContent validation = read(*job.open(options(11), "validation")->pass(0), 2);
    validated.insert(validation.labels.begin(), validation.labels.end());
    EXPECT_GE(validation.labels.size(), 3U);
  }
  EXPECT_EQ(trained.size(), 9U);
  EXPECT_EQ(validated.size(), 11U);
}

TEST(Records, FewerThanHostsAreRefusedInTraining) {
  EXPECT_EQ(Job().file("train/a.rec", records(2)).host(1, 3).failure(options(2, true)),
            "channel train: 2 pictures for 3 instances; each needs at least one");
}

TEST(Records, SmallerThanTheNetworkAreEnlargedAndCounted) {
  Job job;
  PictureOptions given = options(5);
  given.image = {3, 64, 64};
  const auto pictures = job.file("train/a.rec", records(5)).open(given);
  const auto pass = pictures->pass(0);
  EXPECT_EQ(read(*pass, 4).labels.size(), 5U);
  EXPECT_EQ(pass->enlarged(), 5);
  EXPECT_THAT(job.log, HasSubstr("5 pictures of this pass were smaller than 64 x 64 pixels and were enlarged"));
}

TEST(Records, WithLabelsThatDoNotFitAreNamed) {
  const auto failure = [](std::vector<float> labels, bool multi_label = false) {
    std::string bytes = records(2);
    formats::append_image_record(bytes, 77, labels, test_file("420.jpg"), labels.size() != 1);
    PictureOptions given = options(3);
    given.multi_label = multi_label;
    return Job().file("train/a.rec", multi_label ? bytes.substr(records(2).size()) : bytes).failure(given);
  };
  EXPECT_EQ(failure({2}), "no error");
  EXPECT_EQ(failure({3}), "train/a.rec: record 3 (id 77): label 3 is not one of the classes 0 to 2 (num_classes 3)");
  EXPECT_EQ(failure({-1}), "train/a.rec: record 3 (id 77): label -1 is not one of the classes 0 to 2 (num_classes 3)");
  EXPECT_EQ(failure({0.5F}),
            "train/a.rec: record 3 (id 77): label 0.5 is not one of the classes 0 to 2 (num_classes 3)");
  EXPECT_THAT(failure({NAN}), HasSubstr("label nan is not one of the classes"));
  EXPECT_EQ(failure({0, 1}), "train/a.rec: record 3 (id 77): 2 labels, but multi_label is 0: one is allowed");
  EXPECT_EQ(failure({0, 1, 1}, true), "no error");
  EXPECT_EQ(failure({0, 1}, true),
            "train/a.rec: record 1 (id 77): 2 labels, but multi_label wants 0 or 1 for each of 3 classes");
  EXPECT_EQ(failure({0, 1, 2}, true), "train/a.rec: record 1 (id 77): label 2 is neither 0 nor 1 (multi_label)");
}

TEST(Records, WithSeveralLabelsGiveVectors) {
  std::string bytes;
  formats::append_image_record(bytes, 1, std::vector<float>{0, 1, 1}, test_file("grey.png"));
  formats::append_image_record(bytes, 2, std::vector<float>{1, 0, 0}, test_file("cmyk.jpg"));
  PictureOptions given = options(3);
  given.multi_label = true;
  EXPECT_THAT(read(*Job().file("train/a.rec", bytes).open(given)->pass(0), 2).labels, ElementsAre(0, 1, 1, 1, 0, 0));
}

TEST(Records, TakeMemoryForThePicturesThatThereAreNotForTheBatch) {
  Job job;
  const auto pictures = job.file("train/a.rec", records(5)).open(options(5));
  const auto pass = pictures->pass(0);
  Batch batch;
  constexpr std::int64_t kMany = 1'000'000'000;  // of 1440 bytes each
  ASSERT_TRUE(pass->next(batch, kMany));
  EXPECT_EQ(batch.pictures, 5);
  EXPECT_EQ(batch.pixels.size(), 5U * 3 * 20 * 24);
  EXPECT_FALSE(pass->next(batch, kMany));
}

TEST(Records, WithoutAWholeHeaderAreNamedWithoutAnId) {
  std::string bytes = records(2);
  formats::append_recordio_split(bytes, "12345678");
  EXPECT_EQ(Job().file("train/a.rec", bytes).failure(options(2)),
            "train/a.rec: record 3: 8 bytes are too few for the 24 of an image header");
}

TEST(Records, ThatCannotBeDecodedAreNamed) {
  const auto failure = [](const std::string& picture) {
    std::string bytes = records(2);
    formats::append_image_record(bytes, 9, std::vector<float>{0}, picture);
    return Job().file("train/a.rec", bytes).failure(options(2));
  };
  EXPECT_EQ(failure(test_file("picture.gif")), "train/a.rec: record 3: is a GIF picture; JPEG and PNG are read");
  EXPECT_EQ(failure(""), "train/a.rec: record 3: is empty; JPEG and PNG are read");
  EXPECT_THAT(failure(test_file("420.jpg").substr(0, 900)), HasSubstr("train/a.rec: record 3: damaged JPEG: "));
}

TEST(Records, EveryCutOfAFileIsAnErrorAndNothingElse) {
  const std::string bytes = records(2, test_file("grey.jpg"));
  const std::size_t first = bytes.size() / 2;
  for (std::size_t size = 1; size < bytes.size(); size += 31)
    EXPECT_EQ(Job().file("train/a.rec", bytes.substr(0, size)).failure(options(2)) == "no error", size == first)
        << size;
}

TEST(Records, NeedARecFile) {
  EXPECT_THAT(Job().file("train/a.jpg", "x").type("train", "application/x-recordio").failure(options(2)),
              HasSubstr("channel train: no .rec file among its 1 files"));
  EXPECT_EQ(Job().file("train/a.rec", "").failure(options(2)), "channel train: its .rec files hold no record");
  EXPECT_THAT(Job().file("train/a.rec", "\x1F\x8B\x08").failure(options(2)), HasSubstr("is compressed by gzip"));
  EXPECT_THAT(Job().file("train/a.rec", records(1)).type("train", "text/csv").failure(options(2)),
              HasSubstr("content type 'text/csv' is not supported"));
}

/// Three pictures in two folders and their list.
Job& list_job(Job& job, const std::string& list = "0\t1\tdog/a.jpg\n1\t0.000000\tcat/b.png\n2\t1\tdog/c.jpg\n") {
  return job.file("train/dog/a.jpg", test_file("420.jpg"))
      .file("train/cat/b.png", test_file("alpha.png"))
      .file("train/dog/c.jpg", test_file("grey.jpg"))
      .file("train/unlisted.txt", "x")
      .file("train_lst/my.lst", list);
}

TEST(Lists, GivePicturesLabelsAndClassNames) {
  for (const char* type : {"application/x-image", "image/jpeg", "image/png", "lst", ""}) {
    Job job;
    list_job(job);
    if (*type != '\0') job.type("train", type);
    const auto pictures = job.open(options(2));
    EXPECT_EQ(pictures->count(), 3);
    EXPECT_THAT(pictures->class_names(), ElementsAre("cat", "dog"));
    EXPECT_THAT(read(*pictures->pass(0), 2).labels, ElementsAre(1, 0, 1));
    EXPECT_THAT(job.log, HasSubstr("Searching for .lst files in " + job.data() + "/train_lst."));
    EXPECT_THAT(job.log, HasSubstr("Creating record files for my.lst\n"));
    EXPECT_THAT(job.log, HasSubstr("Done creating record files...\n"));
  }
}

TEST(Lists, TakeClassNamesFromAFileFirst) {
  Job job;
  EXPECT_THAT(list_job(job).file("train/classes.txt", "Katze\r\n\nHund\n").open(options(2))->class_names(),
              ElementsAre("Katze", "Hund"));
  Job wrong;
  EXPECT_THAT(list_job(wrong).file("train/classes.txt", "a\nb\nc").open(options(2))->class_names(),
              ElementsAre("cat", "dog"));
  EXPECT_THAT(wrong.log, HasSubstr("classes.txt of channel train names 3 classes, but num_classes is 2"));
  Job mixed;  // a class in two folders
  EXPECT_THAT(list_job(mixed, "0\t1\tdog/a.jpg\n1\t1\tcat/b.png\n2\t0\tdog/c.jpg\n").open(options(2))->class_names(),
              IsEmpty());
}

TEST(Lists, OfWrongFormAreRefused) {
  const auto failure = [](const std::string& list) {
    Job job;
    return list_job(job, list).type("train", "application/x-image").failure(options(2));
  };
  EXPECT_EQ(failure("0\t2\tdog/a.jpg\n"),
            "train_lst/my.lst: line 1 (dog/a.jpg): label 2 is not one of the classes 0 to 1 (num_classes 2)");
  EXPECT_EQ(failure("0\t1\t1\tdog/a.jpg\n"),
            "train_lst/my.lst: line 1 (dog/a.jpg): 2 labels, but multi_label is 0: one is allowed");
  EXPECT_THAT(failure("junk\n"), HasSubstr("train_lst/my.lst: 1 of 1 lines are malformed"));
  Job two;
  EXPECT_EQ(list_job(two).file("train_lst/other.lst", "x").failure(options(2)),
            "channel train_lst: holds 2 .lst files (train_lst/my.lst, train_lst/other.lst, ...), must hold one");
  EXPECT_EQ(Job().file("train/a.jpg", "x").type("train", "image/jpeg").failure(options(2)),
            "channel train_lst: missing, but required with pictures in channel train");
  EXPECT_EQ(Job().file("train/a.jpg", "x").file("train_lst/a.txt", "").type("train", "image/jpeg").failure(options(2)),
            "channel train_lst: holds no .lst file");
}

/// A list of 200 pictures, of which some are missing or no pictures.
Job& long_list(Job& job, int missing, int broken) {
  std::string list;
  for (int i = 0; i < 200; ++i) {
    const bool bad = i < missing + broken;
    list += fmt::format("{}\t{}\t{}.jpg\n", i, i % 2, i < missing ? "missing" : bad ? "broken" : "good");
  }
  return job.file("train/good.jpg", test_file("grey.jpg"))
      .file("train/broken.jpg", "junk")
      .file("train_lst/a.lst", list);
}

TEST(Lists, MayNameAHundredthOfFilesThatCannotBeRead) {
  Job job;
  const auto pictures = long_list(job, 1, 1).open(options(2));
  const auto pass = pictures->pass(0);
  EXPECT_EQ(read(*pass, 16).labels.size(), 198U);
  EXPECT_EQ(pass->skipped(), 2);
  EXPECT_THAT(job.log, HasSubstr("skipped train/missing.jpg: "));
  EXPECT_THAT(job.log, HasSubstr("skipped train/broken.jpg: begins with 6A 75 6E 6B"));
  Job worse;
  EXPECT_THAT(long_list(worse, 2, 1).failure(options(2)),
              HasSubstr("channel train: 3 of 200 listed pictures could not be read, at most 1 % may be; the last: "
                        "train/broken.jpg"));
}

TEST(Lists, GiveEveryHostAsManyPicturesThoughSomeCannotBeRead) {
  for (int host = 1; host <= 2; ++host)
    for (const int seed : {1, 2, 3, 4}) {
      Job job;
      PictureOptions given = options(2, true);
      given.seed = static_cast<std::uint64_t>(seed);
      const auto pictures = long_list(job, 1, 0).host(host, 2).open(given);
      EXPECT_EQ(read(*pictures->pass(0), 7).labels.size(), 100U);
    }
}

TEST(Pipe, GivesImageRecordsPassAfterPass) {
  Job job;
  const auto pictures = job.pipe("train", {records(5), records(5)}).open(options(5));
  EXPECT_EQ(pictures->count(), std::nullopt);
  EXPECT_EQ(read(*pictures->pass(0), 2).labels, up_to(5));
  EXPECT_EQ(pictures->count(), 5);
  EXPECT_EQ(read(*pictures->pass(1), 2).labels, up_to(5));
}

TEST(Pipe, IsReadOnceMoreAsPicturesAreServed) {
  using std::chrono::milliseconds;
  Job job, files;
  const auto pictures = job.pipe("train", {records(5), records(5)}).open(options(5));
  const PassContent cropped = read(*pictures->pass(0), 2);
  const PassContent stretched = read(*pictures->stretched_pass(milliseconds(0)), 2);
  EXPECT_NE(stretched, cropped);
  EXPECT_EQ(stretched,
            read(*files.file("train/a.rec", records(5)).open(options(5))->stretched_pass(milliseconds(0)), 2));
  EXPECT_EQ(pictures->stretched_pass(milliseconds(20)), nullptr) << "the sender makes no third FIFO";
}

TEST(Pipe, ShufflesTheSameWayWhateverTheThreads) {
  PictureOptions given = options(60, true);
  Job one, other;
  const PassContent first = read(*one.pipe("train", {records(60)}).open(given)->pass(0), 2);
  EXPECT_THAT(first.labels, UnorderedElementsAreArray(up_to(60)));
  EXPECT_NE(first.labels, up_to(60));
  given.threads = 1;
  EXPECT_EQ(read(*other.pipe("train", {records(60)}).open(given)->pass(0), 2), first);
}

TEST(Pipe, IsDividedAmongHosts) {
  std::vector<float> trained, validated;
  for (int host = 1; host <= 3; ++host) {
    Job job;
    job.pipe("train", {records(8)}).pipe("validation", {records(8)}).host(host, 3);
    const auto training = read(*job.open(options(8, true))->pass(0), 2).labels;
    EXPECT_EQ(training.size(), 2U);
    trained.insert(trained.end(), training.begin(), training.end());
    const auto validation = read(*job.open(options(8), "validation")->pass(0), 2).labels;
    validated.insert(validated.end(), validation.begin(), validation.end());
    EXPECT_THAT(job.log, HasSubstr("Pipe mode on 3 instances"));
  }
  EXPECT_THAT(trained, UnorderedElementsAreArray(up_to(6)));
  EXPECT_THAT(validated, UnorderedElementsAreArray(up_to(8)));
}

/// A manifest's stream: pictures alternate with the given texts.
std::string manifest(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) {
    formats::append_recordio(out, test_file("420.jpg"));
    formats::append_recordio(out, label);
  }
  return out;
}

TEST(Manifest, TakesEveryFormOfOneLabel) {
  Job job;
  EXPECT_THAT(read(*job.pipe("train", {manifest({"1", "\"2\"", "0.0", " 1 "})}).open(options(3))->pass(0), 3).labels,
              ElementsAre(1, 2, 0, 1));
}

TEST(Manifest, TakesVectorsAndListsOfClasses) {
  PictureOptions given = options(3);
  given.multi_label = true;
  for (const char* type :
       {"application/x-recordio", "application/x-recordio; label-format=multi-hot", "application/x-image"}) {
    Job job;
    EXPECT_THAT(
        read(*job.pipe("train", {manifest({"[1, 0, 1]", "\"[0, 1, 1]\""})}, type).open(given)->pass(0), 3).labels,
        ElementsAre(1, 0, 1, 0, 1, 1));
  }
  Job job;
  job.pipe("train", {manifest({"[2]", "\"[0, 1]\"", "[]", "1"})}, "application/x-recordio;label-format=class-id");
  EXPECT_THAT(read(*job.open(given)->pass(0), 3).labels, ElementsAre(0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0));
}

TEST(Manifest, LearnsClassNamesFromMetadataWhereTheyAreSent) {
  std::string bytes;
  for (const auto& [label, name] : {std::pair{"1", "dog"}, {"0", "cat"}, {"1", "dog"}}) {
    bytes += manifest({label});
    formats::append_recordio(bytes, fmt::format("{{\"class-name\": \"{}\", \"confidence\": 0.9}}", name));
  }
  Job job;
  const auto pictures = job.pipe("train", {bytes}).open(options(2));
  EXPECT_THAT(pictures->class_names(), IsEmpty());
  EXPECT_THAT(read(*pictures->pass(0), 3).labels, ElementsAre(1, 0, 1));
  EXPECT_THAT(pictures->class_names(), ElementsAre("cat", "dog"));
}

TEST(Manifest, OfWrongFormIsRefused) {
  const auto failure = [](const std::string& bytes, bool multi_label = false,
                          const std::string& type = "application/x-recordio") {
    PictureOptions given = options(3);
    given.multi_label = multi_label;
    return Job().pipe("train", {bytes}, type).failure(given);
  };
  EXPECT_EQ(failure(manifest({"0", "3"})),
            "train_0: sample 2: label 3 is not one of the classes 0 to 2 (num_classes 3)");
  EXPECT_EQ(failure(manifest({"[0, 1, 0]"})),
            "train_0: sample 1: the label is a list, but multi_label is 0: [0, 1, 0]");
  EXPECT_EQ(failure(manifest({"[0, 1]"}), true),
            "train_0: sample 1: 2 labels, but multi_label wants 0 or 1 for each of 3 classes");
  EXPECT_THAT(failure(manifest({"dog"})), HasSubstr("train_0: sample 1: "));
  EXPECT_THAT(failure(manifest({"{}"})), HasSubstr("train_0: sample 1: the label {} is neither a number nor"));
  std::string cut = manifest({"0"});
  formats::append_recordio(cut, test_file("420.jpg"));
  EXPECT_THAT(failure(cut), HasSubstr("train_0: sample 2: has no label"));
  std::string reversed;
  formats::append_recordio(reversed, "1");
  formats::append_recordio(reversed, test_file("420.jpg"));
  EXPECT_THAT(failure(reversed), HasSubstr("AttributeNames must be the picture and then its label"));
  std::string wrapped;
  formats::append_recordio(wrapped, records(2));
  EXPECT_THAT(failure(wrapped), HasSubstr("RecordWrapperType must be None"));
  EXPECT_THAT(failure(manifest({"0"}), false, "application/x-recordio;label-format=words"),
              HasSubstr("label-format=words of the content type is not one of multi-hot, class-id"));
  EXPECT_THAT(failure(test_file("420.jpg")), HasSubstr("train_0: record 1 has the wrong magic number"));
}

TEST(Pass, EndsAtAnyMomentWithoutWaiting) {
  Job job;
  PictureOptions given = options(200, true);
  given.augmentation = vision::Augmentation::kCrop;
  const auto pictures = job.file("train/a.rec", records(200)).open(given);
  Batch batch;
  for (int taken = 0; taken < 12; ++taken) {
    const auto pass = pictures->pass(taken);
    for (int i = 0; i < taken; ++i) ASSERT_TRUE(pass->next(batch, 5));
  }
}

TEST(Pass, OverASilentFifoCanBeDroppedAndStopped) {
  Job job;
  const auto pictures = job.pipe("train", {}).open(options(5));
  for (const std::int64_t number : {0, 1}) {
    const auto path = job.fifo("train", number);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    const UniqueFd writer = open_file(path, O_RDWR);  // writes one record and then nothing, but does not end
    write_all(writer.get(), std::string_view(records(1)), "fifo");
    const auto pass = pictures->pass(number);
    Batch batch;
    if (number == 0) {
      ASSERT_TRUE(pass->next(batch, 1));
      continue;  // dropped
    }
    std::jthread stopper([&job] { job.stopped = true; });
    EXPECT_THROW(while (pass->next(batch, 1)){}, Error);
  }
}

TEST(Pass, GivesGreyPicturesWhereTheNetworkReadsGrey) {
  Job job;
  PictureOptions given = options(3);
  given.image = {1, 20, 24};
  given.augmentation = vision::Augmentation::kCropColorTransform;
  const auto pictures = job.file("train/a.rec", records(3)).open(given);
  EXPECT_EQ(read(*pictures->pass(0), 3).pixels.size(), 3U * 20 * 24);
}

}  // namespace
}  // namespace clary::image_classification
