// How dispatch shares slots between owners.
#include <algorithm>

#include "worker/dispatch.hpp"

namespace pp::worker {

// --- who is next -----------------------------------------------------------------------------------------------------

bool dispatch::wants_worker(const group_record& g) const {
  return g.is_used && g.unfit_reason.empty() && g.base == nothing && g.queued + g.live > g.serving + g.reserved;
}

bool dispatch::may_start(const group_record& g) {
  if (g.start_failures == 0) return true;
  if (now_ < g.not_before) look_again(g.not_before);
  return now_ >= g.not_before && g.starting == 0;  // one at a time shows whether it works again
}

/// An owner of weight 3 is given something three times before its turn is over.
void dispatch::take_turn(std::uint32_t stream) {
  auto& o = owners_[streams_[stream].owner];
  streams_[stream].turn = ++turn_;
  if (--o.turns_left > 0) return;
  o.turn = turn_;
  o.turns_left = o.weight;
}

/// Among equals the owner goes first whose turn was over the longest time ago.
bool dispatch::comes_before(std::uint32_t a, std::uint32_t b, worker_id leaving_out) const {
  const auto without = leaving_out == nothing ? nothing : workers_[leaving_out].tail;
  const auto share = [&](std::uint32_t s) {
    return owners_[streams_[s].owner].tails - (streams_[s].owner == without ? 1U : 0U);
  };
  const auto share_a = std::uint64_t{share(a)} * owners_[streams_[b].owner].weight;
  const auto share_b = std::uint64_t{share(b)} * owners_[streams_[a].owner].weight;
  if (share_a != share_b) return share_a < share_b;
  const auto turn_a = owners_[streams_[a].owner].turn, turn_b = owners_[streams_[b].owner].turn;
  return turn_a != turn_b ? turn_a < turn_b : streams_[a].turn < streams_[b].turn;
}

dispatch::candidate dispatch::neediest() {
  candidate best;
  for (group_id g = 0; g < groups_.size(); ++g) {
    if (!wants_worker(groups_[g]) && !has_stuck_round(g)) continue;
    if (!may_start(groups_[g])) continue;
    for (const auto s : groups_[g].streams) {
      if (streams_[s].queued == 0 && streams_[s].live == 0) continue;
      if (is_short_of_resources(streams_[s])) continue;
      if (!best || comes_before(s, best.stream, nothing)) best.stream = s;
    }
  }
  return best;
}

std::uint32_t dispatch::choose_stream(worker_id w) const {
  const auto& me = workers_[w];
  std::uint32_t best = nothing, same = nothing;
  for (const auto s : groups_[me.group].streams) {
    if (streams_[s].queued == 0 || first_for(me, streams_[s]) == nothing) continue;
    if (best == nothing || comes_before(s, best, w)) best = s;
    if (streams_[s].owner == me.tail) same = s;
  }
  if (same == nothing || same == best || me.live == 0) return best;
  // The odd slot goes round, but only while no other worker is changing from one owner to another: two changes on
  // their way at once could meet, and one owner would run on all workers for the length of a job.
  return is_short_of(streams_[best].owner, me.tail) || !is_any_changing(w) ? best : same;
}

/// Whether `one` has so few slots that it may take one of `other`'s.
bool dispatch::is_short_of(std::uint32_t one, std::uint32_t other) const {
  const auto &a = owners_[one], &b = owners_[other];
  if (a.tails == 0 || b.tails == 0) return a.tails == 0;
  return std::uint64_t{b.tails - 1} * a.weight >= std::uint64_t{a.tails + 1} * b.weight;
}

bool dispatch::is_any_changing(worker_id but) const {
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (w == but || me.group != workers_[but].group || !me.takes_jobs()) continue;
    if (me.live > 1 && owner_of_first(w) != me.tail) return true;
  }
  return false;
}

/// Of the job that runs, or will next. Requires: there is one.
std::uint32_t dispatch::owner_of_first(worker_id w) const {
  const auto& me = workers_[w];
  auto first = me.head;
  while (me.at(first) == nothing) ++first;
  return streams_[jobs_[me.at(first)].stream].owner;
}

/// Within one image: an owner with too small a share gets the place behind a running job of one that has more.
void dispatch::even_out(group_id g) {
  if (!groups_[g].is_used || groups_[g].queued == 0 || groups_[g].streams.size() < 2) return;
  for (const auto s : groups_[g].streams) {
    while (streams_[s].queued > 0 && !streams_[s].is_special && displace({s})) {
    }
  }
}

bool dispatch::displace(candidate who) {
  const auto& s = streams_[who.stream];
  for (worker_id w = 0; w < workers_.size(); ++w) {
    const auto& me = workers_[w];
    if (!me.takes_jobs() || me.group != s.group || me.live < 2 || me.live_long == 0 || me.tail == s.owner) continue;
    // Else its turn comes already, or is not due.
    if (owner_of_first(w) != me.tail || !is_short_of(s.owner, me.tail)) continue;
    bool took = false;
    for (auto q = me.next; q-- > me.head && me.live > 1;) {
      const auto j = me.at(q);
      if (j == nothing) continue;
      if (!take_back(w, q)) break;
      push_front(j);
      took = true;
    }
    if (!took || me.live > 1 || !may_take(me, s.first, 2)) continue;
    const auto j = s.first;
    unlink(j);
    take_turn(who.stream);
    put_in_pipe(w, j);
    return true;
  }
  return false;
}

}  // namespace pp::worker
