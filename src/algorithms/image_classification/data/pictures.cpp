// SPDX-License-Identifier: Apache-2.0
// Which form a channel has, and the object that serves it.
#include "algorithms/image_classification/data/pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "algorithms/image_classification/data/listed_pictures.h"
#include "algorithms/image_classification/data/loader.h"
#include "algorithms/image_classification/data/piped_pictures.h"
#include "algorithms/image_classification/data/record_pictures.h"
#include "algorithms/image_classification/data/share.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace clary::image_classification {
namespace {

using formats::InputFile;
using shell::TrainContext;

[[noreturn]] void fail(const std::string& channel, const std::string& problem) {
  throw Error(Kind::kInvalid, fmt::format("channel {}: {}", channel, problem));
}

std::vector<InputFile> with_suffix(const std::vector<InputFile>& files, std::string_view suffix) {
  std::vector<InputFile> out;
  std::copy_if(files.begin(), files.end(), std::back_inserter(out),
               [suffix](const InputFile& file) { return lower(file.name).ends_with(suffix); });
  return out;
}

PictureOptions stretched(PictureOptions options) {
  options.stretch = true;
  return options;
}

/// The lines of classes.txt in the channel's folder, if there are as many as classes.
std::vector<std::string> names_in_file(TrainContext& context, const std::string& channel, std::int64_t classes) {
  const auto path = context.channel(channel).folder() / "classes.txt";
  if (!std::filesystem::is_regular_file(path)) return {};
  constexpr std::uint64_t kMaxBytes = 16 << 20;
  const std::string text = read_file(path, kMaxBytes);
  std::vector<std::string> out;
  for (const std::string_view line : split(text, '\n'))
    if (!trimmed(line).empty()) out.emplace_back(trimmed(line));
  if (out.size() == static_cast<std::size_t>(classes)) return out;
  context.log().warn("classes.txt of channel {} names {} classes, but num_classes is {}: the names are not used",
                     channel, out.size(), classes);
  return {};
}

/// Pictures in any order from files that are all there: `Files` are RecordFiles or ListedFiles.
template <class Files>
class OrderedSource : public Source {
 public:
  OrderedSource(std::shared_ptr<const Files> files, std::vector<std::int64_t> order)
      : files_(std::move(files)), order_(std::move(order)) {}

  bool take(Encoded& out) override {
    if (at_ == order_.size()) return false;
    out.number = order_[at_++];
    return true;
  }
  void load(Encoded& picture) const override { files_->load(picture); }
  std::string name_of(const Encoded& picture) const override { return files_->name_of(picture.number); }

 private:
  std::shared_ptr<const Files> files_;
  std::vector<std::int64_t> order_;
  std::size_t at_ = 0;
};

template <class Files>
class FilePictures : public Pictures {
 public:
  /// @param may_skip  whether some pictures may be unreadable
  FilePictures(TrainContext& context, std::string channel, const PictureOptions& options,
               std::shared_ptr<const Files> files, std::vector<std::string> names, bool may_skip)
      : context_(context),
        channel_(std::move(channel)),
        options_(options),
        files_(std::move(files)),
        share_(context, channel_, files_->count(), options.shuffle),
        names_(std::move(names)),
        may_skip_(may_skip) {}

  std::optional<std::int64_t> count() const override { return share_.total(); }

  std::unique_ptr<Pass> pass(std::int64_t epoch) override { return pass(epoch, options_); }
  std::unique_ptr<Pass> stretched_pass(std::chrono::milliseconds /*patience*/) override {
    return pass(0, stretched(options_));
  }

  std::vector<std::string> class_names() const override { return names_; }

 private:
  std::unique_ptr<Pass> pass(std::int64_t epoch, const PictureOptions& options) {
    auto order = share_.order(options_.seed, epoch);
    LoaderRules rules{channel_, epoch};
    if (may_skip_) rules.may_skip_of = std::max<std::int64_t>(static_cast<std::int64_t>(order.size()), 1);
    rules.replace_skipped = options_.shuffle && context_.hosts().size() > 1;
    auto source = std::make_unique<OrderedSource<Files>>(files_, std::move(order));
    return std::make_unique<Loader>(std::move(source), options, std::move(rules), context_.log());
  }

