// SPDX-License-Identifier: Apache-2.0
// Picture files to what a network reads: decode, shorter side to 256, crop 224 x 224, mirror, and the random changes of
// training. Driven by pictures_preparing.py, which runs OpenCV in the same run and compares the pixels first.
//   pictures_preparing LIST none|crop|crop_color|crop_color_transform THREADS REPEATS [PIXELS]
// LIST: a file of paths. Prints the best time of all files in seconds; PIXELS: where the prepared pictures are written
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/image_classification/data/prepare.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace {

using namespace clary;
constexpr nn::MapShape kImage{3, 224, 224};
constexpr std::int64_t kShorterSide = 256;

vision::Augmentation augmentation_of(const std::string& name) {
  using enum vision::Augmentation;
  return std::map<std::string, vision::Augmentation>{
      {"none", kNone}, {"crop", kCrop}, {"crop_color", kCropColor}, {"crop_color_transform", kCropColorTransform}}
      .at(name);
}

std::vector<std::string> files_of(const std::string& list) {
  std::vector<std::string> out;
  const std::string text = read_file(list);
  for (const auto path : split(trimmed(text), '\n')) out.push_back(read_file(std::string(path)));
  return out;
}

/// Files thread, thread + threads, ...; every file into its place of `pixels`.
void prepare_some(const std::vector<std::string>& files, vision::Augmentation augmentation, std::size_t thread,
                  std::size_t threads, std::string& pixels) {
  image_classification::Preparer preparer(kImage, kShorterSide);
  const auto size = static_cast<std::size_t>(kImage.size());
  for (std::size_t i = thread; i < files.size(); i += threads) {
    vision::Draw draw = vision::draw(augmentation, numeric::PhiloxStream(1, i));
    draw.mirror = true;  // the same work for every picture
    preparer.prepare(std::as_bytes(std::span(files[i])), draw, reinterpret_cast<std::uint8_t*>(&pixels[i * size]));
  }
}

double seconds_of(const std::vector<std::string>& files, vision::Augmentation augmentation, std::size_t threads,
                  std::string& pixels) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> workers;
  for (std::size_t t = 1; t < threads; ++t)
    workers.emplace_back([&, t] { prepare_some(files, augmentation, t, threads, pixels); });
  prepare_some(files, augmentation, 0, threads, pixels);
  for (auto& worker : workers) worker.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return fmt::print(stderr, "pictures_preparing LIST AUGMENTATION THREADS REPEATS [PIXELS]\n"), 2;
  try {
    const auto files = files_of(argv[1]);
    std::string pixels(files.size() * static_cast<std::size_t>(kImage.size()), '\0');
    double best = 1e9;
    for (int i = 0; i < std::stoi(argv[4]); ++i)
      best = std::min(best, seconds_of(files, augmentation_of(argv[2]), std::stoul(argv[3]), pixels));
    if (argc > 5) write_file_atomically(argv[5], pixels);
    fmt::print("{{\"files\": {}, \"seconds\": {}}}\n", files.size(), best);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
