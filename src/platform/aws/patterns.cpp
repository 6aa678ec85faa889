// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/patterns.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"

namespace clary::aws {

namespace {

// Bounds the CPU time for a user's text against the model's patterns, some of which backtrack; a text that exceeds it
// does not match.
constexpr std::uint32_t kMaxSteps = 200'000;
constexpr std::uint32_t kMaxHeapKib = 4096;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;

/// What Java reads differently: a range between surrogate pairs is one between code points, and a repeated "$" is "$".
std::string as_pcre(std::string text) {
  constexpr std::string_view kPairs = "\\uD800\\uDC00-\\uDBFF\\uDFFF";
  if (const auto at = text.find(kPairs); at != std::string::npos)
    text.replace(at, kPairs.size(), "\xF0\x90\x80\x80-\xF4\x8F\xBF\xBF");
  if (const auto at = text.find("${"); at != std::string::npos && text.ends_with('}')) text.resize(at + 1);
  return text;
}

Code compiled(const char* java) {
  const std::string pattern = as_pcre(java);
  int error = 0;
  PCRE2_SIZE at = 0;
  // The options make PCRE2 read what Java's Pattern.matches() does: the whole text, \uXXXX escapes, UTF-8.
  constexpr std::uint32_t kOptions = PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_ANCHORED | PCRE2_ENDANCHORED;
  return Code(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), kOptions, &error, &at, nullptr));
}

/// Compiled patterns by the address of their text, which is a constant of the generated model. Never shrinks: they are
/// a fixed few hundred.
/// Under the lock for the compilation too, which happens once for each pattern. The returned pointer stays valid: the
/// map's values are never erased.
const pcre2_code* cached(const char* pattern) {
  struct Cache {
    Mutex mutex;
    std::unordered_map<const char*, Code> codes GUARDED_BY(mutex);
  };
  static Cache cache;
  const MutexLock lock(cache.mutex);
  const auto hit = cache.codes.find(pattern);
  if (hit != cache.codes.end()) return hit->second.get();
  return cache.codes.emplace(pattern, compiled(pattern)).first->second.get();
}

// One per thread: a match context and its memory cannot be shared between threads.
struct Matching {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  Matching() {
    pcre2_set_match_limit(context, kMaxSteps);
    pcre2_set_depth_limit(context, kMaxSteps);
    pcre2_set_heap_limit(context, kMaxHeapKib);
  }
  Matching(const Matching&) = delete;
  Matching& operator=(const Matching&) = delete;
  ~Matching() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
};

}  // namespace

bool is_valid_pattern(const char* pattern) { return cached(pattern) != nullptr; }

bool matches_pattern(const char* pattern, std::string_view text) {
  const pcre2_code* code = cached(pattern);
  if (code == nullptr) return true;  // no rule to apply; a test sees that this does not happen
  thread_local Matching matching;
  return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0, 0, matching.data,
                     matching.context) >= 0;
}

}  // namespace clary::aws
