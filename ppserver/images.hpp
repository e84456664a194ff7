// The programs and shared values of one client on this node: which are here, what is still missing, and the jobs that wait for
// them.
//
// An image the node has in full is ready at once; else NEED names what is missing, CHUNKs bring it, and the jobs that came
// meanwhile are held. Content that two images share is asked for once. A shared value is an image of one module to this, but for
// its end: it is kept in memory, and what needs it gets its memory file.
// Promises: every job given to on_job() is run, given back, or still held; nothing a client sends can make this hold more than
// max_images images and wire::max_values values, or a module longer than it announced.
// Threads: the I/O thread only. Must not know: channels, credit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "code/pieces.hpp"
#include "code/store.hpp"
#include "wire/message.hpp"
#include "worker/pool.hpp"

namespace pp::ppserver {

class images {
 public:
  /// What the session does with what is decided here.
  class outlet {
   public:
    virtual ~outlet() = default;
    virtual void send_need(const wire::need& m) = 0;
    virtual void send_unfit(const wire::unfit& m) = 0;
    virtual void run(const std::shared_ptr<const code::launchable>& what, worker::pool_job job) = 0;
    virtual void give_back(std::uint64_t job, std::uint16_t attempt) = 0;
    /// It cannot run here for want of a shared value; `reason` is one line.
    virtual void refuse_job(std::uint64_t job, std::uint16_t attempt, const std::string& reason) = 0;
    /// It came in full for this client: from it, or from another node that was asked for it.
    virtual void content_came(const auth::digest& content, std::uint64_t size) = 0;
    /// It was here when the client announced it, whoever brought it.
    virtual void content_found(const auth::digest& content, std::uint64_t size) = 0;
    /// Get it from one of these nodes, then call on_fetch_ended(), at once if nothing is fetched here.
    virtual void fetch(std::uint64_t number, const auth::digest& content, std::uint64_t size,
                       const std::vector<wire::holder>& from, code::store::place where) = 0;
  };

  static constexpr std::size_t max_images = 256;
  static constexpr std::uint32_t max_chunk_bytes = 1U << 20U;
  /// A value that could not be kept is asked for again by a job that comes later than this.
  static constexpr duration value_rest = std::chrono::seconds(10);

  /// `limit_bytes`: an image longer than this cannot be kept and is unfit. Both references must outlive this.
  images(code::store& from, std::uint64_t limit_bytes, outlet& out)
      : store_(from), limit_bytes_(limit_bytes), out_(out) {}

  // Each throws pp::error(errc::bad_message) for what no honest client sends.
  void on_image(const wire::image& m);
  void on_value(const wire::value& m);
  void on_release(const wire::release& m);
  void on_chunk(const wire::chunk& m);
  void on_fetch_from(const wire::fetch_from& m);
  /// `came`: it is in the store. Else the client is asked to send it.
  void on_fetch_ended(std::uint64_t number, const auth::digest& content, bool came);
  void on_job(std::uint32_t image, worker::pool_job job);

  /// The program of an image that workers can run now; else null.
  std::shared_ptr<const code::launchable> program_of(std::uint32_t image) const;
  /// What announced an image that workers can run now; else null.
  const bytes* manifest_of(std::uint32_t image) const;
  /// If this job is held here: forgets it, and gives its attempt.
  std::optional<std::uint16_t> take_back(std::uint64_t job);
  void give_back_all();
  /// Workers could not run it. Tells the client; jobs that still come are given back.
  void on_unfit(const code::image_id& id, const std::string& reason);

 private:
  enum class state : std::uint8_t { receiving, ready, unfit };
  struct held_job {
    std::uint32_t image = 0;
    worker::pool_job job;
  };
  struct entry {
    std::uint32_t index = 0;
    state is = state::receiving;
    code::manifest contents;
    bytes encoded;
    std::set<auth::digest> missing;
    unsigned asked = 0;  ///< NEED messages sent for it
    std::shared_ptr<const code::launchable> what;
    code::shared_pointer value;  ///< instead of `what`
    std::string reason;          ///< why there is no value
    time_point refused{};        ///< when that was seen
    std::vector<held_job> held;

    bool is_value() const { return index >= wire::first_value; }
  };
  struct transfer {
    std::uint64_t size = 0;
    std::uint32_t asked_by = 0;  ///< the image whose NEED named it: only that one's CHUNKs count
    std::unique_ptr<code::store::incoming> stream;
    std::uint64_t fetch = 0;   ///< number of the fetch from another node that is under way, 0 = none
    bool was_fetched = false;  ///< in vain: it is the client's to send
  };

  entry& find(std::uint32_t index);
  void ask_or_open(entry& e);
  void open(entry& e);
  void become_ready(entry& e);
  void run_or_hold(std::uint32_t image, worker::pool_job job);
  bool add_values(std::uint32_t image, worker::pool_job& job);
  void ask_for_value(entry& e);
  void try_again(entry& value);
  void refuse_value(entry& e, const std::string& reason);
  code::store::place place_for(std::uint32_t index) const;
  void refuse(entry& e, const std::string& reason);
  void abandon_transfers(const entry& of);
  byte_view unpacked(const wire::chunk& m);
  void ask_client_for(const auth::digest& content, std::uint32_t image);
  bool begin(const auth::digest& content, transfer& t);
  void finish(const auth::digest& content, std::uint64_t size, const std::error_code& failure);
  void fail_all_that_miss(const auth::digest& content, const std::string& reason);
  void give_back_held(entry& e);

  code::store& store_;
  std::uint64_t limit_bytes_;
  outlet& out_;
  std::unordered_map<std::uint32_t, entry> entries_;
  std::map<auth::digest, std::uint32_t> values_;  ///< their indexes
  std::map<auth::digest, transfer> transfers_;    ///< asked for and not here yet
  code::piece_unpacker unpacker_;
  std::uint64_t fetches_ = 0;  ///< ever begun
};

}  // namespace pp::ppserver
