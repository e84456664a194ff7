// Counting words: the work of one job, and how results are put together.
//
// A word is a maximal run of letters; ASCII letters are made lower case, and every byte above ASCII counts as a letter, so that
// text in UTF-8 stays whole. Nothing here knows about jobs: the serial run uses the same functions.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

struct word_counts {
  std::uint64_t bytes = 0;
  std::uint64_t words = 0;
  std::unordered_map<std::string, std::uint64_t> by_word;

  bool operator==(const word_counts&) const = default;
  /// What makes it travel: cereal calls this on both ends.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes, words, by_word);
  }
};

/// True for the bytes a word is made of.
bool is_letter(char c);

/// Counts the words of several texts; no word reaches from one into the next.
word_counts count_words(const std::vector<std::string>& texts);

/// Adds `more` to `sum`.
void merge(word_counts& sum, const word_counts& more);

/// The `limit` commonest words, commonest first, equally common ones in alphabetical order.
std::vector<std::pair<std::string, std::uint64_t>> commonest(const word_counts& counts, std::size_t limit);
