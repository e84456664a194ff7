#include "worker/shared_values.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>

#include "pp/error.hpp"
#include "wire/message.hpp"

namespace pp::detail {
namespace {

thread_local shared_values* noted = nullptr;

/// What this program shares; never destroyed, because handles may lie in static objects.
class own_values {
 public:
  static own_values& instance() {
    static auto* const all = new own_values();
    return *all;
  }

  /// The one that is there already if the content is the same.
  shared_value_pointer add(code::shared_pointer content, shared_values uses) {
    const auto id = content->id();
    const std::lock_guard hold(lock_);
    if (const auto known = values_.find(id); known != values_.end()) {
      if (auto there = known->second.lock()) return there;
      values_.erase(known);
    }
    if (values_.size() >= most_shared_values) sweep();
    if (values_.size() >= most_shared_values) {
      throw error(errc::overloaded, "this program shares " + std::to_string(most_shared_values) +
                                        " values already, the most at a time: let go of handles that are not needed");
    }
    auto made = std::make_shared<shared_value>(std::move(content), std::move(uses));
    values_[id] = made;
    return made;
  }
  shared_value_pointer find(const wire::content_id& id) {
    const std::lock_guard hold(lock_);
    const auto known = values_.find(id);
    return known != values_.end() ? known->second.lock() : nullptr;
  }
  void set_source(value_source source) {
    const std::lock_guard hold(lock_);
    source_ = std::move(source);
  }
  value_source source() {
    const std::lock_guard hold(lock_);
    return source_;
  }

 private:
  void sweep() {
    std::erase_if(values_, [](const auto& v) { return v.second.expired(); });
  }

  std::mutex lock_;
  std::map<wire::content_id, std::weak_ptr<shared_value>> values_;
  value_source source_;
};

code::shared_pointer write_content(shared_bytes bytes, shared_form form) {
  constexpr std::size_t piece = 1U << 20U;
  const byte_view all(bytes.data, bytes.size);
  try {
    code::content_writer to;
    for (std::size_t at = 0; at < all.size(); at += piece) to.append(all.subspan(at, std::min(piece, all.size() - at)));
    const auto end = static_cast<std::uint8_t>(form);
    to.append(byte_view(&end, 1));
    return to.finish();
  } catch (const std::system_error& e) {
    const bool is_limit = e.code().value() == EMFILE || e.code().value() == ENFILE;
    throw error(errc::overloaded, std::string("a value cannot be shared: ") + e.what() +
                                      (is_limit ? " (each takes a descriptor: raise ulimit -n)" : ""));
  }
}

}  // namespace

// Under the lock while it is made: who comes meanwhile wants the same.
std::shared_ptr<const void> shared_value::decoded(const void* type,
                                                  std::shared_ptr<const void> (*make)(const shared_value&)) {
  const std::lock_guard hold(lock_);
  for (const auto& m : made_) {
    if (m.type == type) return m.value;
  }
  auto value = make(*this);
  made_.push_back({type, value});
  return value;
}

shared_name name_of(const shared_value& value) noexcept { return {value.content()->id(), value.content()->size()}; }

shared_bytes bytes_of(const shared_value& value, shared_form form) {
  const byte_view all = value.content()->bytes();
  if (all.back() != static_cast<std::uint8_t>(form))
    throw error(errc::bad_message, "pp: these bytes are not what they should be: a shared value is of another kind");
  return {all.data(), all.size() - 1};
}

std::shared_ptr<const void> decoded(shared_value& value, const void* type,
                                    std::shared_ptr<const void> (*make)(const shared_value&)) {
  return value.decoded(type, make);
}

void note_use(const shared_value_pointer& value) {
  if (noted != nullptr) noted->push_back(value);
}

use_scope::use_scope(shared_values& to) noexcept : outer_(std::exchange(noted, &to)) {}
use_scope::~use_scope() { noted = outer_; }

shared_value_pointer find_shared(const shared_name& name) {
  auto& all = own_values::instance();
  auto found = all.find(name.content);
  if (!found) {
    if (const auto source = all.source()) found = source(name.content);
  }
  if (found && found->content()->size() == name.size) return found;
  throw error(errc::bad_message,
              "pp: a shared value is not here: keep its handle for as long as something may name it");
}

void look_for_values_at(value_source source) { own_values::instance().set_source(std::move(source)); }

shared_value_pointer share_bytes(shared_bytes bytes, shared_form form, shared_values uses) {
  if (bytes.size >= wire::max_value_bytes)
    throw error(errc::bad_option, "pp: a shared value has at most 4 GiB: share its parts");
  return own_values::instance().add(write_content(bytes, form), std::move(uses));
}

}  // namespace pp::detail
