// client::map and its relatives without their types: keeps every slot supplied with chunks and hands on results, in order
// or as they come.
//
// Promises: as map_run.hpp says. Arguments and results under way are bounded: chunk_rule::chunks_per_slot chunks for each
// slot run or wait to; results that wait for one before them are further ones, up to eight times as many and 256 MiB.
// Threads: the caller's. Must not know: ranges, outputs, nodes.
#include "pp/detail/map_run.hpp"

#include <algorithm>
#include <deque>

#include "pp/detail/job_draft.hpp"
#include "ppclient/chunk_rule.hpp"
#include "ppclient/job_terms.hpp"

namespace pp::detail {
namespace {

using namespace std::chrono_literals;
using ppclient::chunk_rule;

constexpr std::size_t most_waiting = 8;  ///< times chunks_per_slot
constexpr std::size_t most_waiting_bytes = 256U << 20U;
// How often to look past a chunk that takes long: those behind it may be done, and their slots without work.
constexpr std::chrono::microseconds shortest_look = 1ms, longest_look = 20ms;

struct chunk {
  job_handle job;
  std::uint64_t first = 0, count = 0;
  std::size_t bytes = 0;
};

// The error of a chunk that no item threw says which items it was about.
[[noreturn]] void throw_with_items(const job_error& e, const chunk& c) {
  job_report why = *e.job();
  const std::string last = std::to_string(c.first + c.count - 1);
  why.items = c.count == 1 ? "item " + last : "one of items " + std::to_string(c.first) + " to " + last;
  throw job_error(static_cast<errc>(e.code().value()), std::move(why));
}

// With a journal the next run must cut the same chunks, however long they take: about a thousand, of at most so many items.
std::size_t chunk_of(client_core& core, const map_options& how, std::optional<std::uint64_t> total) {
  constexpr std::uint64_t usual = 64, most = 65536, wanted_chunks = 1000;
  if (how.chunk != 0 || !has_journal(core)) return how.chunk;
  return static_cast<std::size_t>(total ? std::clamp<std::uint64_t>(*total / wanted_chunks, 1, most) : usual);
}

}  // namespace

class map_run::loop {
 public:
  loop(client_core& core, const call_code& code, map_items& items, const map_options& how, const map_shape& shape)
      : core_(core),
        code_(code),
        items_(items),
        how_(how.job),
        rule_(chunk_of(core, how, items.total())),
        shape_(shape),
        total_(items.total()) {}
  // What is left when a map ends early is of no use to anybody: it is cancelled, and nothing of it outlives its map here.
  ~loop() {
    for (const auto& c : chunks_) {
      if (!c.job.ready()) c.job.cancel();
    }
    for (const auto& c : chunks_) c.job.wait();
  }

  bool step() {
    fill();
    if (chunks_.empty()) return false;
    auto found = find_ready();
    for (; found == chunks_.end(); found = find_ready()) fill();
    take(found);
    return true;
  }

 private:
  void fill() {
    while (!is_at_end_ && chunks_.size() < allowed_chunks() && has_room()) send();
  }
  bool has_room() const { return shape_.most_items == 0 || items_out_ < shape_.most_items; }
  /// Where few items may be out, no chunk may take them all, or one slot would work while the others wait.
  std::uint64_t bounded(std::uint64_t size, unsigned slots) const {
    if (shape_.most_items == 0) return size;
    const std::uint64_t share = std::max<std::uint64_t>(1, shape_.most_items / (2ULL * std::max(slots, 1U)));
    return std::min({size, share, shape_.most_items - items_out_});
  }
  std::size_t window() const { return std::size_t{chunk_rule::chunks_per_slot} * std::max(count_slots(core_), 1U); }
  std::size_t allowed_chunks() const {
    const std::size_t usual = window();
    if (waiting_ == 0 || waiting_bytes_ > most_waiting_bytes) return usual;
    return std::min(usual + waiting_, usual * most_waiting);
  }

  void send() {
    const unsigned slots = count_slots(core_);
    const auto left = total_ ? std::optional(*total_ - std::min(*total_, next_item_)) : std::nullopt;
    job_draft draft(core_);
    const auto most = bounded(rule_.next(slots, left), slots);
    const auto count = items_.pack(draft.arguments(), next_item_, most, rule_.most_bytes());
    is_at_end_ = count == 0;
    if (is_at_end_) return;
    const std::size_t bytes = draft.arguments().size();
    chunks_.push_back({{}, next_item_, count, bytes});
    try {
      chunks_.back().job = draft.submit(code_, how_);
    } catch (...) {
      chunks_.pop_back();
      throw;
    }
    next_item_ += count;
    items_out_ += count;
  }

  /// Waits for the oldest chunk, but not for ever: slots may go idle meanwhile, or more nodes come.
  bool is_next_ready() {
    const bool is_ready = chunks_.front().job.wait_for(look_);
    if (!is_ready) look_ = std::min(look_ * 2, longest_look);
    waiting_ = waiting_bytes_ = 0;
    for (const auto& c : chunks_) {
      if (is_ready || !c.job.ready()) continue;
      ++waiting_;
      waiting_bytes_ += c.bytes + c.job.result_bytes();
    }
    return is_ready;
  }

  using place = std::deque<chunk>::iterator;
  /// The chunk to hand on next; the end after a while without one.
  place find_ready() {
    place found = chunks_.begin();
    if (!is_next_ready()) {
      const auto is_done = [](const chunk& c) { return c.job.ready(); };
      found = shape_.is_ordered ? chunks_.end() : std::find_if(chunks_.begin(), chunks_.end(), is_done);
    }
    return found;
  }

  void take(place at) {
    const chunk c = std::move(*at);
    chunks_.erase(at);
    items_out_ -= c.count;
    job_handle::value_view value{};
    try {
      value = value_of(c);
    } catch (const error& e) {
      if (!items_.take_failure(c.first, c.count, e)) throw;
      return;
    }
    const auto run_time = c.job.run_time();
    look_ = std::clamp(run_time / 2, shortest_look, longest_look);
    rule_.on_done(c.count, c.bytes + value.size, run_time);
    items_.unpack({c.first, c.count, value.data, value.size, &c.job});
  }
  static job_handle::value_view value_of(const chunk& c) {
    try {
      return c.job.value_or_throw();
    } catch (const job_error& e) {
      if (e.code() == errc::job_threw) throw;  // its text names the item
      throw_with_items(e, c);
    }
  }

  client_core& core_;
  const call_code code_;
  map_items& items_;
  const job_options how_;
  chunk_rule rule_;
  const map_shape shape_;
  const std::optional<std::uint64_t> total_;

  std::deque<chunk> chunks_;  ///< under way, in the order of the range
  std::uint64_t next_item_ = 0;
  std::uint64_t items_out_ = 0;  ///< of the chunks under way
  bool is_at_end_ = false;
  std::size_t waiting_ = 0;        ///< chunks that are done and wait for the oldest
  std::size_t waiting_bytes_ = 0;  ///< their arguments and results
  std::chrono::microseconds look_ = shortest_look;
};

map_run::map_run(client_core& core, const call_code& code, map_items& items, const map_options& how,
                 const map_shape& shape) {
  ppclient::check(how.job);  // also where the range is empty
  loop_ = std::make_unique<loop>(core, code, items, how, shape);
}
map_run::~map_run() = default;

bool map_run::step() { return loop_->step(); }

void run_map(client_core& core, const call_code& code, map_items& items, const map_options& how,
             const map_shape& shape) {
  map_run all(core, code, items, how, shape);
  while (all.step()) {
  }
}

}  // namespace pp::detail
