#include "ppserver/offers.hpp"

#include <charconv>
#include <set>

#include <nlohmann/json.hpp>

namespace pp::ppserver {
namespace {

using json = nlohmann::ordered_json;

std::string in_hex(std::uint64_t number) {
  char text[17];
  return {text, std::to_chars(text, text + sizeof text, number, 16).ptr};
}

/// The text under this key, as it may be shown anywhere; null if there is none.
const std::string* text_in(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get_ptr<const std::string*>() : nullptr;
}

bool is_function(const json& f) {
  if (!f.is_object() || f.size() != 3) return false;
  const auto* const name = text_in(f, "name");
  return name != nullptr && !name->empty() && name->size() <= offers::longest_name &&
         text_in(f, "signature") != nullptr && text_in(f, "help") != nullptr;
}

}  // namespace

std::optional<std::string> offers::checked(std::string_view functions) {
  const auto all = json::parse(functions, nullptr, false);  // refuses texts that are not UTF-8, too
  if (!all.is_array() || all.size() > most_functions) return std::nullopt;
  for (const auto& f : all) {
    if (!is_function(f)) return std::nullopt;
  }
  return all.dump();
}

std::string offers::list(const auth::key_id& key) const {
  std::set<std::string> listed;
  std::string out = "[";
  for (const auto& [session, o] : offers_) {
    const bytes* const manifest = o.key == key ? o.manifest() : nullptr;
    if (manifest == nullptr) continue;
    std::string one = R"({"manifest":")" + to_hex(*manifest) + R"(","decoder":")" + in_hex(o.decoder) +
                      R"(","function":")" + in_hex(o.function) + R"(","functions":)" + o.functions + "}";
    if (out.size() + one.size() > longest_list || !listed.insert(one).second) continue;
    out += (out.size() > 1 ? "," : "") + one;
  }
  return out + "]";
}

}  // namespace pp::ppserver
