// What jobs gave, kept in a file, so that a batch goes on where it was when its client died (options::journal).
//
// Promises: an entry is on its way to the file within 50 ms of its result, and survives the death of this process once
// it is there; entries are found by what a job is: program, function, argument bytes, and the how-manieth such job of
// this run it is. A file that can no longer be written costs the journal and no job. Memory: one key for each entry, and
// what waits to be written.
// Threads: key_of() and find() from any; store() from the I/O thread. Must not know: records, nodes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "code/location.hpp"
#include "ppclient/journal_file.hpp"

namespace pp::ppclient {

class journal {
 public:
  /// Throws what journal_file throws.
  explicit journal(const std::string& path);
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;
  /// close().
  ~journal();

  /// The name of the next such job.
  auth::digest key_of(byte_view program, code::location decoder, code::location function, byte_view arguments);
  std::optional<journal_entry> find(const auth::digest& key);
  /// Takes it to be written; what finds no room in the 256 MiB that may wait is not kept.
  void store(const auth::digest& key, journal_entry what);
  /// Writes what waits.
  void close();

  std::uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }
  /// Results that could not be kept.
  std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

 private:
  struct hash_of_key {
    std::size_t operator()(const auth::digest& key) const noexcept;
  };
  using pending = std::vector<std::pair<auth::digest, journal_entry>>;

  void write_all();
  bool wait_for_work(pending& batch);
  void write(const pending& batch);
  void give_up(std::size_t entries, const std::string& why);

  std::mutex file_lock_;  ///< guards file_
  journal_file file_;
  std::unordered_set<auth::digest, hash_of_key> known_;  ///< when it was opened; constant since

  std::mutex count_lock_;
  std::unordered_map<auth::digest, std::uint64_t, hash_of_key> counts_;

  std::mutex lock_;  ///< guards what follows
  std::condition_variable work_;
  pending waiting_;
  std::size_t waiting_bytes_ = 0;
  bool is_closing_ = false;

  std::atomic<std::uint64_t> hits_{0}, errors_{0};
  bool is_broken_ = false;  ///< the writer's own
  std::thread writer_;
};

}  // namespace pp::ppclient
