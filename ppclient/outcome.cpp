// What an item of client::try_map threw, from the bytes its worker wrote to an error.
#include "pp/detail/algorithms.hpp"

namespace pp::detail {
namespace {

std::string take_text(byte_source& from) {
  slot<std::string> text;
  fill_part(from, text);
  return std::move(text.value());
}

}  // namespace

error take_exception(byte_source& from, std::uint64_t item, const job_handle& job) {
  job_report why;
  why.id = job.id();
  why.node = job.node();
  why.type = take_text(from);
  why.message = "item " + std::to_string(item) + " (counted from 0): " + take_text(from);
  for (std::uint64_t left = from.announced(); left > 0; --left) {
    std::string type = take_text(from);
    why.causes.push_back({std::move(type), take_text(from)});
  }
  return job_error(errc::job_threw, std::move(why));
}

}  // namespace pp::detail
