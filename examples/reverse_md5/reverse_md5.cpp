// Parallel Python's second example: which number has this MD5 sum? The numbers are searched in parts, a job each.
//
// Usage: reverse_md5 [NUMBER [END [PARTS]]]. Hashes NUMBER (default 1829182) as decimal text, forgets it, and searches 0 to END
// (default 2000000) in PARTS (default 128) jobs. What is still searching when the number is found is cancelled.
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <md5.h>

#include <pp/pp.hpp>

namespace {

std::string md5_of(const std::string& text) {
  std::string hex(MD5_DIGEST_STRING_LENGTH, '\0');
  MD5Data(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), hex.data());
  hex.pop_back();
  return hex;
}

std::optional<unsigned> find_number(const std::string& hash, unsigned first, unsigned end) {
  for (unsigned n = first; n < end; ++n) {
    if (md5_of(std::to_string(n)) == hash) return n;
  }
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const unsigned secret = argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 1829182;
  const unsigned end = argc > 2 ? static_cast<unsigned>(std::stoul(argv[2])) : 2000000;
  const unsigned parts = argc > 3 ? static_cast<unsigned>(std::stoul(argv[3])) : 128;
  const std::string hash = md5_of(std::to_string(secret));
  std::cout << "hash = " << hash << '\n';

  pp::client client;
  const unsigned step = end / parts + 1;
  std::vector<pp::future<std::optional<unsigned>>> searches;
  for (unsigned first = 0; first < end; first += step) {
    searches.push_back(
        client.submit({.group = "search"}, find_number, hash, first, first + step < end ? first + step : end));
  }
  for (auto& search : searches) {
    const auto found = search.get();
    if (!found) continue;
    client.cancel_group("search");
    std::cout << "Reverse md5 for " << hash << " is " << *found << '\n';
    return 0;
  }
  std::cout << "Reverse md5 for " << hash << " has not been found\n";
  return 0;
} catch (const std::exception& e) {
  std::cerr << "reverse_md5: " << e.what() << '\n';
  return 1;
}
