// A pool with real workers, which are this test program again, run step by step in the test's own thread.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "code/image.hpp"
#include "net/task_group.hpp"
#include "pp/detail/callable.hpp"
#include "pp/detail/slot.hpp"
#include "ppclient/settings.hpp"
#include "tests/support/wait.hpp"
#include "worker/pool.hpp"

namespace pp::test {

/// What came back for one job.
struct told {
  std::uint16_t code = 0, attempt = 0;
  bytes payload;
  unsigned times = 0;

  wire::result_parts parts() const { return wire::decode_result(payload).value(); }
  template <class T>
  T value() const {
    const auto body = parts().body;
    return detail::decode_value<T>(body.data(), body.size());
  }
  wire::failure failure() const { return wire::decode_failure(parts().body).value(); }
};

/// An owner that keeps all it is told.
class keeping_owner final : public worker::pool_owner {
 public:
  void on_result(std::uint64_t job, std::uint16_t attempt, handed_bytes payload) override {
    auto& t = results[job];
    t.code = wire::decode_result(payload.view).value().head.code;
    t.attempt = attempt;
    t.payload.assign(payload.view.begin(), payload.view.end());
    ++t.times;
    ++count;
    if (also) also(job);
  }
  void on_unfit(const code::image_id&, const std::string& reason, const std::vector<std::uint64_t>& jobs) override {
    unfit_reason = reason;
    returned.insert(returned.end(), jobs.begin(), jobs.end());
  }

  std::map<std::uint64_t, told> results;
  std::size_t count = 0;
  std::string unfit_reason;
  std::vector<std::uint64_t> returned;
  std::function<void(std::uint64_t)> also;
};

class pool_lab {
 public:
  explicit pool_lab(const worker::pool_options& o) : pool(io.get_executor(), o), tasks_(io.get_executor()) {
    program.what = own_program();
    id = pool.add_owner(owner);
  }
  ~pool_lab() { close(); }

  static worker::pool_options with_slots(unsigned slots) {
    worker::pool_options o;
    o.slots = slots;
    o.road = ppclient::local_road();  // the tests run over both
    return o;
  }
  static std::shared_ptr<const code::launchable> own_program() { return own_image()->as_launchable(); }
  static const std::shared_ptr<const code::image>& own_image() {
    static const auto image = code::image::snapshot();
    return image;
  }

  /// The SUBMIT payload of f(args…).
  template <class F, class... Args>
  static bytes call(F f, Args&&... args) {
    detail::payload arguments;
    const auto code = detail::prepare(f, arguments, std::forward<Args>(args)...);
    wire::submit head;
    head.decoder = own_image()->locate(reinterpret_cast<const void*>(code.decoder)).value();
    if (code.function != nullptr) head.function = own_image()->locate(code.function).value();
    bytes payload(wire::submit::size);
    wire::encode_submit(head, payload.data());
    payload.insert(payload.end(), arguments.data(), arguments.data() + arguments.size());
    return payload;
  }
  template <class F, class... Args>
  static worker::pool_job job(std::uint64_t id, F f, Args&&... args) {
    return {id, 1, worker::job_bytes(byte_view(call(f, std::forward<Args>(args)...)))};
  }
  template <class F, class... Args>
  std::uint64_t submit(F f, Args&&... args) {
    pool.submit(id, program, job(++last, f, std::forward<Args>(args)...));
    return last;
  }

  void run_until(const std::function<bool()>& condition) {
    const auto limit = std::chrono::steady_clock::now() + generous;
    while (!condition()) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(20));
      if (std::chrono::steady_clock::now() > limit) {
        ADD_FAILURE() << "it did not happen; " << owner.count << " results, " << pool.counters().workers << " workers, "
                      << pool.counters().queued << " queued";
        return;
      }
    }
  }
  const told& result_of(std::uint64_t job) {
    run_until([&] { return owner.results.count(job) > 0; });
    return owner.results[job];
  }
  void run(net::awaitable<void> work) {
    bool done = false;
    tasks_.spawn("test", finish(std::move(work), done));
    run_until([&] { return done && tasks_.size() == 0; });
  }
  void close() {
    if (!std::exchange(closed_, true)) run(pool.close());
  }

  net::io_context io;
  keeping_owner owner;
  worker::program program;
  worker::pool pool;
  worker::pool::owner_id id = 0;
  std::uint64_t last = 0;

 private:
  static net::awaitable<void> finish(net::awaitable<void> work, bool& done) {
    co_await std::move(work);
    done = true;
  }
  net::task_group tasks_;
  bool closed_ = false;
};

}  // namespace pp::test
