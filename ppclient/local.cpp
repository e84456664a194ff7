#include "ppclient/local.hpp"

#include <array>

#include "wire/message.hpp"
#include "worker/shared_values.hpp"

namespace pp::ppclient {
namespace {

worker::value_list contents_of(const detail::shared_values& values) {
  auto out = std::make_shared<std::vector<code::shared_pointer>>();
  for (const auto& value : values) out->push_back(value->content());
  return out;
}

}  // namespace

local::local(net::executor ex, local_owner& owner, const worker::pool_options& options)
    : owner_(owner), pool_(ex, options), id_(pool_.add_owner(*this)), credit_(options.slots) {}

local::~local() = default;

void local::set_slots(unsigned slots) {
  pool_.set_slots(slots);
  if (slots > 0) credit_.set_share(slots);
}

void local::send_job(const detail::job_record& record, std::uint16_t attempt, const wire::job_id& name,
                     const code::image& program) {
  auto& what = programs_[record.image];
  if (!what) what = program.as_launchable();
  const byte_view arguments = record.arguments();
  const worker::program named{what, {}};
  const auto head = detail::submit_head(record, 0, name);
  const std::size_t size = head.size() + arguments.size();
  block place = size > worker::job_bytes::largest_copied ? pool_.place_for(named, size) : block();
  if (record.how() != nullptr && record.how()->is_inside()) {
    in_place_.insert(record.id());
  } else {
    credit_.on_submit(size);
  }
  worker::pool_job job{record.id(), attempt,
                       worker::job_bytes(byte_view(head.data(), head.size()), arguments, std::move(place))};
  if (const auto terms = record.terms(); !terms.empty())
    job.terms = std::make_shared<const wire::terms>(wire::decode_terms(terms).value());
  if (record.extra && !record.extra->values.empty()) job.values = contents_of(record.extra->values);
  pool_.submit(id_, named, std::move(job));
}

void local::on_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) {
  const auto code = load_big_endian<std::uint16_t>(payload.view.data() + 2);
  const bool has_run = code != wire::code_not_started;
  if (in_place_.erase(job) > 0) {
    payload.view[0] = wire::result_head::no_credit;
    return owner_.on_local_result(job, attempt, std::move(payload));
  }
  payload.view[0] = has_run ? credit_.on_result(pool_.mean_run_time(id_)) : credit_.on_returned();
  owner_.on_local_result(job, attempt, std::move(payload));
  if (const auto change = credit_.correction(); change != 0) owner_.on_local_credit(change);
}

void local::on_unfit(const code::image_id& image, const std::string& reason,
                     const std::vector<std::uint64_t>& returned) {
  for (const auto& [index, what] : programs_) {
    if (what->id == image) owner_.on_local_unfit(index, reason);
  }
  for (const auto job : returned) owner_.on_local_returned(job, credit_.on_returned());
}

net::awaitable<void> local::close() {
  pool_.remove_owner(id_);
  co_await pool_.close();
}

}  // namespace pp::ppclient
