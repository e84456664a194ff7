#include "auth/key_text.hpp"

#include <algorithm>

#include "auth/crypto.hpp"
#include "base/check.hpp"

namespace pp::auth {
namespace {

constexpr std::string_view base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::string_view base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t base32_key_size = 52;
constexpr std::size_t checksum_size = 4;
constexpr std::string_view checksum_label{"pp/1 key text\0", 14};

/// Writes `to.size()` digits of `width` bits each; missing bits at the end are zero.
void to_digits(byte_view from, std::string_view alphabet, unsigned width, mutable_byte_view to) {
  std::uint32_t held = 0;
  unsigned bits = 0;
  std::size_t next = 0;
  for (auto& digit : to) {
    while (bits < width) {
      held = held << 8U | (next < from.size() ? from[next] : 0U);
      ++next;
      bits += 8;
    }
    bits -= width;
    digit = static_cast<std::uint8_t>(alphabet[held >> bits & ((1U << width) - 1)]);
  }
}

/// The bytes behind digits; false if a digit is unknown or a left-over bit is not zero.
bool from_digits(std::string_view digits, std::string_view alphabet, unsigned width, mutable_byte_view to) {
  std::uint32_t held = 0;
  unsigned bits = 0;
  std::size_t next = 0;
  for (const char c : digits) {
    const auto value = alphabet.find(c);
    if (value == std::string_view::npos) return false;
    held = held << width | static_cast<std::uint32_t>(value);
    bits += width;
    if (bits < 8) continue;
    bits -= 8;
    if (next < to.size()) to[next++] = static_cast<std::uint8_t>(held >> bits);
  }
  return next == to.size() && (held & ((1U << bits) - 1)) == 0;
}

std::array<std::uint8_t, checksum_size> checksum_of(byte_view raw) {
  std::array<std::uint8_t, checksum_size> text{};
  to_digits(sha256({as_bytes(checksum_label), raw}), base32, 5, text);
  return text;
}

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
bool is_gap(char c) { return c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

secret to_key_text(const secret& raw) {
  PP_CHECK(raw.size() == raw_key_size);
  secret text(key_text_size);
  to_digits(raw.view(), base32, 5, text.writable().first(base32_key_size));
  const auto checksum = checksum_of(raw.view());
  std::copy(checksum.begin(), checksum.end(), text.writable().begin() + base32_key_size);
  return text;
}

bool looks_like_key_text(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) {
    if (is_gap(c)) continue;
    if (base32.find(upper(c)) == std::string_view::npos) return false;
    ++count;
  }
  return count == key_text_size;
}

std::optional<secret> from_key_text(std::string_view text) {
  if (!looks_like_key_text(text)) return std::nullopt;
  secret digits(key_text_size);
  std::size_t next = 0;
  for (const char c : text) {
    if (!is_gap(c)) digits.writable()[next++] = static_cast<std::uint8_t>(upper(c));
  }
  const auto letters = as_text(digits.view());
  secret raw(raw_key_size);
  if (!from_digits(letters.substr(0, base32_key_size), base32, 5, raw.writable())) return std::nullopt;
  if (!constant_time_equal(checksum_of(raw.view()), digits.view().subspan(base32_key_size))) return std::nullopt;
  return raw;
}

secret to_base64url(const secret& raw) {
  PP_CHECK(raw.size() == raw_key_size);
  secret text(base64_key_size);
  to_digits(raw.view(), base64, 6, text.writable());
  return text;
}

std::optional<secret> from_base64url(std::string_view text) {
  secret raw(raw_key_size);
  if (text.size() != base64_key_size || !from_digits(text, base64, 6, raw.writable())) return std::nullopt;
  return raw;
}

}  // namespace pp::auth
