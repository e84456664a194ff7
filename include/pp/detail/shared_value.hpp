// What pp::shared is made of: content by SHA-256 in memory that is mapped read-only, and what was decoded from it.
//
// The last byte of the content says what the bytes before it are: an encoded value, or the elements of a vector or string
// as they lie in memory, so that nobody need copy them to look at them.
// Promises: a value of one type is decoded at most once in a process. Threads: any. Must not know: jobs, nodes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace pp::detail {

class payload;
class shared_value;
using shared_value_pointer = std::shared_ptr<shared_value>;
using shared_values = std::vector<shared_value_pointer>;

enum class shared_form : std::uint8_t { encoded = 1, elements = 2 };

/// What stands for a value among the arguments of a job.
struct shared_name {
  std::array<std::uint8_t, 32> content{};  ///< SHA-256
  std::uint64_t size = 0;                  ///< of the content; 0 = an empty handle
};

struct shared_bytes {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
};

shared_name name_of(const shared_value& value) noexcept;
/// Without the byte that tells the form. Throws pp::error(errc::bad_message) if they have another one.
shared_bytes bytes_of(const shared_value& value, shared_form form);

/// The job whose arguments are encoded on this thread, or the value that is being shared, needs this one.
void note_use(const shared_value_pointer& value);
/// In a worker what its node gave it, elsewhere what this program shares. Throws pp::error(errc::bad_message) in words if there
/// is none.
shared_value_pointer find_shared(const shared_name& name);

/// What `make` makes of the bytes of an encoded value, or of elements: made once for each `type`.
std::shared_ptr<const void> decoded(shared_value& value, const void* type,
                                    std::shared_ptr<const void> (*make)(const shared_value&));

/// What is noted on this thread while it lives goes to `to`.
class use_scope {
 public:
  explicit use_scope(shared_values& to) noexcept;
  use_scope(const use_scope&) = delete;
  use_scope& operator=(const use_scope&) = delete;
  ~use_scope();

 private:
  shared_values* const outer_;
};

/// Shares bytes, which are copied. `uses`: other values that are named in them. Throws pp::error(errc::overloaded) if too many are
/// shared already or there is no memory, errc::bad_option for more than 4 GiB.
shared_value_pointer share_bytes(shared_bytes bytes, shared_form form, shared_values uses);

}  // namespace pp::detail
