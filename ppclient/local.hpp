// Workers on this machine, shown to the scheduler as one more node.
//
// Promises: the same pool, dispatch and credit rule as a node's, without a connection. No worker is started before the first job.
// Threads: the I/O thread only. Must not know: which job goes where.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "code/image.hpp"
#include "ppclient/record.hpp"
#include "worker/credit.hpp"
#include "worker/pool.hpp"

namespace pp::ppclient {

class local_owner {
 public:
  virtual ~local_owner() = default;
  virtual void on_local_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) = 0;
  virtual void on_local_unfit(std::uint32_t image, const std::string& reason) = 0;
  /// A job that was not begun comes back because its image cannot run here.
  virtual void on_local_returned(std::uint64_t job, unsigned credit) = 0;
  virtual void on_local_credit(std::int32_t change) = 0;
  virtual void on_local_lent(unsigned workers) = 0;
  virtual void on_local_lease_over(std::uint64_t name, const std::string& why) = 0;
};

class local final : private worker::pool_owner {
 public:
  local(net::executor ex, local_owner& owner, const worker::pool_options& options);
  ~local() override;

  std::uint32_t initial_credit() const { return credit_.initial(); }
  void set_slots(unsigned slots);
  unsigned slots() const { return pool_.slots(); }
  /// The credit that other slots make right at once, with no result to bring it.
  std::int32_t correction() { return credit_.correction(); }
  void send_job(const detail::job_record& record, std::uint16_t attempt, const wire::job_id& name,
                const code::image& program);
  void recall(std::uint64_t job) { pool_.recall(id_, job); }
  void cancel(std::uint64_t job) { pool_.cancel(id_, job); }
  void check_in(std::uint64_t name) { pool_.check_in(id_, name); }
  worker::pool_counters counters() const { return pool_.counters(); }
  /// Ends all workers. Await it before destruction.
  net::awaitable<void> close();

 private:
  void on_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) override;
  void on_unfit(const code::image_id& image, const std::string& reason,
                const std::vector<std::uint64_t>& returned) override;
  void on_lent(unsigned workers) override { owner_.on_local_lent(workers); }
  void on_lease_over(std::uint64_t name, const std::string& why) override { owner_.on_local_lease_over(name, why); }

  local_owner& owner_;
  worker::pool pool_;
  worker::pool::owner_id id_;
  worker::credit_window credit_;
  std::set<std::uint64_t> in_place_;  ///< jobs for checked-out workers: they use no credit
  std::map<std::uint32_t, std::shared_ptr<const code::launchable>> programs_;  ///< by image index
};

}  // namespace pp::ppclient
