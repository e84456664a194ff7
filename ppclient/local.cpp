#include "ppclient/local.hpp"

#include <algorithm>

#include "base/block_pool.hpp"
#include "wire/message.hpp"

namespace pp::ppclient {
namespace {

worker::pool_options pool_settings(unsigned slots) {
  worker::pool_options o;
  o.slots = slots;
  return o;
}

}  // namespace

local::local(net::executor ex, local_owner& owner, unsigned slots)
    : owner_(owner), pool_(ex, pool_settings(slots)), id_(pool_.add_owner(*this)), credit_(slots) {}

local::~local() = default;

void local::set_slots(unsigned slots) {
  pool_.set_slots(slots);
  if (slots > 0) credit_.set_share(slots);
}

void local::send_job(const detail::job_record& record, std::uint16_t attempt, const code::image& program) {
  auto& what = programs_[record.image];
  if (!what) what = program.as_launchable();
  const byte_view arguments = record.arguments();
  const std::size_t size = wire::submit::size + arguments.size();
  worker::pool_job job{record.id(), attempt, {}};
  job.payload =
      size < block_pool::smallest ? worker::job_bytes(bytes(size)) : worker::job_bytes(warm_blocks().take(size));
  const mutable_byte_view to = job.payload.writable();
  wire::encode_submit({0, record.decoder, record.function, 0}, to.data());
  std::copy(arguments.begin(), arguments.end(), to.begin() + wire::submit::size);
  credit_.on_submit(size);
  const worker::program named{what, {}};
  pool_.submit(id_, named, std::move(job));
}

void local::on_result(std::uint64_t job, std::uint16_t attempt, bytes payload) {
  if (payload.empty()) return;
  const auto parts = wire::decode_result(payload);
  const bool has_run = parts && parts->head.code != wire::code_not_started;
  payload[0] = has_run ? credit_.on_result(pool_.mean_run_time(id_)) : credit_.on_returned();
  owner_.on_local_result(job, attempt, std::move(payload));
  if (const auto change = credit_.correction(); change != 0) owner_.on_local_credit(change);
}

void local::on_unfit(const code::image_id& image, const std::string& reason,
                     const std::vector<std::uint64_t>& returned) {
  for (std::size_t i = 0; i < returned.size(); ++i) credit_.on_returned();
  for (const auto& [index, what] : programs_) {
    if (what->id == image) owner_.on_local_unfit(index, reason);
  }
}

net::awaitable<void> local::close() {
  pool_.remove_owner(id_);
  co_await pool_.close();
}

}  // namespace pp::ppclient
