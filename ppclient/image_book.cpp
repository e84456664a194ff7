#include "ppclient/image_book.hpp"

#include "pp/error.hpp"

namespace pp::ppclient {

image_book::~image_book() {
  for (auto* v = newest_.load(); v != nullptr;) {
    auto* const older = v->older;
    delete v;
    v = older;
  }
}

const code::image& image_book::operator[](std::uint32_t index) const { return *newest_.load()->images.at(index); }

bool image_book::locate_in(const code::image& in, const detail::call_code& call, located_call& out) {
  const auto decoder = in.locate(reinterpret_cast<const void*>(call.decoder));
  if (!decoder) return false;
  out.decoder = *decoder;
  out.function = code::no_location;
  if (call.function != nullptr) {
    const auto function = in.locate(call.function);
    if (!function) return false;
    out.function = *function;
  } else if (call.virtual_offset != 0) {
    out.function = code::virtual_marker << 48U | (call.virtual_offset & code::offset_mask);
  }
  return true;
}

// Published only if the call lies in it: a call that lies nowhere must not leave an image behind at each try.
const image_book::version* image_book::add_snapshot(version* seen, const detail::call_code& call) {
  auto fresh = std::make_unique<version>();
  if (seen != nullptr) fresh->images = seen->images;
  fresh->images.push_back(code::image::snapshot());
  fresh->older = seen;
  located_call ignored;
  if (!locate_in(*fresh->images.back(), call, ignored)) return nullptr;
  if (newest_.compare_exchange_strong(seen, fresh.get())) return fresh.release();
  return seen;  // somebody else was first; now the newest
}

std::optional<std::uint32_t> image_book::index_of(const version* known, const code::image_id& id) {
  if (known == nullptr) return std::nullopt;
  for (std::uint32_t i = 0; i < known->images.size(); ++i) {
    if (known->images[i]->id() == id) return i;
  }
  return std::nullopt;
}

std::uint32_t image_book::add_told(byte_view manifest) {
  const auto told = code::image::told(manifest);
  for (auto* seen = newest_.load();;) {
    if (const auto known = index_of(seen, told->id())) return *known;
    auto fresh = std::make_unique<version>();
    if (seen != nullptr) fresh->images = seen->images;
    fresh->images.push_back(told);
    fresh->older = seen;
    if (!newest_.compare_exchange_strong(seen, fresh.get())) continue;
    return static_cast<std::uint32_t>(fresh.release()->images.size() - 1);
  }
}

bool image_book::locate_in_any(const version* known, const detail::call_code& call, located_call& out) {
  if (known == nullptr) return false;
  for (out.image = 0; out.image < known->images.size(); ++out.image) {
    if (locate_in(*known->images[out.image], call, out)) return true;
  }
  return false;
}

image_book::located_call image_book::locate(const detail::call_code& call) {
  located_call out;
  auto* const seen = newest_.load();
  if (locate_in_any(seen, call, out)) return out;
  const std::string stranger = call.function != nullptr ? code::describe_stranger(call.function) : std::string();
  if (!stranger.empty()) throw error(errc::not_shippable, stranger);
  if (locate_in_any(add_snapshot(seen, call), call, out)) return out;
  throw error(errc::not_shippable,
              "the function lies in no file of this program: pass a function of the program or of a library it links");
}

}  // namespace pp::ppclient
