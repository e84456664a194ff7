// The values that a client's jobs share, and the jobs that name them.
#include <memory>

#include "ppserver/images.hpp"

namespace pp::ppserver {

code::store::place images::place_for(std::uint32_t index) const {
  return index >= wire::first_value ? code::store::place::memory : code::store::place::disk;
}

void images::on_value(const wire::value& m) {
  if (entries_.contains(m.index) || values_.contains(m.content))
    throw error(errc::bad_message, "a shared value was announced twice");
  if (values_.size() >= wire::max_values)
    throw error(errc::bad_message,
                "more than " + std::to_string(wire::max_values) + " shared values at a time on one connection");
  values_[m.content] = m.index;
  entry& e = entries_[m.index];
  e.index = m.index;
  e.contents.modules.push_back({"", m.size, m.content, {}});
  if (store_.has(m.content)) out_.content_found(m.content, m.size);
  ask_for_value(e);
}

// Before the client sends gigabytes in vain.
void images::ask_for_value(entry& e) {
  const auto size = e.contents.modules.front().size;
  if (size <= limit_bytes_) return ask_or_open(e);
  refuse_value(e, "a shared value has " + std::to_string(size) + " bytes, and this node keeps at most " +
                      std::to_string(limit_bytes_) + " (--cache-size)");
}

// Jobs that are held for it are such as the client does not want any more.
void images::on_release(const wire::release& m) {
  const auto at = entries_.find(m.index);
  if (at == entries_.end()) throw error(errc::bad_message, "a shared value was released that was never announced");
  const auto content = at->second.contents.modules.front().content;
  give_back_held(at->second);
  at->second.is = state::unfit;  // so that nothing is asked for in its name
  abandon_transfers(at->second);
  values_.erase(content);
  entries_.erase(at);
  store_.let_go(content);
}

/// False if the job is held for one of them, or refused.
bool images::add_values(std::uint32_t image, worker::pool_job& job) {
  auto all = std::make_shared<std::vector<code::shared_pointer>>();
  for (const auto& content : job.terms->values) {
    const auto known = values_.find(content);
    if (known == values_.end()) {
      out_.refuse_job(job.id, job.attempt, "the job names a shared value that is not announced, or was released");
      return false;
    }
    entry& value = entries_.at(known->second);
    if (value.is == state::unfit && now() - value.refused > value_rest) try_again(value);
    if (value.is == state::unfit) {
      out_.refuse_job(job.id, job.attempt, value.reason);
      return false;
    }
    if (value.is == state::receiving) {
      value.held.push_back({image, std::move(job)});
      return false;
    }
    all->push_back(value.value);
  }
  job.values = std::move(all);
  return true;
}

void images::try_again(entry& value) {
  value.is = state::receiving;
  value.asked = 0;
  value.missing.clear();
  ask_for_value(value);
}

void images::refuse_value(entry& e, const std::string& reason) {
  e.is = state::unfit;
  e.reason = reason;
  e.refused = now();
  e.value.reset();
  const auto held = std::exchange(e.held, {});
  for (const auto& one : held) out_.refuse_job(one.job.id, one.job.attempt, reason);
}

}  // namespace pp::ppserver
