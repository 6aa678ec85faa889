// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/data/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "algorithms/image_classification/data/prepare.h"
#include "base/error.h"

namespace clary::image_classification {
namespace {

constexpr std::size_t kRingBytes = std::size_t{256} << 20;
constexpr std::uint64_t kDrawKey = 0x64726177ULL;  // "draw": apart from what else is drawn with the seed

/// The random numbers of one picture in one epoch: 24 bits of epoch, 40 of picture.
numeric::PhiloxStream stream_of(std::uint64_t seed, std::int64_t epoch, std::int64_t picture) {
  return {seed ^ kDrawKey, static_cast<std::uint64_t>(epoch) << 40 | static_cast<std::uint64_t>(picture)};
}

/// Slots: two batches decode ahead, as far as kRingBytes allow.
std::size_t ring_size(const nn::MapShape& image, int threads, std::int64_t pictures) {
  const std::size_t most = std::max<std::size_t>(kRingBytes / static_cast<std::size_t>(image.size()), 1);
  return std::max(std::min(2 * static_cast<std::size_t>(pictures), most),
                  2 * static_cast<std::size_t>(std::max(threads, 1)));
}

}  // namespace

std::int64_t loader_memory(const nn::MapShape& image, int threads, std::int64_t pictures) {
  return (static_cast<std::int64_t>(ring_size(image, threads, pictures)) + 2 * pictures) * image.size();
}

Loader::Loader(std::unique_ptr<Source> source, const PictureOptions& options, LoaderRules rules, shell::TrainLog& log)
    : source_(std::move(source)),
      options_(options),
      rules_(std::move(rules)),
      log_(log),
      picture_bytes_(static_cast<std::size_t>(options.image.size())) {}

Loader::~Loader() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Loader::start(std::int64_t pictures) {
  ring_.resize(ring_size(options_.image, options_.threads, pictures));
  source_->start(pictures);
  for (int i = 0; i < std::max(options_.threads, 1); ++i) threads_.emplace_back([this] { work(); });
}

void Loader::work() {
  Preparer preparer(options_.image, options_.resize);
  Encoded picture;
  while (Slot* slot = claim(picture)) {
    if (!slot->error) prepare(preparer, picture, *slot);
    publish(*slot);
  }
}

/// The next picture of the source and the slot for it; none when there are no more, or the loader is going. What the
/// source throws is put in the slot.
Loader::Slot* Loader::claim(Encoded& picture) {
  MutexLock in_order(source_mutex_);
  Slot* slot;
  {
    MutexLock lock(mutex_);
    const auto size = static_cast<std::int64_t>(ring_.size());
    room_.wait(lock, [this, size]() REQUIRES(mutex_) { return stopping_ || ended_ || claimed_ - taken_ < size; });
    if (stopping_ || ended_) return nullptr;
    slot = &ring_[static_cast<std::size_t>(claimed_ % size)];
  }
  bool more = false;
  slot->error = nullptr;
  try {
    more = source_->take(picture);
  } catch (...) {
    slot->error = std::current_exception();
  }
  MutexLock lock(mutex_);
  ended_ = !more;
  if (!more) filled_.notify_one();
  if (!more && !slot->error) return nullptr;
  ++claimed_;
  return slot;
}

/// Decodes into the slot, or says there why not.
void Loader::prepare(Preparer& preparer, Encoded& picture, Slot& slot) const {
  slot.problem.clear();
  try {
    source_->load(picture);
    slot.pixels.resize(picture_bytes_);
    const vision::Draw draw =
        vision::draw(options_.augmentation, stream_of(options_.seed, rules_.epoch, picture.number));
    if (options_.stretch)
      preparer.stretch(picture.file, vision::DecodeLimits{}.pixels, slot.pixels.data());
    else
      slot.enlarged = preparer.prepare(picture.file, draw, slot.pixels.data());
    std::swap(slot.labels, picture.labels);
  } catch (const Error& error) {
    const std::string problem = source_->name_of(picture) + ": " + error.what();
    if (rules_.may_skip_of > 0) {
      slot.problem = problem;
    } else {
      slot.error = std::make_exception_ptr(Error(error.kind(), problem));
    }
  } catch (...) {
    slot.error = std::current_exception();
  }
}

void Loader::publish(Slot& slot) {
  MutexLock lock(mutex_);
  slot.ready = true;
  filled_.notify_one();
}

/// The slot whose turn it is, once it is filled; none at the end of the pass.
Loader::Slot* Loader::wait_for_next() {
  MutexLock lock(mutex_);
  Slot& slot = ring_[static_cast<std::size_t>(taken_) % ring_.size()];
  filled_.wait(lock, [&]() REQUIRES(mutex_) { return slot.ready || (ended_ && taken_ == claimed_); });
  return slot.ready ? &slot : nullptr;
}

void Loader::release() {
  {
    MutexLock lock(mutex_);
    ring_[static_cast<std::size_t>(taken_) % ring_.size()].ready = false;
    ++taken_;
  }
  room_.notify_one();
}

bool Loader::next(Batch& out, std::int64_t pictures) {
  if (pictures < 1) throw Error(Kind::kInternal, "a batch of no pictures");
  if (threads_.empty()) start(pictures);
  out.pictures = 0;
  out.labels.clear();
  while (out.pictures < pictures) {
    fill_up(out, pictures);
    if (out.pictures == pictures) break;
    make_room(out, pictures);
    Slot* slot = wait_for_next();
    if (slot == nullptr) break;
    if (slot->error) std::rethrow_exception(slot->error);
    if (!slot->problem.empty()) {
      skip(slot->problem);
    } else {
      append(slot->pixels, slot->labels, out), ++out.pictures;
      enlarged_ += slot->enlarged ? 1 : 0;
      if (rules_.replace_skipped) std::swap(last_pixels_, slot->pixels), last_labels_ = slot->labels;
    }
    release();
  }
  out.pixels.resize(static_cast<std::size_t>(out.pictures) * picture_bytes_);
  return out.pictures > 0 || end_pass();
}

/// For one more picture. The memory grows with what the channel holds, not with what the batch may hold.
void Loader::make_room(Batch& out, std::int64_t pictures) const {
  const std::size_t needed = (static_cast<std::size_t>(out.pictures) + 1) * picture_bytes_;
  if (needed > out.pixels.capacity())
    out.pixels.reserve(std::min(2 * needed, static_cast<std::size_t>(pictures) * picture_bytes_));
  if (needed > out.pixels.size()) out.pixels.resize(needed);
}

void Loader::append(const std::vector<std::uint8_t>& pixels, const std::vector<float>& labels, Batch& out) const {
  std::memcpy(out.pixels.data() + static_cast<std::size_t>(out.pictures) * picture_bytes_, pixels.data(),
              picture_bytes_);
  out.labels.insert(out.labels.end(), labels.begin(), labels.end());
}

void Loader::skip(const std::string& problem) {
  log_.warn("skipped {}", problem);
  ++skipped_;
  owed_ += rules_.replace_skipped ? 1 : 0;
  if (skipped_ * 100 > rules_.may_skip_of)
    throw Error(Kind::kInvalid, fmt::format("channel {}: {} of {} listed pictures could not be read, at most 1 % may "
                                            "be; the last: {}",
                                            rules_.channel, skipped_, rules_.may_skip_of, problem));
}

/// Repeats the last good picture for each that was skipped.
void Loader::fill_up(Batch& out, std::int64_t pictures) {
  for (; owed_ > 0 && !last_pixels_.empty() && out.pictures < pictures; --owed_, ++out.pictures) {
    make_room(out, pictures);
    append(last_pixels_, last_labels_, out);
  }
}

bool Loader::end_pass() {
  if (enlarged_ > 0 && !std::exchange(reported_, true))
    log_.warn("channel {}: {} pictures of this pass were smaller than {} x {} pixels and were enlarged", rules_.channel,
              enlarged_, options_.image.width, options_.image.height);
  return false;
}

}  // namespace clary::image_classification
