// The values that jobs share, in a process that uses them: those that this program shares, and in a worker those that its node
// has given it.
//
// The inside of pp/detail/shared_value.hpp. Owner of a value: handles, jobs, and in a worker the road it came by; hence
// shared_ptr. Threads: any. Must not know: jobs, nodes, how values travel.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "code/shared_content.hpp"
#include "pp/detail/shared_value.hpp"
#include "wire/content.hpp"

namespace pp::detail {

class shared_value {
 public:
  /// Mapped. `uses`: other values that are named in it.
  explicit shared_value(code::shared_pointer content, shared_values uses = {})
      : content_(std::move(content)), uses_(std::move(uses)) {}
  shared_value(const shared_value&) = delete;
  shared_value& operator=(const shared_value&) = delete;

  const code::shared_pointer& content() const { return content_; }
  const shared_values& uses() const { return uses_; }
  std::shared_ptr<const void> decoded(const void* type, std::shared_ptr<const void> (*make)(const shared_value&));

 private:
  struct made {
    const void* type;
    std::shared_ptr<const void> value;
  };
  const code::shared_pointer content_;
  const shared_values uses_;
  std::recursive_mutex lock_;  ///< guards made_; what is made may look at itself
  std::vector<made> made_;
};

/// Values that this program shares at a time, at most; nodes take as many of a client.
inline constexpr std::size_t most_shared_values = 10000;

/// Of a worker: what its node gave it, or gives it within a moment; null if it does not.
using value_source = std::function<shared_value_pointer(const wire::content_id& content)>;
/// From here on find_shared() asks it. Once, before any job.
void look_for_values_at(value_source source);

}  // namespace pp::detail
