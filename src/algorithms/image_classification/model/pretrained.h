// SPDX-License-Identifier: Apache-2.0
// Weights of a network that was trained elsewhere, for transfer learning: where they are looked for, and how files of
// other programs become this algorithm's parameters. Whatever the source, the network reads raw bytes of 0..255.
//
//   source                          files                      known by
//   MXNet's examples, v2 and v1     .params (+ symbol.json)    conv0_weight, stage1_unit1_conv1_weight
//   this program, any artifact      .safetensors, .params      the same; the topology from metadata or the symbol
//   Gluon v2                        .params                    features.1.weight, features.5.0.conv1.weight
//   ONNX of any of these            .onnx                      the structure of the graph
//   torchvision, timm (v1.5)        .pth, .pt, .safetensors    conv1.weight, layer1.0.conv1.weight
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "algorithms/image_classification/model/resnet.h"
#include "learning/nn/parameters.h"

namespace clary::image_classification {

/// The one file of that depth in the first of the folders that has any: resnet-50*, resnet50*, resnet-v2-50* with
/// ending .safetensors, .pth, .pt, .onnx or .params, or the .params of an artifact (image-classification-0010.params).
/// @throws Error{kNotFound} that lists what was looked for, where, and how to get one; Error{kInvalid} naming the files
/// when there are several
std::filesystem::path find_pretrained(std::int64_t layers, std::span<const std::filesystem::path> folders);

/// What an operator does to have such a file, in one sentence with commands.
std::string how_to_get_pretrained(std::int64_t layers);

struct Pretrained {
  Description description;  // as wanted, with the file's topology
  nn::Parameters parameters;
  std::filesystem::path file;
  std::string sha256;             // hexadecimal, of the file
  std::string source;             // "torchvision ResNet v1.5"
  int taken = 0;                  // arrays
  std::vector<std::string> left;  // arrays of the file that have no place in the network

  /// "resnet-50.pth (sha256 ...): torchvision ResNet v1.5; 265 arrays taken, 55 left (fc.weight, ...)"
  std::string summary() const;
};

enum class Head {
  kNew,            // random numbers, whatever the file has
  kFromFileIfFits  // the file's, when it has as many classes
};

/// Reads the file into a network of that depth; what the file does not give is initialised by `seed`.
/// @param wanted  layers, image, classes and head's name; its topology is not used
/// @throws Error{kMalformed} naming file and array: another depth, a network of another kind, arrays of another shape
Pretrained import_pretrained(const std::filesystem::path& file, const Description& wanted, std::uint64_t seed,
                             Head head = Head::kNew);

}  // namespace clary::image_classification
