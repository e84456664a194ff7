// What a session tells about itself.
#include "base/log.hpp"
#include "ppserver/session.hpp"

namespace pp::ppserver {

void session::log_end() const {
  log::info("client_out", {{"address", client_.address},
                           {"key", client_.who.key_name},
                           {"client", to_hex(client_.who.id)},
                           {"jobs_done", jobs_done_},
                           {"reason", reason_}});
}

std::uint32_t session::weight() const {
  const auto found = around_.settings.key_weights.find(client_.who.key_name);
  return found != around_.settings.key_weights.end() ? found->second : 1;
}

session_numbers session::numbers() const {
  session_numbers n;
  n.address = client_.address;
  n.key_name = client_.who.key_name;
  n.client_id = to_hex(client_.who.id);
  n.jobs_done = jobs_done_;
  n.jobs_returned = jobs_returned_;
  n.bytes_in = channel_.bytes_received();
  n.bytes_out = channel_.bytes_sent();
  n.outstanding = credit_.outstanding();
  n.credit_window = credit_.window();
  n.connected = now() - began_;
  n.weight = weight();
  n.mean_run_time = around_.jobs.mean_run_time(owner_);
  return n;
}

}  // namespace pp::ppserver
