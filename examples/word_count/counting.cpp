#include "counting.hpp"

#include <algorithm>

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void count_text(const std::string& text, word_counts& into) {
  std::string word;
  for (std::size_t at = 0; at < text.size();) {
    word.clear();
    while (at < text.size() && !is_letter(text[at])) ++at;
    while (at < text.size() && is_letter(text[at])) word += lower(text[at++]);
    if (word.empty()) continue;
    ++into.words;
    ++into.by_word[word];
  }
  into.bytes += text.size();
}

}  // namespace

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
}

word_counts count_words(const std::vector<std::string>& texts) {
  word_counts counts;
  for (const auto& text : texts) count_text(text, counts);
  return counts;
}

void merge(word_counts& sum, const word_counts& more) {
  sum.bytes += more.bytes;
  sum.words += more.words;
  for (const auto& [word, count] : more.by_word) sum.by_word[word] += count;
}

std::vector<std::pair<std::string, std::uint64_t>> commonest(const word_counts& counts, std::size_t limit) {
  std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.by_word.begin(), counts.by_word.end());
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(std::min(limit, sorted.size()));
  std::partial_sort(sorted.begin(), end, sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  sorted.erase(end, sorted.end());
  return sorted;
}
