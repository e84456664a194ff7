// A link ships programs and shared values: what the node asked for, in compressed chunks that fit one frame each, or a word about
// who has it.
#include <algorithm>
#include <utility>

#include "code/pieces.hpp"
#include "ppclient/link.hpp"

namespace pp::ppclient {
namespace {

/// A slow node may hold up those that could have got the content from it for so long.
constexpr duration longest_parked = std::chrono::seconds(10);

}  // namespace

const code::module_entry& link::module_of(std::uint32_t image, std::uint16_t module) {
  const auto& modules = owner_.image(image).contents().modules;
  if (module >= modules.size()) throw error(errc::bad_message, "NEED names no module");
  return modules[module];
}

void link::announce(std::uint32_t image) {
  if (image >= announced_.size()) announced_.resize(image + 1);
  if (announced_[image]) return;
  announced_[image] = true;
  bytes payload;
  wire::encode_image({image, owner_.image(image).encoded()}, payload);
  channel_->send(wire::message_type::image, 0, 0, payload);
}

void link::send_offer(const wire::offer& what) {
  announce(what.image);
  bytes payload;
  wire::encode_offer(what, payload);
  channel_->send(wire::message_type::offer, 0, 0, payload);
}

void link::query_functions(std::function<void(std::string)> done) {
  functions_queries_.push_back(std::move(done));
  channel_->send(wire::message_type::functions_query, 0, 0, byte_view{});
}

void link::on_functions(const net::message& m) {
  if (functions_queries_.empty()) return;
  const auto done = std::move(functions_queries_.front());
  functions_queries_.erase(functions_queries_.begin());
  done(std::string(as_text(m.view)));
}

void link::on_need(const net::message& m) {
  const auto n = wire::decode_need(m.view);
  if (n && n->index >= wire::first_value && n->modules == std::vector<std::uint16_t>{0})
    return on_need_of_value(n->index);
  if (!n || n->index >= announced_.size() || !announced_[n->index]) throw error(errc::bad_message, "malformed NEED");
  if (owner_.image(n->index).is_told()) return owner_.on_link_lacks(*this, n->index);
  for (const auto module : n->modules) context_.contents->on_need(node, module_of(n->index, module).content);
  wanted_.push_back({n->index, n->modules});
  needed_.cancel();
  owner_.on_contents_changed();
}

void link::on_have(const net::message& m) {
  const auto h = wire::decode_have(m.view);
  if (!h) throw error(errc::bad_message, "malformed HAVE");
  context_.contents->on_have(node, h->content);
  owner_.on_contents_changed();
}

wire::holder link::as_holder() const {
  wire::holder out;
  out.node = id_.value_or(auth::node_id{});
  out.port = reached_.port();
  const auto address = reached_.address();
  if (address.is_v6()) {
    out.family = 6;
    out.address = address.to_v6().to_bytes();
  } else {
    const auto v4 = address.to_v4().to_bytes();
    std::copy(v4.begin(), v4.end(), out.address.begin());
  }
  return out;
}

net::awaitable<void> link::ship_code() {
  for (;;) {
    while (!wanted_.empty()) {
      const auto next = std::move(wanted_.front());
      wanted_.pop_front();
      for (const auto module : next.modules) co_await provide(next.image, module, now());
    }
    is_to_look_again_ = false;
    const auto again = std::exchange(parked_, {});
    for (const auto& p : again) co_await provide(p.image, p.module, p.since);
    const bool is_idle = wanted_.empty() && (parked_.empty() || !is_to_look_again_);
    if (is_idle) co_await wait_until_needed();
  }
}

net::awaitable<void> link::wait_until_needed() {
  needed_.expires_at(parked_.empty() ? time_point::max() : parked_.front().since + longest_parked);
  net::error_code woken;
  co_await needed_.async_wait(net::redirect_error(net::use_awaitable, woken));
  if (!channel_ || channel_->is_closed()) throw net::system_error(net::operation_aborted);
}

/// What a node asked for: a module, or a value, which this keeps meanwhile.
struct link::shipment {
  std::uint32_t index;
  std::uint16_t module;
  wire::content_id content;
  std::uint64_t size;
  code::shared_pointer value;  ///< null of a module
};

/// Nothing of a value that nobody needs any more.
std::optional<link::shipment> link::shipment_of(std::uint32_t image, std::uint16_t module) {
  if (image < wire::first_value) {
    const auto& part = module_of(image, module);
    return shipment{image, module, part.content, part.size, nullptr};
  }
  auto value = value_of(image);
  if (!value) return std::nullopt;
  return shipment{image, module, value->id(), value->size(), value};
}

net::awaitable<void> link::provide(std::uint32_t image, std::uint16_t module, time_point since) {
  const auto part = shipment_of(image, module);
  if (!part) co_return;
  const bool may_wait = now() - since < longest_parked;
  auto how = context_.contents->decide(node, part->content, part->size, may_wait);
  switch (how.from) {
    case sources::way::later: parked_.push_back({image, module, since}); break;
    case sources::way::peers: send_fetch_from(part->content, std::move(how.holders)); break;
    case sources::way::client:
      co_await ship(*part);
      context_.contents->on_sent(node, part->content);
      owner_.on_contents_changed();
      break;
  }
}

void link::send_fetch_from(const wire::content_id& content, std::vector<wire::holder> holders) {
  bytes payload;
  wire::encode_fetch_from({content, std::move(holders)}, payload);
  channel_->send(wire::message_type::fetch_from, 0, 0, payload);
}

net::awaitable<void> link::wait_until_writable() {
  while (channel_->is_full()) {
    net::error_code woken;
    co_await writable_.async_wait(net::redirect_error(net::use_awaitable, woken));
    if (channel_->is_closed()) throw net::system_error(net::operation_aborted);
  }
}

net::awaitable<void> link::ship(const shipment& what) {
  code::piece_packer packer;
  bytes raw, payload;
  for (std::uint64_t offset = 0; offset < what.size;) {
    co_await wait_until_writable();
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(code::piece_packer::most_bytes, what.size - offset));
    byte_view part;
    if (what.value) {
      part = what.value->bytes().subspan(static_cast<std::size_t>(offset), size);
    } else {
      raw.resize(size);
      owner_.image(what.index).read(what.module, offset, raw);
      part = raw;
    }
    const auto piece = packer.pack(what.index, what.module, offset, part);
    payload.clear();
    wire::encode_chunk(piece, payload);
    // As a view: it is copied behind what is queued. Moved in, large chunks would let smaller ones overtake them.
    channel_->send(wire::message_type::chunk, 0, 0, byte_view(payload));
    (what.value ? shared_bytes_sent_ : code_bytes_sent_) += piece.data.size();
    offset += size;
  }
}

}  // namespace pp::ppclient
