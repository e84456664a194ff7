#include "auth/key_places.hpp"

#include <algorithm>
#include <filesystem>

#include "auth/keyring.hpp"

namespace pp::auth {
namespace {

namespace fs = std::filesystem;

void add(std::vector<std::string>& to, const fs::path& keyring) {
  const auto place = keyring.parent_path().filename() == "pp" ? keyring.parent_path() : keyring;
  if (std::find(to.begin(), to.end(), place.string()) == to.end()) to.push_back(place.string());
}

}  // namespace

std::vector<std::string> places_of_keys(const std::string& origin) {
  std::vector<std::string> out;
  std::error_code failed;
  if (const fs::path named = origin; fs::exists(named, failed)) add(out, fs::absolute(named, failed));
  if (const auto own = default_keyring_path(); !own.empty()) add(out, own);
  if (fs::exists("/etc/pp", failed)) out.emplace_back("/etc/pp");
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace pp::auth
