#include "ppclient/job_values.hpp"

#include <map>

#include "pp/error.hpp"
#include "wire/terms.hpp"
#include "worker/shared_values.hpp"

namespace pp::ppclient {
namespace {

using all_values = std::map<wire::content_id, detail::shared_value_pointer>;

void collect(const detail::shared_values& named, all_values& to) {
  for (const auto& value : named) {
    if (to.emplace(value->content()->id(), value).second) collect(value->uses(), to);
  }
}

std::shared_ptr<const job_terms> with_values(const job_terms* how, const all_values& all) {
  auto out = how != nullptr ? std::make_shared<job_terms>(*how) : std::make_shared<job_terms>();
  auto sent = wire::decode_terms(out->encoded).value();
  sent.values.clear();
  for (const auto& [content, value] : all) sent.values.push_back(content);
  out->encoded.clear();
  wire::encode_terms(sent, out->encoded);
  return out;
}

}  // namespace

void add_values(detail::job_record& job, const detail::shared_values& named) {
  all_values all;
  if (job.extra) collect(job.extra->values, all);
  collect(named, all);
  if (all.size() > wire::max_values_of_job) {
    throw error(errc::bad_option, "the arguments of one job name " + std::to_string(all.size()) + " shared values; " +
                                      std::to_string(wire::max_values_of_job) + " is the most: share them as one");
  }
  auto& extra = job.more();
  extra.how = with_values(job.how(), all);
  if (wire::max_terms_bytes < extra.how->encoded.size())
    throw error(errc::bad_option, "a job's environment and shared values are too many together: at most 64 KiB");
  extra.values.clear();
  for (auto& [content, value] : all) extra.values.push_back(std::move(value));
}

}  // namespace pp::ppclient
