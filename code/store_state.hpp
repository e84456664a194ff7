// The inside of the store, shared by the files that receive content, keep it and open it.
//
// Private to store*.cpp. Promises: `reserved` is the sum of the sizes of all content that is being received, so that
// what is here and what is on its way stay below the limit together.
#pragma once

#include <map>
#include <memory>

#include "base/clock.hpp"
#include "code/descriptor.hpp"
#include "code/run_directory.hpp"
#include "code/shared_content.hpp"
#include "code/shelf.hpp"
#include "code/store.hpp"

namespace pp::code {

struct store_state {
  explicit store_state(const store::options& o);
  ~store_state();

  bool has(const auth::digest& content) const;
  void touch(const auth::digest& content) const;
  /// Damaged content; it will be asked for again.
  void forget(const auth::digest& content);
  void make_room(std::uint64_t size);
  /// For a disk that is full although the limit is not reached: removes the least recently used; false if there is
  /// none.
  bool evict_one();
  void count_stored();
  shared_pointer in_memory(const auth::digest& content) const;
  /// In the order in which they are to be tried: the store's own directory, then the machine's shared memory.
  std::vector<std::shared_ptr<run_directory>> run_places();

  /// Kept by the store until it is first opened, from then on by those that need it.
  struct memory_slot {
    shared_pointer keep;
    std::weak_ptr<const shared_content> used;
  };

  store::options settings;
  store::counters numbers;
  shelf disk;
  std::map<auth::digest, memory_slot> memory;
  /// When content arrived that no image was opened with yet: not evicted for a while, so that the modules of one image
  /// cannot push each other out.
  std::map<auth::digest, time_point> fresh;
  std::uint64_t reserved = 0;
  std::map<image_id, std::weak_ptr<const launchable>> live;

 private:
  bool is_protected(const auth::digest& content) const;
  std::uint64_t memory_bytes() const;
  bool drop_memory();

  std::weak_ptr<run_directory> run_on_disk_, run_in_memory_;
};

/// store_receive.cpp
std::unique_ptr<store::incoming> make_incoming(store_state& in, const auth::digest& content, std::uint64_t size,
                                               store::place where);
/// store_open.cpp
std::shared_ptr<const launchable> open_image(store_state& in, const manifest& m, byte_view encoded);
/// Null if it is not here, or was damaged.
shared_pointer open_value(store_state& in, const auth::digest& content);

}  // namespace pp::code
