// A job between encoding its arguments and sending it: the non-template half of client::submit.
#pragma once

#include "pp/detail/callable.hpp"
#include "pp/detail/job_handle.hpp"
#include "pp/detail/payload.hpp"
#include "pp/detail/shared_value.hpp"
#include "pp/detail/waiting_call.hpp"
#include "pp/options.hpp"

namespace pp::detail {

class client_core;
struct checkout_state;
struct job_place;
struct named_place;

class job_draft {
 public:
  /// Takes a pooled record. Throws pp::error(errc::closed).
  explicit job_draft(client_core& core);
  job_draft(const job_draft&) = delete;
  job_draft& operator=(const job_draft&) = delete;
  /// Gives the record back if submit() was not reached.
  ~job_draft();

  payload& arguments() noexcept;
  /// From here on arguments() are the bytes of parts, and the job is sent when its inputs have ended.
  waiting_call& waits();
  /// Sends it. Throws pp::error(errc::not_shippable) or errc::closed.
  job_handle submit(const call_code& code);
  /// With settings of its own. Throws also errc::bad_option.
  job_handle submit(const call_code& code, const job_options& how);
  /// A job that asks for a worker of its own, which is `worker` when it is done.
  job_handle submit_opening(const call_code& code, const job_options& how,
                            const std::shared_ptr<checkout_state>& worker);
  /// A job for that worker alone.
  job_handle submit_inside(const call_code& code, const job_options& how,
                           const std::shared_ptr<checkout_state>& worker);
  /// One of several jobs that all run in different workers.
  job_handle submit_one_each(const call_code& code, const job_options& how, std::uint64_t round);

  /// A job for a program that only nodes have.
  job_handle submit_told(const named_place& where, const job_options& how);

 private:
  job_handle submit_at(const call_code& code, const job_options& how, job_place place);
  job_handle hand_over(const call_code& code);
  job_handle hand_over_waiting();
  job_handle send();
  void wait_for(const std::vector<job_ref>& others);

  client_core& core_;
  job_record* record_;
  std::unique_ptr<waiting_call> waits_;
  shared_values shared_;  ///< named by the arguments
  use_scope noting_{shared_};
};

}  // namespace pp::detail
