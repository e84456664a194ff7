#include "worker/this_job.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>

#include "pp/this_job.hpp"

namespace pp {
namespace {

// A thread that a job left behind may ask while the next one begins: it may get either's answer, but no torn text.
struct running_job {
  std::atomic<std::uint64_t> id_high{0}, id_low{0};
  std::atomic<unsigned> attempt{0};
  std::mutex lock;  ///< guards the label
  std::string label;
};

running_job& running() {
  static running_job one;
  return one;
}

void set_label(std::string text) {
  auto& job = running();
  const std::lock_guard hold(job.lock);
  job.label = std::move(text);
}

constexpr std::size_t most_retired = 1000;

// The entry itself and not its value: it is put back as it was, and putenv() copies nothing that would never be freed.
char* entry_of(const std::string& name_and_value) {
  const std::size_t length = name_and_value.find('=') + 1;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, name_and_value.c_str(), length) == 0) return *entry;
  }
  return nullptr;
}

}  // namespace

namespace this_job {

std::string id() {
  auto& job = running();
  wire::job_id bytes_of_id;
  store_big_endian(bytes_of_id.data(), job.id_high.load(std::memory_order_relaxed));
  store_big_endian(bytes_of_id.data() + 8, job.id_low.load(std::memory_order_relaxed));
  return attempt() == 0 ? std::string() : to_hex(bytes_of_id);
}

unsigned attempt() { return running().attempt.load(std::memory_order_relaxed); }

std::string label() {
  auto& job = running();
  const std::lock_guard hold(job.lock);
  return job.label;
}

}  // namespace this_job

namespace worker {

job_scope::job_scope(const wire::job_id& id, unsigned attempt, const wire::terms& terms)
    : has_label_(!terms.label.empty()) {
  auto& job = running();
  job.id_high.store(load_big_endian<std::uint64_t>(id.data()), std::memory_order_relaxed);
  job.id_low.store(load_big_endian<std::uint64_t>(id.data() + 8), std::memory_order_relaxed);
  job.attempt.store(attempt, std::memory_order_relaxed);
  if (has_label_) set_label(terms.label);
  if (!terms.environment.empty()) set_variables(terms.environment);
}

job_scope::~job_scope() {
  running().attempt.store(0, std::memory_order_relaxed);
  if (has_label_) set_label({});
  if (!variables_.empty()) restore_variables();
}

void job_scope::set_variables(const std::vector<std::string>& wanted) {
  variables_.reserve(wanted.size());  // the environment keeps pointers into the texts
  for (const auto& one : wanted) {
    auto& kept = variables_.emplace_back(variable{one, entry_of(one)});
    ::putenv(kept.text.data());
  }
}

// In reverse: should one name be there twice, the first entry is the one that stays.
void job_scope::restore_variables() {
  for (auto one = variables_.rbegin(); one != variables_.rend(); ++one) {
    if (one->before != nullptr) {
      ::putenv(one->before);
    } else {
      ::unsetenv(one->text.substr(0, one->text.find('=')).c_str());
    }
  }
  // Somebody may have kept what getenv() gave him, and look at it in a later job.
  static std::deque<std::vector<variable>> retired;
  retired.push_back(std::move(variables_));
  if (retired.size() > most_retired) retired.pop_front();
}

}  // namespace worker
}  // namespace pp
