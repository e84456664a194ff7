// The images of this process: one, or more if shared objects were loaded between submits.
//
// Promises: an image is made at the first submit that needs it, on the caller's thread; indexes never change. Lock-free: two
// threads may make the same image at once, and one of them is dropped.
// Threads: any.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "code/image.hpp"
#include "pp/detail/callable.hpp"

namespace pp::ppclient {

class image_book {
 public:
  struct located_call {
    std::uint32_t image = 0;
    code::location decoder = code::no_location, function = code::no_location;
  };

  image_book() = default;
  image_book(const image_book&) = delete;
  image_book& operator=(const image_book&) = delete;
  ~image_book();

  /// Throws pp::error(errc::not_shippable) in words if the function lies in a system library.
  located_call locate(const detail::call_code& call);
  /// The image with this list; made from it if it is not known yet. Throws pp::error for bytes that are no manifest.
  std::uint32_t add_told(byte_view manifest);
  const code::image& operator[](std::uint32_t index) const;

 private:
  using image_list = std::vector<std::shared_ptr<const code::image>>;
  // Old lists stay until the end: a reader may still hold one.
  struct version {
    image_list images;
    version* older;
  };
  static std::optional<std::uint32_t> index_of(const version* known, const code::image_id& id);
  static bool locate_in(const code::image& in, const detail::call_code& call, located_call& out);
  static bool locate_in_any(const version* known, const detail::call_code& call, located_call& out);
  const version* add_snapshot(version* seen, const detail::call_code& call);

  std::atomic<version*> newest_{nullptr};
};

}  // namespace pp::ppclient
