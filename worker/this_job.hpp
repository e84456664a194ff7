// What pp::this_job tells, and the variables that the running job sees beside its worker's.
//
// Promises: a job without label and environment costs a few stores. When a job has ended everything is as it was before it.
// Threads: begin and end by the thread that runs jobs; what is asked, by any.
// Must not know: what a job does.
#pragma once

#include <string>
#include <vector>

#include "wire/message.hpp"
#include "wire/terms.hpp"

namespace pp::worker {

/// For the time of one job.
class job_scope {
 public:
  job_scope(const wire::job_id& id, unsigned attempt, const wire::terms& terms);
  job_scope(const job_scope&) = delete;
  job_scope& operator=(const job_scope&) = delete;
  ~job_scope();

 private:
  struct variable {
    std::string text;  ///< NAME=value; the environment refers to it
    char* before;      ///< what stood there, or null
  };
  void set_variables(const std::vector<std::string>& wanted);
  void restore_variables();

  std::vector<variable> variables_;
  bool has_label_;
};

}  // namespace pp::worker
