// A link ships the program: what the node asked for, in compressed chunks that fit one frame each.
#include <algorithm>

#include <zstd.h>

#include "ppclient/link.hpp"

namespace pp::ppclient {
namespace {

constexpr std::size_t chunk_bytes = 192 * 1024;  // one frame, also where zstd cannot shrink it
constexpr int compression_level = 1;

}  // namespace

void link::on_need(const net::message& m) {
  const auto n = wire::decode_need(m.view);
  if (!n || n->index >= announced_.size() || !announced_[n->index]) throw error(errc::bad_message, "malformed NEED");
  wanted_.push_back({n->index, n->modules});
  needed_.cancel();
}

net::awaitable<void> link::ship_code() {
  for (;;) {
    if (wanted_.empty()) {
      net::error_code woken;
      co_await needed_.async_wait(net::redirect_error(net::use_awaitable, woken));
      if (!channel_ || channel_->is_closed()) throw net::system_error(net::operation_aborted);
      continue;
    }
    const auto next = std::move(wanted_.front());
    wanted_.pop_front();
    for (const auto module : next.modules) co_await ship_module(next.image, module);
  }
}

net::awaitable<void> link::wait_until_writable() {
  while (channel_->is_full()) {
    net::error_code woken;
    co_await writable_.async_wait(net::redirect_error(net::use_awaitable, woken));
    if (channel_->is_closed()) throw net::system_error(net::operation_aborted);
  }
}

net::awaitable<void> link::ship_module(std::uint32_t image, std::uint16_t module) {
  const auto& source = owner_.image(image);
  if (module >= source.contents().modules.size()) throw error(errc::bad_message, "NEED names no module");
  const std::uint64_t size = source.contents().modules[module].size;
  bytes raw, packed(ZSTD_compressBound(chunk_bytes)), payload;
  for (std::uint64_t offset = 0; offset < size; offset += raw.size()) {
    co_await wait_until_writable();
    raw.resize(static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, size - offset)));
    source.read(module, offset, raw);
    const std::size_t got = ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), compression_level);
    wire::chunk piece{image, module, offset, static_cast<std::uint32_t>(raw.size()), false, raw};
    if (ZSTD_isError(got) == 0 && got < raw.size()) {
      piece.compressed = true;
      piece.data = byte_view(packed).first(got);
    }
    payload.clear();
    wire::encode_chunk(piece, payload);
    // As a view: it is copied behind what is queued. Moved in, large chunks would let smaller ones overtake them.
    channel_->send(wire::message_type::chunk, 0, 0, byte_view(payload));
    code_bytes_sent_ += piece.data.size();
  }
}

}  // namespace pp::ppclient