  TrainContext& context_;
  std::string channel_;
  PictureOptions options_;
  std::shared_ptr<const Files> files_;
  Share share_;
  std::vector<std::string> names_;
  bool may_skip_;
};

/// A loader that ends the reading of its stream first, which may be waiting for bytes.
class StreamPass : public Pass {
 public:
  StreamPass(std::shared_ptr<std::atomic<bool>> abandoned, std::unique_ptr<Loader> loader)
      : abandoned_(std::move(abandoned)), loader_(std::move(loader)) {}
  StreamPass(const StreamPass&) = delete;
  StreamPass& operator=(const StreamPass&) = delete;
  ~StreamPass() override { *abandoned_ = true; }

  bool next(Batch& out, std::int64_t pictures) override { return loader_->next(out, pictures); }
  std::int64_t enlarged() const override { return loader_->enlarged(); }
  std::int64_t skipped() const override { return loader_->skipped(); }

 private:
  std::shared_ptr<std::atomic<bool>> abandoned_;
  std::unique_ptr<Loader> loader_;
};

class StreamPictures : public Pictures {
 public:
  StreamPictures(TrainContext& context, std::string channel, const PictureOptions& options, const LabelForm& form)
      : context_(context), channel_(std::move(channel)), options_(options), form_(form) {}

  std::optional<std::int64_t> count() const override { return facts_->count(); }

  std::unique_ptr<Pass> pass(std::int64_t epoch) override { return pass(epoch, options_); }
  std::unique_ptr<Pass> stretched_pass(std::chrono::milliseconds patience) override {
    if (!context_.channel(channel_).has_next_pass(patience)) return nullptr;
    return pass(passes_, stretched(options_));
  }

  std::vector<std::string> class_names() const override { return facts_->names(form_.classes); }

 private:
  std::unique_ptr<Pass> pass(std::int64_t epoch, const PictureOptions& options) {
    auto abandoned = std::make_shared<std::atomic<bool>>(false);
    auto bytes = context_.channel(channel_).open_pipe([abandoned] { return abandoned->load(); });
    const StreamRules rules{form_, context_.hosts().rank(), context_.hosts().size(), options_.shuffle, options_.seed,
                            epoch};
    auto source =
        std::make_unique<PipedPictures>(std::move(bytes), fmt::format("{}_{}", channel_, passes_++), rules, facts_);
    auto loader = std::make_unique<Loader>(std::move(source), options, LoaderRules{channel_, epoch}, context_.log());
    return std::make_unique<StreamPass>(std::move(abandoned), std::move(loader));
  }

