// SPDX-License-Identifier: Apache-2.0
// Decimal text to float32, correctly rounded. Three fast paths (up to 8 and up to 16 characters with a dot or without,
// and the long forms that Python and NumPy print) work on whole words; everything else goes to fast_float. Internal to
// formats.
#pragma once

#include <fast_float/fast_float.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>

namespace clary::formats {

namespace number_detail {

inline constexpr std::array<float, 9> kPowers10f{1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f};
inline constexpr std::array<double, 23> kPowers10{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};  // all exact
inline constexpr std::uint64_t kHighBits = 0x8080808080808080;

inline std::uint64_t load8(const char* p) noexcept {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

/// High bit of every byte that is not 0..9.
inline std::uint64_t non_digits(std::uint64_t digits) noexcept {
  return ((digits + 0x7676767676767676) | digits) & kHighBits;
}

/// Eight digits, the first in the lowest byte, to a number: three multiply-and-add steps on ever wider lanes.
inline std::uint64_t eight_digits(std::uint64_t digits) noexcept {
  digits = digits * 10 + (digits >> 8);
  const std::uint64_t mask = 0x000000FF000000FF;
  return (((digits & mask) * (100 + (1000000ULL << 32))) + (((digits >> 16) & mask) * (1 + (10000ULL << 32)))) >> 32;
}

/// True when the double lies exactly between two floats, so that rounding twice could differ from rounding once.
inline bool is_float_midpoint(double value) noexcept {
  return (std::bit_cast<std::uint64_t>(value) & 0x1FFFFFFF) == 0x10000000;
}

/// Takes the dot at the flagged byte out of eight characters; the digits before it move up one byte, the lowest becomes
/// 0. False when that byte is no dot.
inline bool remove_dot(std::uint64_t& digits, std::uint64_t flag) noexcept {
  const int bit = std::countr_zero(flag);  // 8 * byte + 7
  if (((digits >> (bit - 7)) & 0xFF) != ('.' ^ '0')) return false;
  const std::uint64_t above = bit == 63 ? 0 : ~std::uint64_t{0} << (bit + 1);
  const std::uint64_t below = (std::uint64_t{1} << (bit - 7)) - 1;
  digits = (digits & above) | ((digits & below) << 8);
  return true;
}

inline float with_sign(float value, bool negative) noexcept {
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ (static_cast<std::uint32_t>(negative) << 31));
}

}  // namespace number_detail

/// Parses [begin, end) when it is a plain decimal of 1..16 characters after the sign. Reads up to 16 bytes before
/// `end`, which must be readable.
inline bool parse_short_decimal(const char* begin, const char* end, float& out) noexcept {
  namespace d = number_detail;
  const bool negative = *begin == '-';
  begin += negative ? 1 : 0;
  const auto size = static_cast<std::size_t>(end - begin);
  float value;
  if (size - 1 < 8) {
    const std::uint64_t keep = ~std::uint64_t{0} << (8 * (8 - size));
    std::uint64_t digits = (d::load8(end - 8) ^ 0x3030303030303030) & keep;
    const std::uint64_t odd = d::non_digits(digits);
    if (odd == 0) {
      value = static_cast<float>(static_cast<std::int32_t>(d::eight_digits(digits)));
    } else {
      if ((odd & (odd - 1)) != 0 || size == 1 || !d::remove_dot(digits, odd)) return false;
      // At most 7 digits and a power up to 10^7: both exact in float32, so one division rounds correctly.
      value = static_cast<float>(static_cast<std::int32_t>(d::eight_digits(digits))) /
              d::kPowers10f[static_cast<std::size_t>(std::countl_zero(odd) / 8)];
    }
  } else if (size - 1 < 16) {
    const std::uint64_t keep = ~std::uint64_t{0} << (8 * (16 - size) & 63);
    std::uint64_t high = (d::load8(end - 16) ^ 0x3030303030303030) & keep;
    std::uint64_t low = d::load8(end - 8) ^ 0x3030303030303030;
    const std::uint64_t odd_high = d::non_digits(high);
    const std::uint64_t odd_low = d::non_digits(low);
    if ((odd_high != 0 && odd_low != 0) || (odd_high & (odd_high - 1)) != 0 || (odd_low & (odd_low - 1)) != 0)
      return false;
    std::size_t decimals = 0;
    if (odd_low != 0) {
      if (!d::remove_dot(low, odd_low)) return false;
      low |= high >> 56;
      high <<= 8;
      decimals = static_cast<std::size_t>(std::countl_zero(odd_low) / 8);
    } else if (odd_high != 0) {
      if (!d::remove_dot(high, odd_high)) return false;
      decimals = static_cast<std::size_t>(std::countl_zero(odd_high) / 8) + 8;
    }
    const std::uint64_t mantissa = d::eight_digits(high) * 100000000 + d::eight_digits(low);
    if (mantissa >> 53 != 0) return false;
    const double exact = static_cast<double>(mantissa) / d::kPowers10[decimals];
    if (d::is_float_midpoint(exact)) return false;
    value = static_cast<float>(exact);
  } else {
    return false;
  }
  out = number_detail::with_sign(value, negative);
  return true;
}

/// Parses [begin, end) of 17 or more characters: digits with a dot among the first 16 characters, any number of further
/// digits, perhaps an exponent (Python's repr of a double, numpy.savetxt's %.18e). The first 15 digits give a lower
/// bound, one more in the last of them an upper one; when both round to the same float32, so does the number.
inline bool parse_long_decimal(const char* begin, const char* end, float& out) noexcept {
  namespace d = number_detail;
  const bool negative = *begin == '-';
  begin += negative ? 1 : 0;
  if (end - begin < 17) return false;
  std::uint64_t high = d::load8(begin) ^ 0x3030303030303030;
  std::uint64_t low = d::load8(begin + 8) ^ 0x3030303030303030;
  const std::uint64_t odd_high = d::non_digits(high);
  const std::uint64_t odd_low = d::non_digits(low);
  if ((odd_high == 0) == (odd_low == 0) || (odd_high & (odd_high - 1)) != 0 || (odd_low & (odd_low - 1)) != 0)
    return false;
  int exponent;  // of the 15th digit
  if (odd_low != 0) {
    if (!d::remove_dot(low, odd_low)) return false;
    low |= high >> 56;
    high <<= 8;
    exponent = (std::countr_zero(odd_low) / 8 + 8) - 15;
  } else {
    if (!d::remove_dot(high, odd_high)) return false;
    exponent = std::countr_zero(odd_high) / 8 - 15;
  }
  const char* at = begin + 16;
  while (at != end && static_cast<unsigned char>(*at - '0') < 10) ++at;
  const bool more_digits = at != begin + 16;
  if (at != end) {
    if ((*at | 0x20) != 'e' || ++at == end) return false;
    const bool minus = *at == '-';
    if (*at == '-' || *at == '+') ++at;
    if (at == end || end - at > 3) return false;
    int power = 0;
    for (; at != end; ++at) {
      if (static_cast<unsigned char>(*at - '0') >= 10) return false;
      power = 10 * power + (*at - '0');
    }
    exponent += minus ? -power : power;
  }
  if (exponent < -22 || exponent > 22) return false;
  const double ten = d::kPowers10[static_cast<std::size_t>(exponent < 0 ? -exponent : exponent)];
  const auto digits = static_cast<double>(d::eight_digits(high) * 100000000 + d::eight_digits(low));
  const double least = exponent < 0 ? digits / ten : digits * ten;
  const double most = !more_digits ? least : exponent < 0 ? (digits + 1) / ten : (digits + 1) * ten;
  const auto value = static_cast<float>(least);
  if (value != static_cast<float>(most) || d::is_float_midpoint(least) || d::is_float_midpoint(most)) return false;
  if (!std::isfinite(value)) return false;
  out = d::with_sign(value, negative);
  return true;
}

enum class NumberProblem { kNone, kNotANumber, kEmpty, kNotFinite, kOutOfRange };

/// The general path: blanks around, a sign, double quotes around, exponents, nan, inf.
inline NumberProblem parse_any_number(std::string_view text, float& out) {
  const auto trim = [](std::string_view t) {
    while (!t.empty() && (t.front() == ' ' || t.front() == '\t')) t.remove_prefix(1);
    while (!t.empty() && (t.back() == ' ' || t.back() == '\t')) t.remove_suffix(1);
    return t;
  };
  text = trim(text);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = trim(text.substr(1, text.size() - 2));
  if (text.empty()) return NumberProblem::kEmpty;
  std::string_view number = text;
  if (number.front() == '+' && number.size() > 1 && number[1] != '-') number.remove_prefix(1);
  const auto [end, error] = fast_float::from_chars(number.data(), number.data() + number.size(), out);
  if (end != number.data() + number.size() || (error != std::errc() && error != std::errc::result_out_of_range)) {
    return NumberProblem::kNotANumber;
  }
  if (std::isfinite(out)) return NumberProblem::kNone;
  const char last = number.back();  // a digit or dot only when a finite number overflowed
  return (last >= '0' && last <= '9') || last == '.' ? NumberProblem::kOutOfRange : NumberProblem::kNotFinite;
}

}  // namespace clary::formats
