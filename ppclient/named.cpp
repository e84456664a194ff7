// Calls by name: finding out what nodes offer, and jobs for programs that are not this one.
#include <charconv>
#include <map>

#include <nlohmann/json.hpp>

#include "base/log.hpp"
#include "pp/client.hpp"
#include "pp/detail/json_call.hpp"
#include "ppclient/client_core.hpp"

namespace pp {
namespace detail {

/// Where such a function lies: in a program that only nodes have.
struct named_place {
  bytes manifest;
  code::location decoder = code::no_location, function = code::no_location;
  std::set<std::string> nodes;  ///< by id
};

namespace {

using json_value = nlohmann::json;

std::uint64_t number_in(const json_value& object, const char* key) {
  const auto text = object.at(key).get<std::string>();
  std::uint64_t out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out, 16);
  if (problem != std::errc() || end != text.data() + text.size()) throw error(errc::bad_message, "malformed FUNCTIONS");
  return out;
}

/// Offers of several nodes, the same on many of them as one.
class catalogue {
 public:
  /// Throws if `text` is not what a node sends.
  void add(const node_info& node, const std::string& text) {
    for (const auto& offer : json_value::parse(text)) {
      const auto manifest = offer.at("manifest").get<std::string>();
      const auto decoder = number_in(offer, "decoder"), function = number_in(offer, "function");
      for (const auto& f : offer.at("functions")) {
        auto& e = entries_[{f.at("name").get<std::string>(), manifest, decoder, function}];
        e.signature = f.at("signature").get<std::string>();
        e.help = f.at("help").get<std::string>();
        e.nodes.emplace(node.id, node.name);
      }
    }
  }

  std::vector<named_function> take() {
    std::vector<named_function> out;
    for (auto& [what, e] : entries_) {
      auto place = std::make_shared<named_place>();
      place->manifest = from_hex(what.manifest);
      place->decoder = what.decoder;
      place->function = what.function;
      named_function f{what.name, std::move(e.signature), std::move(e.help), {}, nullptr};
      for (const auto& [id, name] : e.nodes) {
        place->nodes.insert(id);
        f.nodes.push_back(name);
      }
      f.place = std::move(place);
      out.push_back(std::move(f));
    }
    return out;
  }

 private:
  struct key {
    std::string name, manifest;
    std::uint64_t decoder, function;
    auto operator<=>(const key&) const = default;
  };
  struct entry {
    std::string signature, help;
    std::map<std::string, std::string> nodes;  ///< name by id
  };
  std::map<key, entry> entries_;
};

std::string known_names(const std::vector<named_function>& all) {
  std::string out;
  for (const auto& f : all) out += (out.empty() ? "" : ", ") + f.name;
  return out.empty() ? "none is offered" : "offered are " + out;
}

}  // namespace

job_handle job_draft::submit_told(const named_place& where, const job_options& how) {
  if (auto terms = ppclient::make_terms(how, core_.settings().job)) record_->more().how = std::move(terms);
  record_->image = core_.images().add_told(where.manifest);
  record_->decoder = where.decoder;
  record_->function = where.function;
  core_.ask([&](ppclient::cluster& c) {
    c.note_holders(record_->image, where.nodes);
    return true;
  });
  wait_for(how.after);
  return waits_ ? hand_over_waiting() : send();
}

}  // namespace detail

void client::offer() {
  const auto functions = detail::published_json();
  if (functions == "[]")
    throw error(errc::bad_option, "offer: nothing was published: call pp::publish before pp::init");
  detail::payload ignored;
  const auto code = detail::prepare(&detail::call_published, ignored, std::string(), std::string());
  const auto at = core_->images().locate(code);
  core_->ask([&](ppclient::cluster& c) {
    c.offer({at.image, at.decoder, at.function, functions});
    return true;
  });
}

std::vector<named_function> client::functions(std::chrono::milliseconds limit) const {
  detail::catalogue found;
  const auto end = detail::end_of(limit);
  for (const auto& node : nodes()) {
    if (node.state != "ready" || node.id.empty()) continue;
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(end - now());
    try {
      found.add(node, detail::ask_node<std::string>(*core_, node.id, std::max(rest, std::chrono::milliseconds(0)),
                                                    [&](ppclient::cluster& c, auto done) {
                                                      return c.query_functions(node.id, std::move(done));
                                                    }));
    } catch (const error& e) {
      log::debug("no_functions", {{"node", node.name}, {"reason", e.what()}});  // it was lost meanwhile
    } catch (const nlohmann::json::exception& e) {
      log::warn("bad_functions", {{"node", node.name}, {"reason", e.what()}});
    }
  }
  return found.take();
}

future<std::string> client::call(const named_function& f, const std::string& arguments, const job_options& how) {
  if (!f.place) throw error(errc::bad_option, "call: take the function from functions(), or call it by its name");
  detail::job_draft draft(*core_);
  detail::prepare(&detail::call_published, draft.arguments(), f.name, arguments);
  return future<std::string>(draft.submit_told(*f.place, how));
}

future<std::string> client::call(const std::string& name, const std::string& arguments, const job_options& how) {
  const auto all = functions();
  for (const auto& f : all) {
    if (f.name == name) return call(f, arguments, how);
  }
  throw error(errc::bad_option, "no node offers a function called " + name + ": " + detail::known_names(all));
}

}  // namespace pp
