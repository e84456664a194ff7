// gearman as a job server: gearmand and two workers by libgearman, on a loopback port of their own. Clear text.
//
// Usage: peer_gearman; see peer_main.hpp.
#include <libgearman/gearman.h>

#include <cstring>
#include <iostream>
#include <stdexcept>

#include "bench/figures.hpp"
#include "bench/peer_main.hpp"
#include "bench/workloads.hpp"

namespace {

using namespace bench;

// libgearman frees what a worker gives back with free().
void* result_of(const void* data, std::size_t size, std::size_t* result_size, gearman_return_t* status) {
  void* out = std::malloc(size);
  std::memcpy(out, data, size);
  *result_size = size;
  *status = GEARMAN_SUCCESS;
  return out;
}

void* plus_one(gearman_job_st* job, void*, std::size_t* size, gearman_return_t* status) {
  std::uint64_t n = 0;
  std::memcpy(&n, gearman_job_workload(job), sizeof n);
  ++n;
  return result_of(&n, sizeof n, size, status);
}

void* same(gearman_job_st* job, void*, std::size_t* size, gearman_return_t* status) {
  return result_of(gearman_job_workload(job), gearman_job_workload_size(job), size, status);
}

void* burn_job(gearman_job_st* job, void*, std::size_t* size, gearman_return_t* status) {
  double seconds = 0;
  std::memcpy(&seconds, gearman_job_workload(job), sizeof seconds);
  burn(seconds);
  return result_of(&seconds, 1, size, status);
}

void work(unsigned port) {
  auto* worker = gearman_worker_create(nullptr);
  gearman_worker_add_server(worker, "127.0.0.1", static_cast<in_port_t>(port));
  gearman_worker_add_function(worker, "plus_one", 0, plus_one, nullptr);
  gearman_worker_add_function(worker, "same", 0, same, nullptr);
  gearman_worker_add_function(worker, "burn", 0, burn_job, nullptr);
  while (gearman_worker_work(worker) == GEARMAN_SUCCESS) {
  }
}

std::size_t done = 0;
gearman_return_t count_result(gearman_task_st*) {
  ++done;
  return GEARMAN_SUCCESS;
}

template <class T>
std::string bytes_of(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

class gearman_peer : public peer_workloads {
 public:
  explicit gearman_peer(unsigned port) : client_(gearman_client_create(nullptr)) {
    gearman_client_add_server(client_, "127.0.0.1", static_cast<in_port_t>(port));
    gearman_client_set_complete_fn(client_, count_result);
    gearman_client_add_options(client_, GEARMAN_CLIENT_FREE_TASKS);
  }
  void one(std::uint64_t number) override {
    std::size_t size = 0;
    gearman_return_t status = GEARMAN_SUCCESS;
    void* out = gearman_client_do(client_, "plus_one", nullptr, &number, sizeof number, &size, &status);
    std::uint64_t result = 0;
    if (status == GEARMAN_SUCCESS && size == sizeof result) std::memcpy(&result, out, sizeof result);
    std::free(out);
    if (result != number + 1) throw std::runtime_error(std::string("gearman: ") + gearman_client_error(client_));
  }
  double rate(std::size_t count) override {
    count = std::min<std::size_t>(count, 10'000);  // it does not get faster, only longer
    std::vector<std::string> arguments;
    for (std::size_t i = 0; i < count; ++i) arguments.push_back(bytes_of(std::uint64_t{i}));
    return static_cast<double>(count) / seconds_for("plus_one", arguments);
  }
  // Its 32 KiB socket buffers wait for delayed acknowledgements: half a second for each MiB.
  double echo_rate(std::size_t bytes, std::size_t count) override {
    if (bytes > (2U << 20U)) return -1;
    count = std::min<std::size_t>(count, 4);
    const std::vector<std::string> arguments(count, std::string(bytes, 'x'));
    return static_cast<double>(bytes * count) / seconds_for("same", arguments) / 1e6;
  }
  double makespan(const std::vector<double>& lengths) override {
    std::vector<std::string> arguments;
    for (const double seconds : lengths) arguments.push_back(bytes_of(seconds));
    return seconds_for("burn", arguments);
  }

 private:
  double seconds_for(const char* function, const std::vector<std::string>& arguments) {
    done = 0;
    const auto start = steady::now();
    for (const auto& a : arguments) {
      gearman_return_t status = GEARMAN_SUCCESS;
      gearman_client_add_task(client_, nullptr, nullptr, function, nullptr, a.data(), a.size(), &status);
    }
    gearman_client_run_tasks(client_);
    if (done != arguments.size()) throw std::runtime_error(std::string("gearman: ") + gearman_client_error(client_));
    return seconds_since(start);
  }

  gearman_client_st* client_;
};

}  // namespace

int main() try {
  const unsigned port = free_port();
  start_program({"/usr/sbin/gearmand", "--listen=127.0.0.1", "--port=" + std::to_string(port), "--log-file=/dev/null"});
  if (!is_listening(port)) throw std::runtime_error("gearmand did not start");
  for (int i = 0; i < 2; ++i) child([&] { work(port); });
  gearman_peer peer(port);
  const int status = answer_lines(peer);
  std::_Exit(status);
} catch (const std::exception& e) {
  std::cerr << "peer_gearman: " << e.what() << '\n';
  return 1;
}
