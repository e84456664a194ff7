#include "code/store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.hpp"
#include "code/directory.hpp"
#include "code/store_state.hpp"

namespace pp::code {
namespace {

namespace fs = std::filesystem;

constexpr auto protection = std::chrono::minutes(10);

fs::path shared_memory_base() { return "/dev/shm/pp-run-" + std::to_string(::geteuid()); }

descriptor open_store_directory(const fs::path& path) {
  // The loader cuts LD_LIBRARY_PATH at ':' and ';' and expands '$'.
  if (fs::absolute(path).string().find_first_of(":;$") != std::string::npos) {
    throw error(errc::bad_option, "the directory " + path.string() + " has one of : ; $ in its path: name another one");
  }
  return open_private_directory(path);
}

std::shared_ptr<run_directory> make_run_directory(const fs::path& path) {
  const auto base = open_private_directory(path);
  if (!base) return nullptr;
  run_directory::sweep(base.get());
  return run_directory::make(base.get(), fs::canonical(path));
}

/// The one that is in use, or a new one; null if none can be made there.
std::shared_ptr<run_directory> current(std::weak_ptr<run_directory>& kept, const fs::path& path) {
  if (auto there = kept.lock()) return there;
  try {
    auto made = make_run_directory(path);
    kept = made;
    return made;
  } catch (const std::exception&) {
    return nullptr;  // others can write there, or it went away: the next place is tried
  }
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB"; }

}  // namespace

store_state::store_state(const store::options& o) : settings(o), disk(open_store_directory(o.directory)) {
  disk.sweep();
  if (disk.fd() >= 0) {
    if (const auto run = open_subdirectory(disk.fd(), "run")) run_directory::sweep(run.get());
  }
  count_stored();
}

store_state::~store_state() { ::rmdir(shared_memory_base().c_str()); }  // only goes if it is there, ours and empty

bool store_state::has(const auth::digest& content) const { return disk.has(content) || in_memory(content) != nullptr; }

void store_state::touch(const auth::digest& content) const { disk.touch(content); }

void store_state::forget(const auth::digest& content) {
  disk.remove(content);
  memory.erase(content);
  fresh.erase(content);
  ++numbers.damaged;
  count_stored();
}

shared_pointer store_state::in_memory(const auth::digest& content) const {
  const auto found = memory.find(content);
  return found == memory.end() ? nullptr : found->second.used.lock();
}

bool store_state::is_protected(const auth::digest& content) const {
  const auto found = fresh.find(content);
  return found != fresh.end() && now() - found->second < protection;
}

std::uint64_t store_state::memory_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [content, slot] : memory) {
    if (const auto there = slot.used.lock()) sum += there->size();
  }
  return sum;
}

void store_state::count_stored() {
  numbers.bytes_stored = memory_bytes();
  for (const auto& e : disk.entries()) numbers.bytes_stored += e.size;
}

bool store_state::evict_one() {
  auto entries = disk.entries();
  std::erase_if(entries, [this](const auto& e) { return is_protected(e.content); });
  const auto oldest = std::min_element(entries.begin(), entries.end(),
                                       [](const auto& a, const auto& b) { return a.used_ns < b.used_ns; });
  if (oldest == entries.end()) return false;
  disk.remove(oldest->content);
  fresh.erase(oldest->content);
  ++numbers.evicted;
  return true;
}

bool store_state::drop_memory() {
  std::erase_if(memory, [](const auto& e) { return e.second.used.expired(); });
  const auto idle = std::find_if(memory.begin(), memory.end(),
                                 [this](const auto& e) { return e.second.keep != nullptr && !is_protected(e.first); });
  if (idle == memory.end()) return false;
  fresh.erase(idle->first);
  memory.erase(idle);
  ++numbers.evicted;
  return true;
}

void store_state::make_room(std::uint64_t size) {
  if (size > settings.limit_bytes) {
    throw error(errc::unfit_node, "a file of the program, or a shared value, has " + mebibytes(size) +
                                      ", the node keeps at most " + mebibytes(settings.limit_bytes) +
                                      ": start it with a larger --cache-size");
  }
  std::erase_if(fresh, [this](const auto& e) { return !is_protected(e.first); });
  count_stored();
  while (numbers.bytes_stored + reserved > settings.limit_bytes - size) {
    if (!evict_one() && !drop_memory()) {
      throw error(errc::overloaded,
                  "the node's store of " + mebibytes(settings.limit_bytes) +
                      " is full of what arrives or is shared at this moment: start it with a larger --cache-size");
    }
    count_stored();
  }
}

std::vector<std::shared_ptr<run_directory>> store_state::run_places() {
  std::vector<std::shared_ptr<run_directory>> out;
  std::error_code ignored;
  if (disk.fd() >= 0) out.push_back(current(run_on_disk_, fs::canonical(settings.directory, ignored) / "run"));
  if (fs::is_directory("/dev/shm", ignored)) out.push_back(current(run_in_memory_, shared_memory_base()));
  std::erase(out, nullptr);
  return out;
}

store::store(const options& o) : state_(std::make_unique<store_state>(o)) {}
store::~store() = default;

bool store::has(const auth::digest& content) const {
  if (!state_->has(content)) return false;
  state_->touch(content);
  return true;
}

descriptor store::read(const auth::digest& content) const {
  if (auto file = state_->disk.open(content)) return file;
  const auto memory = state_->in_memory(content);
  return descriptor(memory ? ::fcntl(memory->fd(), F_DUPFD_CLOEXEC, 3) : -1);
}

bool store::knows(const auth::digest& content) const { return state_->has(content); }

std::unique_ptr<store::incoming> store::receive(const auth::digest& content, std::uint64_t size, place where) {
  state_->make_room(size);
  return make_incoming(*state_, content, size, where);
}

shared_pointer store::open_value(const auth::digest& content) {
  if (auto value = code::open_value(*state_, content)) return value;
  throw missing({0}, "a shared value is not here");
}

void store::let_go(const auth::digest& content) {
  const auto slot = state_->memory.find(content);
  if (slot == state_->memory.end()) return;
  slot->second.keep.reset();
  state_->fresh.erase(content);
}

std::shared_ptr<const launchable> store::open(const manifest& m, byte_view encoded) {
  PP_CHECK(!m.modules.empty());
  return open_image(*state_, m, encoded);
}

const store::counters& store::numbers() const { return state_->numbers; }

}  // namespace pp::code
