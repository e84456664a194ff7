// The files of the store on disk: <64 hexadecimal digits> each, and partial ones that are being received.
//
// Promises: no name comes from a peer; a file that is no plain file of ours alone is never found; partial files of dead
// processes are swept. Several processes may use one directory: each operation is one rename, unlink or open.
// Threads: one at a time. Must not know: how much is allowed, what the content is for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/crypto.hpp"
#include "code/descriptor.hpp"

namespace pp::code {

class shelf {
 public:
  struct entry {
    auth::digest content{};
    std::uint64_t size = 0;
    std::int64_t used_ns = 0;  ///< modification time: when it was last wanted
  };
  /// A file that is being written; removed when it goes unless it was published.
  class partial {
   public:
    partial(int directory, std::string name, descriptor fd);
    partial(partial&& other) noexcept;
    partial& operator=(partial&&) = delete;
    ~partial();
    int fd() const { return fd_.get(); }
    /// Gives it its name; 0 or errno.
    int publish(const auth::digest& content);

   private:
    int directory_;
    std::string name_;  ///< empty once published
    descriptor fd_;
  };

  /// Nothing is ever found and nothing can be written if `directory` is empty.
  explicit shelf(descriptor directory) : directory_(std::move(directory)) {}

  int fd() const { return directory_.get(); }
  std::vector<entry> entries() const;
  bool has(const auth::digest& content) const;
  descriptor open(const auth::digest& content) const;
  /// Marks it as wanted now.
  void touch(const auth::digest& content) const;
  void remove(const auth::digest& content);
  /// Empty with errno set if no file can be made.
  std::optional<partial> begin();
  void sweep();

 private:
  descriptor directory_;
};

}  // namespace pp::code
