// What a failed job's report gets from this side: the names of functions, and the capsule.
//
// Promises: reads the program's symbol tables only once something has failed; whatever goes wrong here costs a name or a
// capsule and one line in the log, never the error itself.
// Threads: the I/O thread only. Must not know: nodes, records.
#pragma once

#include <span>
#include <string>

#include "code/symbols.hpp"
#include "pp/error.hpp"

namespace pp::ppclient {

/// Everything is borrowed.
struct failed_job {
  errc code;
  const code::image& program;
  code::location decoder = code::no_location, function = code::no_location;
  byte_view terms, arguments;
  std::span<const code::location> stack;
};

class post_mortem {
 public:
  /// Empty: no capsules.
  explicit post_mortem(std::string capsule_dir) : capsule_dir_(std::move(capsule_dir)) {}

  /// Fills function, stack and capsule; the rest of `to` should be there already, since the capsule keeps it.
  void complete(const failed_job& job, job_report& to) noexcept;

 private:
  void name(const failed_job& job, job_report& to);
  void save(const failed_job& job, job_report& to);

  std::string capsule_dir_;
  unsigned saved_ = 0;
  code::symbol_book symbols_;
};

}  // namespace pp::ppclient
