// Who is told when a job is done: a table beside the records, because few jobs have watchers and 200 bytes a job are the aim.
#include <algorithm>

#include "ppclient/record.hpp"

namespace pp::detail {

void record_pool::watch(job_record& record, std::shared_ptr<watcher> who, std::size_t tag) {
  {
    // Marked first: complete() looks into the table only where it finds the mark, and needs the lock for it.
    const std::lock_guard hold(lock_);
    auto seen = record.word.load(std::memory_order_acquire);
    while (seen != job_record::state_done) {
      const bool is_marked = (seen & job_record::has_watcher) != 0;
      if (is_marked || record.word.compare_exchange_weak(seen, seen | job_record::has_watcher)) {
        watches_[record.id()].push_back({std::move(who), tag});
        return;
      }
    }
  }
  who->on_done({tag, record.code != 0, std::chrono::microseconds(record.run_us)});
}

void record_pool::unwatch(const job_record& record, const watcher& who) noexcept {
  const std::lock_guard hold(lock_);
  const auto found = watches_.find(record.id());
  if (found == watches_.end()) return;
  std::erase_if(found->second, [&](const watch_entry& w) { return w.who.get() == &who; });
  if (found->second.empty()) watches_.erase(found);
}

// The record may belong to another job by now: what is to be told was read before.
void record_pool::tell_watchers(std::uint64_t id, ending how) noexcept {
  std::vector<watch_entry> told;
  {
    const std::lock_guard hold(lock_);
    const auto found = watches_.find(id);
    if (found == watches_.end()) return;
    told = std::move(found->second);
    watches_.erase(found);
  }
  for (const auto& w : told) {
    how.tag = w.tag;
    w.who->on_done(how);
  }
}

}  // namespace pp::detail
