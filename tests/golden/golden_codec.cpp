#include "tests/golden/golden_codec.hpp"

#include <functional>
#include <map>

#include "code/manifest.hpp"
#include "wire/announce.hpp"
#include "wire/login.hpp"
#include "wire/message.hpp"
#include "wire/terms.hpp"

namespace pp::test {
namespace {

std::string show(const std::string& text) { return text; }
std::string show(byte_view view) { return to_hex(view); }
template <std::size_t N>
std::string show(const std::array<std::uint8_t, N>& content) {
  return to_hex(content);
}
std::string show(const bytes& content) { return to_hex(content); }
std::string show(const std::vector<std::uint16_t>& list) {
  std::string out;
  for (const auto one : list) out += (out.empty() ? "" : " ") + std::to_string(one);
  return out;
}
template <std::integral T>
std::string show(T number) {
  return std::to_string(number);
}

/// Collects `name = value`.
class fields {
 public:
  template <class T>
  fields& operator()(const char* name, const T& value) {
    list.emplace_back(name, show(value));
    return *this;
  }
  field_list list;
};

using codec = std::function<std::optional<decoded>(byte_view)>;

/// A message that is decoded by one function, encoded by another that appends, and told by a third.
template <class T>
codec plain(result<T> (*decode)(byte_view), void (*encode)(const T&, bytes&), void (*tell)(const T&, fields&)) {
  return [=](byte_view raw) -> std::optional<decoded> {
    const auto m = decode(raw);
    if (!m) return std::nullopt;
    fields f;
    tell(*m, f);
    decoded out{f.list, {}};
    encode(*m, out.encoded);
    return out;
  };
}

fields login_header(int type, int body) {
  fields f;
  f("magic", std::string("50504131"))("type", type)("body", body);
  return f;
}

std::optional<decoded> frame(byte_view raw) {
  if (raw.size() != wire::frame_header_size) return std::nullopt;
  const auto h = wire::decode_frame_header(raw.data());
  if (!h) return std::nullopt;
  fields f;
  f("length", h->length)("type", static_cast<int>(h->type))("flags", h->flags)("attempt", h->attempt)("job", h->job);
  bytes encoded(wire::frame_header_size);
  wire::encode_frame_header(*h, encoded.data());
  return decoded{f.list, encoded};
}

std::optional<decoded> client_hello(byte_view raw) {
  const auto m = wire::decode_client_hello(raw);
  if (!m) return std::nullopt;
  auto f = login_header(1, 96);
  f("proto_min", m->proto_min)("proto_max", m->proto_max)("role", m->role)("channel", 1)("flags", 0)("key_id",
                                                                                                     m->key_id);
  f("client_id", m->client_id)("client_nonce", m->nonce)("expected_node", m->expected_node)("features", m->features);
  return decoded{f.list, wire::encode_client_hello(*m)};
}

std::optional<decoded> server_hello(byte_view raw) {
  const auto m = wire::decode_server_hello(raw);
  if (!m) return std::nullopt;
  auto f = login_header(2, 96);
  f("proto", m->proto)("role", m->role)("channel", 1)("flags", 0)("key_id", m->key_id)("node_id", m->node_id);
  f("server_nonce", m->nonce)("boot_id", m->boot_id)("features", m->features)("max_frame", m->max_frame);
  return decoded{f.list, wire::encode_server_hello(*m)};
}

codec proof(wire::login_type type) {
  return [type](byte_view raw) -> std::optional<decoded> {
    const auto m = wire::decode_proof(type, raw);
    if (!m) return std::nullopt;
    auto f = login_header(static_cast<int>(type), 32);
    f("proof", *m);
    return decoded{f.list, wire::encode_proof(type, *m)};
  };
}

std::optional<decoded> auth_fail(byte_view raw) {
  const auto m = wire::decode_auth_fail(raw);
  if (!m) return std::nullopt;
  auto f = login_header(5, 4);
  f("code", static_cast<int>(m->code))("detail", m->detail);
  return decoded{f.list, wire::encode_auth_fail(*m)};
}

std::string padded_hex(const std::string& text, std::size_t size) {
  bytes padded(text.begin(), text.end());
  padded.resize(size);
  return to_hex(padded);
}

std::optional<decoded> datagram(byte_view raw) {
  const auto m = wire::decode_announce(raw);
  if (!m) return std::nullopt;
  fields f;
  f("magic", std::string("50504431"))("type", static_cast<int>(m->type))("flags", m->draining ? 1 : 0)("length", 256);
  f("key_id", m->key_id)("node_id", m->node_id)("boot_id", m->boot_id)("seq", m->seq)("unix_ms", m->unix_ms);
  f("nonce", m->nonce)("tcp_port", m->tcp_port)("proto_min", m->proto_min)("proto_max", m->proto_max);
  f("slots", m->slots)("free", m->free)("load_milli", m->load_milli)("mem_free_mib", m->mem_free_mib);
  f("features", m->features)("addr_count", m->addresses.size())("name_len", m->name.size());
  f("name", padded_hex(m->name, wire::max_announce_name));
  for (std::size_t i = 0; i < wire::max_announce_addresses; ++i) {
    wire::announce::address a{0, {}};
    if (i < m->addresses.size()) a = m->addresses[i];
    f(("family_" + std::to_string(i + 1)).c_str(), a.family)(("addr_" + std::to_string(i + 1)).c_str(), a.bytes);
  }
  return decoded{f.list, wire::encode_announce(*m)};
}

void tell_welcome(const wire::welcome& m, fields& f) {
  f("slots", m.slots)("credit", m.credit)("heartbeat_ms", m.heartbeat_ms)("dead_ms", m.dead_ms);
  f("longest_message", m.longest_message)("machine", m.machine)("isa_level", m.isa_level)("isolation", m.isolation)(
      "name", m.name);
  f("version", m.version)("os", m.os)("glibc", m.glibc)("glibcxx", m.glibcxx)("cxxabi", m.cxxabi);
}
void tell_credit(const wire::credit& m, fields& f) { f("change", m.change); }
void tell_image(const wire::image& m, fields& f) { f("index", m.index)("manifest", m.manifest); }
void tell_need(const wire::need& m, fields& f) { f("index", m.index)("count", m.modules.size())("modules", m.modules); }
void tell_chunk(const wire::chunk& m, fields& f) {
  f("index", m.index)("module", m.module)("offset", m.offset)("raw_length", m.raw_length);
  f("encoding", m.compressed ? 1 : 0)("data", m.data);
}
void tell_unfit(const wire::unfit& m, fields& f) { f("index", m.index)("reason", m.reason); }
void tell_cancel(const wire::cancel& m, fields& f) { f("why", static_cast<int>(m.why)); }
void tell_ping(const wire::ping& m, fields& f) { f("token", m.token); }
void tell_goodbye(const wire::goodbye& m, fields& f) { f("reason", m.reason)("drain_ms", m.drain_ms)("text", m.text); }
void tell_drain(const wire::drain& m, fields& f) { f("limit_ms", m.limit_ms); }
void tell_lent(const wire::lent& m, fields& f) { f("workers", m.workers); }
void tell_check_in(const wire::check_in& m, fields& f) { f("place", m.place)("why", m.why); }
void tell_have(const wire::have& m, fields& f) { f("content", m.content); }
void tell_fetch_from(const wire::fetch_from& m, fields& f) {
  bytes holders;
  wire::encode_fetch_from(m, holders);
  holders.erase(holders.begin(), holders.begin() + 34);
  f("content", m.content)("length", m.holders.size() * wire::holder::size)("holders", holders);
}
void tell_fetch(const wire::fetch& m, fields& f) { f("number", m.number)("content", m.content); }
void tell_offer(const wire::offer& m, fields& f) {
  f("image", m.image)("decoder", m.decoder)("function", m.function)("json", as_bytes(m.functions));
}
void tell_value(const wire::value& m, fields& f) { f("index", m.index)("size", m.size)("content", m.content); }
void tell_release(const wire::release& m, fields& f) { f("index", m.index); }
void tell_resources(const std::vector<wire::resource>& m, fields& f) {
  bytes all;
  wire::write_resources(m, all);
  f("length", all.size())("declared", all);
}
void tell_unsupported(const wire::unsupported& m, fields& f) { f("type", m.type); }

/// Texts each ended by a 0 byte, as one hexadecimal string.
std::string ended_texts(const std::vector<std::string>& texts) {
  bytes all;
  for (const auto& text : texts) {
    all.insert(all.end(), text.begin(), text.end());
    all.push_back(0);
  }
  return to_hex(all);
}

void tell_terms(const wire::terms& t, fields& f) {
  f("timeout_ms", t.timeout_ms)("cpu_ms", t.cpu_ms)("memory", t.memory)("max_result", t.max_result);
  const bool is_added = t.initialiser != 0 || !t.resources.empty() || !t.values.empty();
  f("priority", t.priority + 128)("term_flags", (t.at_most_once ? 1 : 0) + (t.drops_output ? 2 : 0) +
                                                    (is_added ? 4 : 0) + 64 * static_cast<int>(t.use));
  f("label", t.label);
  const auto environment = ended_texts(t.environment);
  f("env_length", environment.size() / 2)("environment", environment);
  if (t.use != wire::place_use::none) f("place", t.place);
  if (t.initialiser != 0) f("initialiser_tag", 1)("initialiser_length", 8)("initialiser", t.initialiser);
  bytes needed;
  wire::write_resources(t.resources, needed);
  if (!needed.empty()) f("resources_tag", 2)("resources_length", needed.size())("resources", needed);
  bytes values;
  for (const auto& content : t.values) writer(values).raw(content);
  if (!values.empty()) f("values_tag", 3)("values_length", values.size())("values", values);
}

void tell_failure(const wire::failure& why, fields& f) {
  f("signal", why.signal)("exit_status", why.exit_status)("type", why.type)("what", why.what);
  f("pid", why.pid)("cpu_ms", why.cpu_ms)("peak_memory", why.peak_memory);
  std::vector<std::string> texts;
  for (const auto& c : why.causes) texts.insert(texts.end(), {c.type, c.what});
  const auto causes = ended_texts(texts);
  f("causes_length", causes.size() / 2)("causes", causes)("stack_length", 8 * why.stack.size());
  bytes stack;
  for (const auto frame : why.stack) writer(stack).u64(frame);
  f("stack", stack);
}

std::optional<decoded> submit(byte_view raw) {
  const auto m = wire::decode_submit(raw);
  if (!m) return std::nullopt;
  const auto arguments = wire::arguments_of(*m, raw);
  fields f;
  f("image", m->image)("decoder", m->decoder)("function", m->function)("terms", m->terms_bytes)("job_id", m->id);
  bytes encoded(wire::submit::size);
  wire::encode_submit(*m, encoded.data());
  if (m->terms_bytes > 0) {
    const auto t = wire::decode_terms(wire::terms_of(*m, raw));
    if (!t) return std::nullopt;
    tell_terms(*t, f);
    wire::encode_terms(*t, encoded);
  }
  f("arguments", arguments);
  encoded.insert(encoded.end(), arguments.begin(), arguments.end());
  return decoded{f.list, encoded};
}

void tell_output(const wire::output& m, fields& f, bytes& encoded) {
  f("out_length", m.out.size())("err_length", m.err.size())("out_dropped", m.out_dropped)("err_dropped", m.err_dropped);
  f("out", m.out)("err", m.err);
  wire::encode_output(m, encoded);
}

std::optional<decoded> result_message(byte_view raw) {
  const auto m = wire::decode_result(raw);
  if (!m) return std::nullopt;
  fields f;
  f("credit", m->head.credit)("flags", m->head.flags)("code", m->head.code)("run_us", m->head.run_us);
  bytes encoded(wire::result_head::size);
  wire::encode_result_head(m->head, encoded.data());
  if ((m->head.flags & wire::result_head::flag_output) != 0) tell_output(m->printed, f, encoded);
  if (m->head.code == wire::code_value) {
    f("value", m->body);
    encoded.insert(encoded.end(), m->body.begin(), m->body.end());
    return decoded{f.list, encoded};
  }
  const auto why = wire::decode_failure(m->body);
  if (!why) return std::nullopt;
  tell_failure(*why, f);
  wire::encode_failure(*why, encoded);
  return decoded{f.list, encoded};
}

std::optional<decoded> manifest(byte_view raw) {
  const auto m = code::decode_manifest(raw);
  if (!m) return std::nullopt;
  fields f;
  f("format", 1)("machine", m->asks.machine)("isa_level", m->asks.isa_level)("glibc", m->asks.glibc);
  f("glibcxx", m->asks.glibcxx)("cxxabi", m->asks.cxxabi)("count", m->modules.size());
  for (const auto& part : m->modules) {
    f("name", part.name)("size", part.size)("sha256", part.content)("id_length", part.build_id.size())("build_id",
                                                                                                       part.build_id);
  }
  return decoded{f.list, code::encode_manifest(*m)};
}

std::optional<decoded> nothing(byte_view raw) {
  if (!raw.empty()) return std::nullopt;
  return decoded{};
}

std::optional<decoded> stats(byte_view raw) {
  fields f;
  f("json", raw);
  return decoded{f.list, bytes(raw.begin(), raw.end())};
}

const std::map<std::string, codec>& codecs() {
  static const std::map<std::string, codec> all = {
      {"FRAME", frame},
      {"CLIENT_HELLO", client_hello},
      {"SERVER_HELLO", server_hello},
      {"CLIENT_PROOF", proof(wire::login_type::client_proof)},
      {"SERVER_PROOF", proof(wire::login_type::server_proof)},
      {"AUTH_FAIL", auth_fail},
      {"DATAGRAM", datagram},
      {"WELCOME", plain(wire::decode_welcome, wire::encode_welcome, tell_welcome)},
      {"CREDIT", plain(wire::decode_credit, wire::encode_credit, tell_credit)},
      {"IMAGE", plain(wire::decode_image, wire::encode_image, tell_image)},
      {"NEED", plain(wire::decode_need, wire::encode_need, tell_need)},
      {"CHUNK", plain(wire::decode_chunk, wire::encode_chunk, tell_chunk)},
      {"UNFIT", plain(wire::decode_unfit, wire::encode_unfit, tell_unfit)},
      {"SUBMIT", submit},
      {"RESULT", result_message},
      {"CANCEL", plain(wire::decode_cancel, wire::encode_cancel, tell_cancel)},
      {"PING", plain(wire::decode_ping, wire::encode_ping, tell_ping)},
      {"PONG", plain(wire::decode_ping, wire::encode_ping, tell_ping)},
      {"GOODBYE", plain(wire::decode_goodbye, wire::encode_goodbye, tell_goodbye)},
      {"UNSUPPORTED", plain(wire::decode_unsupported, wire::encode_unsupported, tell_unsupported)},
      {"STATS_QUERY", nothing},
      {"STATS", stats},
      {"READY", nothing},
      {"DRAIN", plain(wire::decode_drain, wire::encode_drain, tell_drain)},
      {"LENT", plain(wire::decode_lent, wire::encode_lent, tell_lent)},
      {"CHECK_IN", plain(wire::decode_check_in, wire::encode_check_in, tell_check_in)},
      {"HAVE", plain(wire::decode_have, wire::encode_have, tell_have)},
      {"FETCH_FROM", plain(wire::decode_fetch_from, wire::encode_fetch_from, tell_fetch_from)},
      {"FETCH", plain(wire::decode_fetch, wire::encode_fetch, tell_fetch)},
      {"RESOURCES", plain(wire::decode_declared, wire::encode_declared, tell_resources)},
      {"OFFER", plain(wire::decode_offer, wire::encode_offer, tell_offer)},
      {"FUNCTIONS_QUERY", nothing},
      {"FUNCTIONS", stats},
      {"VALUE", plain(wire::decode_value, wire::encode_value, tell_value)},
      {"RELEASE", plain(wire::decode_release, wire::encode_release, tell_release)},
      {"MANIFEST", manifest},
  };
  return all;
}

}  // namespace

std::optional<decoded> run_codec(const std::string& message, byte_view raw) {
  const auto found = codecs().find(message);
  return found == codecs().end() ? std::nullopt : found->second(raw);
}

}  // namespace pp::test
