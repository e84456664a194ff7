#include "worker/argument_arena.hpp"

#include <new>
#include <system_error>

namespace pp::worker {

std::shared_ptr<argument_arena> argument_arena::create() try {
  auto memory = shared_memory::create("pp-arguments", size, shared_memory::others::only_read);
  return std::shared_ptr<argument_arena>(new argument_arena(std::move(memory)));
} catch (const std::system_error&) {
  return nullptr;
}

block argument_arena::take(std::size_t length) try {
  const auto offset = places_.take(length);
  if (!offset) return {};
  std::uint8_t* const data = memory_.data() + *offset;
  std::shared_ptr<void> owner(data, [keep = shared_from_this(), at = *offset](void*) { keep->places_.give_back(at); });
  return {std::move(owner), {data, length}};
} catch (const std::bad_alloc&) {
  return {};
}

std::optional<std::uint64_t> argument_arena::offset_of(const block& b) const {
  const std::uint8_t* const begin = memory_.data();
  const std::uint8_t* const at = b.view().data();
  if (!b || std::less<>()(at, begin) || !std::less<>()(at, begin + size)) return std::nullopt;
  return static_cast<std::uint64_t>(at - begin);
}

}  // namespace pp::worker
