#include "worker/thunks.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "pp/detail/thunk.hpp"

namespace pp::worker {
namespace {

/// The table in sorted form, made anew when its head has moved.
class snapshot {
 public:
  bool contains(const void* address) {
    refresh();
    return std::binary_search(known_.begin(), known_.end(), address, std::less<>());
  }

 private:
  void refresh() {
    const detail::thunk_entry* head = detail::thunk_table.load(std::memory_order_acquire);
    if (head == head_) return;
    known_.clear();
    for (const auto* entry = head; entry != nullptr; entry = entry->next) {
      known_.push_back(reinterpret_cast<const void*>(entry->address));
    }
    std::sort(known_.begin(), known_.end(), std::less<>());
    head_ = head;
  }

  const detail::thunk_entry* head_ = nullptr;
  std::vector<const void*> known_;
};

}  // namespace

bool is_registered_thunk(const void* address) {
  static snapshot table;
  return table.contains(address);
}

}  // namespace pp::worker
