#include "ppserver/images.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace pp::ppserver {
namespace {

/// Content may vanish again (another node of the directory made room), but a node that asks for ever helps nobody.
constexpr unsigned most_asks = 5;
constexpr const char* cannot_keep =
    "the node cannot keep the program: its cache directory is too full or being emptied";
constexpr const char* cannot_keep_value = "the node cannot keep the shared value: it is lost as soon as it is here";

[[noreturn]] void refuse_message(const std::string& why) { throw error(errc::bad_message, why); }

std::uint64_t total_bytes(const code::manifest& m) {
  std::uint64_t total = 0;
  for (const auto& part : m.modules) total += part.size;
  return total;
}

}  // namespace

images::entry& images::find(std::uint32_t index) {
  const auto at = entries_.find(index);
  if (at == entries_.end()) refuse_message("image " + std::to_string(index) + " was never sent");
  return at->second;
}

std::shared_ptr<const code::launchable> images::program_of(std::uint32_t image) const {
  const auto at = entries_.find(image);
  return at != entries_.end() && at->second.is == state::ready ? at->second.what : nullptr;  // null of a value
}

const bytes* images::manifest_of(std::uint32_t image) const {
  const auto at = entries_.find(image);
  return at != entries_.end() && at->second.what ? &at->second.encoded : nullptr;
}

void images::on_image(const wire::image& m) {
  if (entries_.contains(m.index)) refuse_message("image " + std::to_string(m.index) + " was sent twice");
  if (m.index >= wire::first_value) refuse_message("an image with the index of a value");
  if (entries_.size() - values_.size() >= max_images)
    refuse_message("more than " + std::to_string(max_images) + " images on one connection");
  auto contents = code::decode_manifest(m.manifest);
  if (!contents) refuse_message("malformed image");
  entry& e = entries_[m.index];
  e.index = m.index;
  e.contents = std::move(*contents);
  e.encoded = m.manifest;
  if (total_bytes(e.contents) > limit_bytes_) {
    refuse(e, "the program has " + std::to_string(total_bytes(e.contents)) +
                  " bytes of code, and this node keeps at most " + std::to_string(limit_bytes_) + " (--cache-size)");
    return;
  }
  for (const auto& part : e.contents.modules) {
    if (store_.has(part.content)) out_.content_found(part.content, part.size);
  }
  ask_or_open(e);
}

void images::ask_or_open(entry& e) {
  wire::need ask{e.index, {}};
  for (std::size_t i = 0; i < e.contents.modules.size(); ++i) {
    const auto& part = e.contents.modules[i];
    if (store_.has(part.content)) continue;
    e.missing.insert(part.content);
    // Already on its way for another image: that one's CHUNKs are enough.
    if (!transfers_.try_emplace(part.content, transfer{part.size, e.index, nullptr, 0, false}).second) continue;
    ask.modules.push_back(static_cast<std::uint16_t>(i));
  }
  if (e.missing.empty()) {
    open(e);
  } else if (++e.asked > most_asks) {
    refuse(e, e.is_value() ? cannot_keep_value : cannot_keep);
  } else if (!ask.modules.empty()) {
    out_.send_need(ask);
  }
}

void images::open(entry& e) {
  try {
    if (e.is_value())
      e.value = store_.open_value(e.contents.modules.front().content);
    else
      e.what = store_.open(e.contents, e.encoded);
  } catch (const code::store::missing&) {
    // It was damaged on disk, or has just made room for another.
    return ++e.asked > most_asks ? refuse(e, e.is_value() ? cannot_keep_value : cannot_keep) : ask_or_open(e);
  } catch (const error& why) {
    return refuse(e, why.what());
  }
  become_ready(e);
}

void images::become_ready(entry& e) {
  e.is = state::ready;
  auto held = std::exchange(e.held, {});
  for (auto& one : held) run_or_hold(one.image, std::move(one.job));
}

void images::refuse(entry& e, const std::string& reason) {
  if (e.is_value()) {
    refuse_value(e, reason);
  } else {
    e.is = state::unfit;
    e.what.reset();
    out_.send_unfit({e.index, reason});
    give_back_held(e);
  }
  abandon_transfers(e);
}

// The client stops sending for an image that was refused; what another one still lacks is asked for again in its name.
void images::abandon_transfers(const entry& of) {
  std::set<auth::digest> abandoned;
  std::erase_if(transfers_, [&](const auto& item) {
    const bool is_its_own = item.second.asked_by == of.index;
    if (is_its_own) abandoned.insert(item.first);
    return is_its_own;
  });
  const auto is_abandoned = [&](const auth::digest& content) { return abandoned.contains(content); };
  for (auto& [index, other] : entries_) {
    if (other.is != state::receiving) continue;
    if (std::any_of(other.missing.begin(), other.missing.end(), is_abandoned)) ask_or_open(other);
  }
}

