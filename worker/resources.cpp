#include "worker/resources.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace pp::worker {

resource_stock::resource_stock(const std::vector<wire::resource>& declared) {
  for (const auto& one : declared) items_.push_back({one});
}

const resource_stock::item* resource_stock::find(const std::string& name) const {
  const auto found = std::find_if(items_.begin(), items_.end(), [&](const auto& i) { return i.declared.name == name; });
  return found == items_.end() ? nullptr : &*found;
}

bool resource_stock::has(const std::vector<wire::resource>& needs) const {
  return std::all_of(needs.begin(), needs.end(), [&](const auto& need) {
    const auto* const mine = find(need.name);
    return mine != nullptr && mine->taken + need.count <= mine->declared.count;
  });
}

bool resource_stock::declares(const std::vector<wire::resource>& needs) const {
  return std::all_of(needs.begin(), needs.end(), [&](const auto& need) {
    const auto* const mine = find(need.name);
    return mine != nullptr && need.count <= mine->declared.count;
  });
}

void resource_stock::take(const std::vector<wire::resource>& needs) {
  for (auto& mine : items_) {
    for (const auto& need : needs) mine.taken += need.name == mine.declared.name ? need.count : 0U;
  }
}

void resource_stock::give_back(const std::vector<wire::resource>& needs) {
  for (auto& mine : items_) {
    for (const auto& need : needs) {
      if (need.name != mine.declared.name) continue;
      PP_ASSERT(mine.taken >= need.count);
      mine.taken -= need.count;
    }
  }
}

std::string text_of(const std::vector<wire::resource>& all) {
  std::string out;
  for (const auto& r : all) out += (out.empty() ? "" : ", ") + r.name + "=" + std::to_string(r.count);
  return out;
}

}  // namespace pp::worker
