// A link announces shared values before the first job that names them, and releases them when nobody needs them any more.
//
// That is seen at a heartbeat, or when there are many: handles go on any thread, and need not hurry.
#include "ppclient/link.hpp"

namespace pp::ppclient {

void link::announce_values(const detail::shared_values& values) {
  for (const auto& value : values) announce_value(value);
}

void link::announce_value(const detail::shared_value_pointer& value) {
  const auto& content = *value->content();
  if (const auto known = values_.find(content.id()); known != values_.end()) {
    if (!known->second.what.expired()) return;
    // The same bytes are shared anew. What the node asked for under the old index may not have been answered.
    release(known);
  }
  if (values_.size() >= wire::max_values) release_values();
  const auto index = next_value_++;
  values_[content.id()] = {index, value};
  value_of_index_[index] = content.id();
  bytes payload;
  wire::encode_value({index, content.size(), content.id()}, payload);
  channel_->send(wire::message_type::value, 0, 0, payload);
}

void link::release_values() {
  for (auto at = values_.begin(); at != values_.end();) {
    if (!at->second.what.expired()) {
      ++at;
      continue;
    }
    at = release(at);
  }
}

link::value_table::iterator link::release(value_table::iterator at) {
  bytes payload;
  wire::encode_release({at->second.index}, payload);
  channel_->send_behind(wire::message_type::release, 0, 0, payload);
  context_.contents->forget(node, at->first);
  value_of_index_.erase(at->second.index);
  return values_.erase(at);
}

code::shared_pointer link::value_of(std::uint32_t index) const {
  const auto content = value_of_index_.find(index);
  if (content == value_of_index_.end()) return nullptr;
  const auto value = values_.at(content->second).what.lock();
  return value ? value->content() : nullptr;
}

// It may have been released since the node asked.
void link::on_need_of_value(std::uint32_t index) {
  if (index >= next_value_) throw error(errc::bad_message, "malformed NEED");
  const auto value = value_of(index);
  if (!value) return;
  context_.contents->on_need(node, value->id());
  wanted_.push_back({index, {0}});
  needed_.cancel();
  owner_.on_contents_changed();
}

}  // namespace pp::ppclient
