// SPDX-License-Identifier: Apache-2.0
// A checkpoint from a stranger, as the shell, Linear Learner and NTM read it: only Error may escape.
#include "algorithms/linear_learner/train/checkpoint.h"
#include "algorithms/ntm/train/checkpoint.h"
#include "base/error.h"
#include "learning/shell/checkpoint.h"

namespace {

template <class F>
void attempt(F&& f) {
  try {
    f();
  } catch (const clary::Error&) {  // NOLINT: the expected answer
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace clary;
  static const Json identity = Json::object();  // seeds are of this one
  attempt([&] {
    const auto found =
        shell::Checkpoint::from_bytes(std::string_view(reinterpret_cast<const char*>(data), size), identity);
    if (!found) return;
    attempt([&] {
      linear_learner::Checkpoint c = linear_learner::from_shell(*found, 2, 4, 1);
      linear_learner::take_slice(*found, linear_learner::Lanes::of(2, 1), 4, c);
    });
    attempt([&] { ntm::from_shell(*found, {6, 3, {7, 5}, ntm::kernels::Activation::kTanh, true}); });
  });
  return 0;
}