void images::on_chunk(const wire::chunk& m) {
  // Its client may have been in the middle of it when it released the value.
  if (m.index >= wire::first_value && !entries_.contains(m.index)) return;
  const entry& e = find(m.index);
  if (m.module >= e.contents.modules.size()) refuse_message("chunk of a module that its image does not have");
  const auto& part = e.contents.modules[m.module];
  const auto at = transfers_.find(part.content);
  // Late for an image that was refused, or brought by another image meanwhile.
  if (at == transfers_.end() || at->second.asked_by != m.index) return;
  transfer& t = at->second;
  if (t.fetch != 0) return;  // nobody asked the client for it at this moment
  if (m.raw_length > max_chunk_bytes || m.offset > t.size || m.raw_length > t.size - m.offset) {
    refuse_message("chunk beyond the end of its module");
  }
  const auth::digest content = part.content;
  if (!t.stream && !begin(content, t)) return;
  if (!t.stream->append(m.offset, unpacked(m))) refuse_message("chunk out of order");
  if (!t.stream->complete()) return;
  const auto done = std::move(t.stream);
  const auto size = t.size;
  transfers_.erase(at);
  finish(content, size, done->finish());
}

void images::on_fetch_from(const wire::fetch_from& m) {
  const auto at = transfers_.find(m.content);
  // Late for an image that was refused, or meant for what the client has begun to send itself.
  if (at == transfers_.end()) return;
  transfer& t = at->second;
  if (t.stream || t.fetch != 0 || t.was_fetched) return;
  t.fetch = ++fetches_;
  out_.fetch(t.fetch, m.content, t.size, m.holders, place_for(t.asked_by));
}

void images::on_fetch_ended(std::uint64_t number, const auth::digest& content, bool came) {
  const auto at = transfers_.find(content);
  if (at == transfers_.end() || at->second.fetch != number) {
    if (came && at == transfers_.end()) store_.let_go(content);
    return;
  }
  transfer& t = at->second;
  t.fetch = 0;
  t.was_fetched = true;
  if (!came) return ask_client_for(content, t.asked_by);
  const auto size = t.size;
  transfers_.erase(at);
  finish(content, size, {});
}

void images::ask_client_for(const auth::digest& content, std::uint32_t image) {
  const auto& modules = find(image).contents.modules;
  const auto at = std::find_if(modules.begin(), modules.end(), [&](const auto& m) { return m.content == content; });
  out_.send_need({image, {static_cast<std::uint16_t>(at - modules.begin())}});
}

// Invalidates `t` if there is no room for the content.
bool images::begin(const auth::digest& content, transfer& t) {
  try {
    t.stream = store_.receive(content, t.size, place_for(t.asked_by));
    return true;
  } catch (const error& why) {
    const std::string reason = why.what();
    transfers_.erase(content);
    fail_all_that_miss(content, reason);
    return false;
  }
}

byte_view images::unpacked(const wire::chunk& m) {
  const auto raw = unpacker_.unpack(m);
  if (!raw) refuse_message("chunk that does not unpack, or with a wrong length");
  return *raw;
}

void images::finish(const auth::digest& content, std::uint64_t size, const std::error_code& failure) {
  if (failure == make_error_code(errc::bad_message)) {
    return fail_all_that_miss(content, "what was sent arrived damaged: it does not have the announced SHA-256");
  }
  if (failure) return fail_all_that_miss(content, "the node cannot keep what was sent: " + failure.message());
  out_.content_came(content, size);
  for (auto& [index, e] : entries_) {
    if (e.missing.erase(content) > 0 && e.is == state::receiving && e.missing.empty()) ask_or_open(e);
  }
}

void images::fail_all_that_miss(const auth::digest& content, const std::string& reason) {
  for (auto& [index, e] : entries_) {
    if (e.missing.erase(content) > 0 && e.is == state::receiving) refuse(e, reason);
  }
}

void images::on_job(std::uint32_t image, worker::pool_job job) {
  if (find(image).is_value()) refuse_message("a job of a value");
  run_or_hold(image, std::move(job));
}

void images::run_or_hold(std::uint32_t image, worker::pool_job job) {
  entry& e = find(image);
  switch (e.is) {
    case state::ready:
      if (!job.terms || job.terms->values.empty() || add_values(image, job)) out_.run(e.what, std::move(job));
      break;
    case state::receiving: e.held.push_back({image, std::move(job)}); break;
    case state::unfit: out_.give_back(job.id, job.attempt); break;
  }
}

std::optional<std::uint16_t> images::take_back(std::uint64_t job) {
  for (auto& [index, e] : entries_) {
    const auto at = std::find_if(e.held.begin(), e.held.end(), [&](const auto& held) { return held.job.id == job; });
    if (at == e.held.end()) continue;
    const auto attempt = at->job.attempt;
    e.held.erase(at);
    return attempt;
  }
  return std::nullopt;
}

void images::give_back_all() {
  for (auto& [index, e] : entries_) give_back_held(e);
}

void images::give_back_held(entry& e) {
  const auto held = std::exchange(e.held, {});
  for (const auto& one : held) out_.give_back(one.job.id, one.job.attempt);
}

void images::on_unfit(const code::image_id& id, const std::string& reason) {
  for (auto& [index, e] : entries_) {
    if (e.is == state::ready && e.what && e.what->id == id) refuse(e, reason);
  }
}

}  // namespace pp::ppserver