  TrainContext& context_;
  std::string channel_;
  PictureOptions options_;
  LabelForm form_;
  std::shared_ptr<StreamFacts> facts_ = std::make_shared<StreamFacts>();
  std::int64_t passes_ = 0;
};

// ---- one function per form of channel

std::unique_ptr<Pictures> open_stream(TrainContext& context, const std::string& channel, const PictureOptions& options,
                                      LabelForm form) {
  const shell::Channel& c = context.channel(channel);
  if (const auto labels = c.content_type().parameter("label-format")) {
    if (*labels != "multi-hot" && *labels != "class-id")
      fail(channel, fmt::format("label-format={} of the content type is not one of multi-hot, class-id", *labels));
    form.class_ids = *labels == "class-id";
  }
  if (context.hosts().size() > 1) {
    if (c.is_sharded())
      fail(channel,
           "ShardedByS3Key in Pipe mode with several instances would give them unequal numbers of batches; "
           "use FullyReplicated, of which each instance takes its share");
    context.log().info("channel {}: Pipe mode on {} instances: each reads the whole stream and takes every {}. picture",
                       channel, context.hosts().size(), context.hosts().size());
  }
  return std::make_unique<StreamPictures>(context, channel, options, form);
}

std::unique_ptr<Pictures> open_records(TrainContext& context, const std::string& channel, const PictureOptions& options,
                                       const LabelForm& form) {
  const shell::Channel& c = context.channel(channel);
  if (context.has_channel(channel + "_lst"))
    context.log().warn("channel {0}_lst is not used: channel {0} holds records, which have their labels.", channel);
  context.log().info("Searching for .rec files in {}.", c.folder().string());
  const auto all = c.files();
  const auto files = with_suffix(all, ".rec");
  if (files.empty())
    fail(channel, fmt::format("no .rec file among its {} files; with single pictures the content type must be "
                              "application/x-image, image/jpeg or image/png",
                              all.size()));
  auto records = std::make_shared<const RecordFiles>(files, form);
  if (records->count() == 0) fail(channel, "its .rec files hold no record");
  return std::make_unique<FilePictures<RecordFiles>>(context, channel, options, std::move(records),
                                                     names_in_file(context, channel, form.classes), false);
}

/// The one list of the channel's list channel.
InputFile list_of(TrainContext& context, const std::string& channel) {
  const std::string name = channel + "_lst";
  if (!context.has_channel(name)) fail(name, fmt::format("missing, but required with pictures in channel {}", channel));
  const shell::Channel& c = context.channel(name);
  context.log().info("Searching for .lst files in {}.", c.folder().string());
  const auto files = with_suffix(c.files(), ".lst");
  if (files.empty()) fail(name, "holds no .lst file");
  if (files.size() > 1)
    fail(name,
         fmt::format("holds {} .lst files ({}, {}, ...), must hold one", files.size(), files[0].name, files[1].name));
  return files.front();
}

std::unique_ptr<Pictures> open_list(TrainContext& context, const std::string& channel, const PictureOptions& options,
                                    const LabelForm& form) {
  const InputFile file = list_of(context, channel);
  context.log().info("Creating record files for {}", file.path.filename().string());
  formats::ImageList list = formats::parse_image_list(read_file(file.path, formats::kMaxImageListBytes), file.name);
  if (list.malformed > 0)
    context.log().warn("{}: {} malformed lines were left out; {}", file.name, list.malformed, list.first_problem);
  auto files =
      std::make_shared<const ListedFiles>(context.channel(channel).folder(), channel, file.name, std::move(list), form);
  context.log().info("Done creating record files...");
  auto names = names_in_file(context, channel, form.classes);
  if (names.empty()) names = files->folders_of_classes();
  return std::make_unique<FilePictures<ListedFiles>>(context, channel, options, std::move(files), std::move(names),
                                                     true);
}

enum class ChannelForm { kRecords, kList };

ChannelForm form_of(TrainContext& context, const std::string& channel) {
  const shell::Channel& c = context.channel(channel);
  const std::string& type = c.content_type().type;
  if (!c.has_content_type()) {  // by the files
    if (!with_suffix(c.files(), ".rec").empty()) return ChannelForm::kRecords;
    return context.has_channel(channel + "_lst") ? ChannelForm::kList : ChannelForm::kRecords;
  }
  if (type == "application/x-recordio" || type == "rec") return ChannelForm::kRecords;
  if (type == "application/x-image" || type == "image/jpeg" || type == "image/png" || type == "lst")
    return ChannelForm::kList;
  fail(channel, fmt::format("content type '{}' is not supported; expected one of application/x-recordio, "
                            "application/x-image, image/jpeg, image/png",
                            type));
}

}  // namespace

std::unique_ptr<Pictures> open_pictures(TrainContext& context, const std::string& channel,
                                        const PictureOptions& options) {
  const LabelForm form{options.classes, options.multi_label};
  if (context.channel(channel).is_pipe()) return open_stream(context, channel, options, form);
  if (context.channel(channel).content_type().parameter("label-format"))
    fail(channel, "label-format in the content type is for augmented manifests, which need Pipe mode");
  return form_of(context, channel) == ChannelForm::kRecords ? open_records(context, channel, options, form)
                                                            : open_list(context, channel, options, form);
}

}  // namespace clary::image_classification
