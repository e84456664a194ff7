#include "auth/passphrase.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "auth/crypto.hpp"

namespace pp::auth {
namespace {

// No cluster name exists in this release; it would stand behind the bar.
constexpr std::string_view scrypt_salt = "pp/1 scrypt|";

constexpr double bits_per_word_start = 4.5;   // each of the first two letters of a word
constexpr double bits_per_word_letter = 2.0;  // a further letter of a word says little
constexpr double bits_per_digit = 3.0;
constexpr double bits_per_sign = 4.5;
constexpr double bits_per_guessable = 0.5;  // goes on with a sequence or a repetition
constexpr std::size_t longest_period = 8;

// Published, so known to every guesser. The first is the built-in secret of ppft.
constexpr std::array<std::string_view, 9> known = {
    "epo20pdosl;dksldkmm",
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "correct-horse-battery-staple",
    "the quick brown fox jumps over the lazy dog",
    "to be or not to be, that is the question",
    "lorem ipsum dolor sit amet",
    "may the force be with you",
    "this is my password",
};

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

/// True if text[i] follows from what stands before it: abc, 321, aaa, or a pattern that comes again.
bool is_guessable(std::string_view text, std::size_t i) {
  if (i >= 1 && text[i] == text[i - 1]) return true;
  if (i >= 2 && text[i] - text[i - 1] == text[i - 1] - text[i - 2] && std::abs(text[i] - text[i - 1]) == 1) return true;
  for (std::size_t period = 2; period <= longest_period && i >= 2 * period - 1; ++period) {
    if (text.substr(i + 1 - period, period) == text.substr(i + 1 - 2 * period, period)) return true;
  }
  return false;
}

}  // namespace

double estimated_bits(std::string_view passphrase) {
  std::string text(passphrase);
  std::transform(text.begin(), text.end(), text.begin(), lower);
  double bits = 0;
  std::size_t letters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    letters = is_letter(text[i]) ? letters + 1 : 0;
    if (is_guessable(text, i)) {
      bits += bits_per_guessable;
    } else if (letters > 0) {
      bits += letters <= 2 ? bits_per_word_start : bits_per_word_letter;
    } else {
      bits += is_digit(text[i]) ? bits_per_digit : text[i] == ' ' ? 1.0 : bits_per_sign;
    }
  }
  erase({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return bits;
}

std::string why_weak(std::string_view passphrase) {
  if (passphrase.size() < min_passphrase_size) return "is shorter than 16 characters";
  const auto same = [&](std::string_view other) {
    return std::equal(passphrase.begin(), passphrase.end(), other.begin(), other.end(),
                      [](char a, char b) { return lower(a) == b; });
  };
  if (std::any_of(known.begin(), known.end(), same)) return "is published and the first thing that a stranger tries";
  if (estimated_bits(passphrase) < min_passphrase_bits) return "is easy to guess (under 60 estimated bits)";
  return {};
}

secret stretch(std::string_view passphrase) { return scrypt(passphrase, scrypt_salt); }

}  // namespace pp::auth
