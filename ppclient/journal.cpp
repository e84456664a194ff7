#include "ppclient/journal.hpp"

#include <pthread.h>

#include <array>
#include <chrono>
#include <cstring>

#include "base/blocked_signals.hpp"
#include "base/log.hpp"
#include "pp/error.hpp"

namespace pp::ppclient {
namespace {

// Half of what may be lost with this process: the other half is for writing.
constexpr auto gather_for = std::chrono::milliseconds(50);
constexpr std::size_t most_written_at_once = 1000;
constexpr std::size_t most_unwritten_bytes = 256U << 20U;
constexpr std::size_t largest_entry = 900'000'000;  // SQLite takes no row above 1 GB

std::array<std::uint8_t, 8> big_endian(std::uint64_t number) {
  std::array<std::uint8_t, 8> out{};
  store_big_endian(out.data(), number);
  return out;
}

}  // namespace

std::size_t journal::hash_of_key::operator()(const auth::digest& key) const noexcept {
  std::size_t first = 0;
  std::memcpy(&first, key.data(), sizeof first);
  return first;
}

journal::journal(const std::string& path) : file_(path) {
  file_.for_each_key([this](const auth::digest& key) { known_.insert(key); });
  const blocked_signals during_start;
  writer_ = std::thread([this] { write_all(); });
}

journal::~journal() { close(); }

auth::digest journal::key_of(byte_view program, code::location decoder, code::location function, byte_view arguments) {
  const auto where = big_endian(decoder), what = big_endian(function);
  const auto same = auth::sha256({program, where, what, arguments});
  std::uint64_t count = 0;
  {
    const std::lock_guard hold(count_lock_);
    count = counts_[same]++;
  }
  return auth::sha256({same, big_endian(count)});
}

std::optional<journal_entry> journal::find(const auth::digest& key) {
  if (!known_.contains(key)) return std::nullopt;
  try {
    const std::lock_guard hold(file_lock_);
    auto found = file_.find(key);
    if (found) hits_.fetch_add(1, std::memory_order_relaxed);
    return found;
  } catch (const error& e) {
    errors_.fetch_add(1, std::memory_order_relaxed);
    log::error("journal_unreadable", {{"reason", e.what()}, {"effect", "the job runs again"}});
    return std::nullopt;
  }
}

void journal::store(const auth::digest& key, journal_entry what) {
  {
    const std::lock_guard hold(lock_);
    const bool is_full = waiting_bytes_ + what.size() > most_unwritten_bytes && !waiting_.empty();
    if (is_full || what.size() > largest_entry) {
      errors_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    waiting_bytes_ += what.size();
    waiting_.emplace_back(key, std::move(what));
    if (waiting_.size() > 1 && waiting_.size() < most_written_at_once) return;
  }
  work_.notify_one();
}

void journal::close() {
  {
    const std::lock_guard hold(lock_);
    is_closing_ = true;
  }
  work_.notify_one();
  if (writer_.joinable()) writer_.join();
}

void journal::write_all() {
  pthread_setname_np(pthread_self(), "pp-journal");
  pending batch;
  while (wait_for_work(batch)) {
    write(batch);
    batch.clear();
  }
}

/// False when all is written and nothing more will come.
bool journal::wait_for_work(pending& batch) {
  std::unique_lock hold(lock_);
  work_.wait(hold, [this] { return is_closing_ || !waiting_.empty(); });
  work_.wait_for(hold, gather_for, [this] { return is_closing_ || waiting_.size() >= most_written_at_once; });
  batch.swap(waiting_);
  waiting_bytes_ = 0;
  return !batch.empty();
}

void journal::write(const pending& batch) {
  if (is_broken_) return give_up(batch.size(), {});
  const std::lock_guard hold(file_lock_);
  try {
    file_.begin();
    for (const auto& [key, what] : batch) file_.add(key, what);
    file_.commit();
  } catch (const error& e) {
    file_.roll_back();
    give_up(batch.size(), e.what());
  }
}

void journal::give_up(std::size_t entries, const std::string& why) {
  errors_.fetch_add(entries, std::memory_order_relaxed);
  if (!std::exchange(is_broken_, true))
    log::error("journal_stopped", {{"reason", why}, {"effect", "results are no longer kept; jobs go on"}});
}

}  // namespace pp::ppclient
