// A key made from words that a person chose: stretched by scrypt, and refused if guessing it would be cheap.
//
// One datagram or one proof is enough to try guesses against offline, so a passphrase needs 16 characters and 60
// estimated bits, and must not be one that everybody knows. The estimate is low on purpose: words count as words.
#pragma once

#include <string>
#include <string_view>

#include "auth/secret.hpp"

namespace pp::auth {

inline constexpr std::size_t min_passphrase_size = 16;
inline constexpr double min_passphrase_bits = 60;

/// Bits that a guesser who knows words, sequences and repetitions has to try. Pure.
double estimated_bits(std::string_view passphrase);
/// Why it is too weak, to be put behind "the passphrase "; empty if it is good. Never contains the passphrase.
std::string why_weak(std::string_view passphrase);
/// The 32 bytes of the key; half a second and 128 MiB.
secret stretch(std::string_view passphrase);

}  // namespace pp::auth
