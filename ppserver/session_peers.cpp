// A session's part in what nodes give to each other: what its client may send others for, and what it sends this node for.
#include "ppserver/session.hpp"

namespace pp::ppserver {

using wire::message_type;

void session::on_fetch_from(const net::message& m) {
  const auto order = wire::decode_fetch_from(m.view);
  if (!order) throw error(errc::bad_message, "malformed FETCH_FROM");
  images_.on_fetch_from(*order);
}

void session::fetch(std::uint64_t number, const auth::digest& content, std::uint64_t size,
                    const std::vector<wire::holder>& from, code::store::place where) {
  const bool may_fetch = around_.others != nullptr && around_.others->is_on();
  if (!may_fetch) return images_.on_fetch_ended(number, content, false);
  tasks_.spawn("fetch content", fetch_content(number, {content, size, client_.who.with, from, where}));
}

net::awaitable<void> session::fetch_content(std::uint64_t number, peers::order what) {
  const auto content = what.content;
  const bool came = co_await around_.others->fetch(std::move(what));
  if (!leaving_) images_.on_fetch_ended(number, content, came);
}

void session::content_came(const auth::digest& content, std::uint64_t size) {
  if (around_.others == nullptr) return;
  around_.others->note_owner(content, client_.who.with);
  send_have(content, size);
}

void session::content_found(const auth::digest& content, std::uint64_t size) {
  if (around_.others != nullptr && around_.others->is_owner(content, client_.who.with)) send_have(content, size);
}

void session::send_have(const auth::digest& content, std::uint64_t size) {
  if (size < wire::least_shared_bytes || !around_.others->is_on()) return;
  bytes payload;
  wire::encode_have({content}, payload);
  channel_.send(message_type::have, 0, 0, payload);
}

}  // namespace pp::ppserver
