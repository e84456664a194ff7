// What a pool tells its owners about workers that are checked out.
#include <utility>

#include "worker/pool_impl.hpp"

namespace pp::worker {

void pool::impl::note_over(const action& a) {
  const std::string why = decide.is_draining() ? "the workers are being stopped" : "it " + ends[a.worker].reason;
  leases_over.push_back({a.owner, a.sequence, why});
}

void pool::impl::tell_lent() {
  if (decide.lent() == lent) return;
  lent = decide.lent();
  for (const auto id : decide.owners()) owner(id)->on_lent(lent);
}

void pool::impl::tell_over() {
  for (const auto& l : std::exchange(leases_over, {})) {
    if (auto* to = owner(l.owner)) to->on_lease_over(l.place, l.why);
  }
}

void pool::check_in(owner_id owner, std::uint64_t place) {
  impl_->decide.on_check_in(owner, place);
  impl_->schedule();
}

unsigned pool::lent() const { return impl_->decide.lent(); }

}  // namespace pp::worker
