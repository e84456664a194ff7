#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include <nlohmann/json.hpp>

#include "pp/error.hpp"
#include "pp/init.hpp"
#include "pp/publish.hpp"
#include "wire/message.hpp"

namespace pp::detail {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t most_functions = 1000, longest_name = 255, longest_help = 4096;

struct published {
  std::string signature, help;
  json_function call;
};

/// Filled before pp::init, only read afterwards.
std::map<std::string, published>& all_published() {
  static std::map<std::string, published> all;
  return all;
}

[[noreturn]] void refuse_name(const std::string& name, const std::string& why) {
  throw error(errc::bad_option, "publish(\"" + name + "\"): " + why);
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= longest_name && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.' ||
           c == '-' || c == ':';
  });
}

void replace_all(std::string& in, const std::string& from, const std::string& to) {
  for (auto at = in.find(from); at != in.npos; at = in.find(from, at + to.size())) in.replace(at, from.size(), to);
}

/// Without what nobody wrote: template arguments that std::string and std::vector fill in themselves.
std::string type_text(const std::type_info& type) {
  int status = 0;
  char* const plain = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  std::string out = status == 0 ? plain : type.name();
  std::free(plain);
  replace_all(out, "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string");
  for (auto at = out.find(", std::allocator<"); at != out.npos; at = out.find(", std::allocator<")) {
    auto end = out.find('<', at) + 1;
    for (int open = 1; open > 0 && end < out.size(); ++end) open += out[end] == '<' ? 1 : out[end] == '>' ? -1 : 0;
    out.erase(at, end - at);
    if (at < out.size() && out[at] == ' ') out.erase(at, 1);
  }
  return out;
}

}  // namespace

std::string signature_text(const std::string& name, const std::type_info& result,
                           const std::vector<const std::type_info*>& parameters) {
  std::string out = type_text(result) + " " + name + "(";
  for (std::size_t i = 0; i < parameters.size(); ++i) out += (i > 0 ? ", " : "") + type_text(*parameters[i]);
  return out + ")";
}

void publish_as(std::string name, std::string signature, std::string help, json_function call) {
  auto& all = all_published();
  if (!is_name(name)) refuse_name(name, "a name is 1 to 255 letters, digits, '_', '.', '-' and ':'");
  if (help.size() > longest_help)
    refuse_name(name, "help may have 4096 bytes, this has " + std::to_string(help.size()));
  if (const auto known = all.find(name); known != all.end())
    refuse_name(name, "this name is taken by " + known->second.signature);
  if (all.size() >= most_functions) refuse_name(name, "there are 1000 names already");
  if (is_initialised()) refuse_name(name, "call it before pp::init, so that workers have it too");
  all.emplace(std::move(name), published{std::move(signature), std::move(help), std::move(call)});
}

void throw_wrong_count(std::size_t given, std::size_t wanted) {
  throw std::invalid_argument("it takes " + std::to_string(wanted) + (wanted == 1 ? " argument" : " arguments") +
                              ", not " + std::to_string(given));
}

void throw_wrong_argument(std::size_t number, const std::type_info& wanted) {
  throw std::invalid_argument("argument " + std::to_string(number) + " is no " + type_text(wanted));
}

std::string only_value(const std::string& written) {
  const auto whole = json::parse(written, nullptr, false);
  if (!whole.is_object()) throw std::range_error("the result cannot be said in JSON: " + written);
  return whole["value"].dump(-1, ' ', false, json::error_handler_t::replace);
}

void check_is_array(const std::string& text) {
  if (!json::parse(text, nullptr, false).is_array())
    throw std::invalid_argument("the arguments are no JSON array such as [1, \"two\"]");
}

std::string published_json() {
  auto out = json::array();
  for (const auto& [name, f] : all_published()) {
    out.push_back({{"name", name}, {"signature", f.signature}, {"help", f.help}});
  }
  auto text = out.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > wire::offer::longest_text)
    throw error(errc::bad_option, "offer: names, signatures and help have " + std::to_string(text.size()) +
                                      " bytes, at most 65536 can be offered: shorten the help");
  return text;
}

std::string call_published(const std::string& name, const std::string& arguments) {
  const auto found = all_published().find(name);
  if (found == all_published().end()) throw std::invalid_argument("this program has no function called " + name);
  try {
    return found->second.call(arguments);
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(found->second.signature + ": " + e.what());
  }
}

}  // namespace pp::detail
