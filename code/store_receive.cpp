// Content on its way into the store: to disk, or to memory when the disk has no room.
#include <unistd.h>

#include <cerrno>

#include "code/directory.hpp"
#include "code/sealed.hpp"
#include "code/store_state.hpp"

namespace pp::code {
namespace {

class receiving final : public store::incoming {
 public:
  receiving(store_state& in, const auth::digest& content, std::uint64_t size, store::place where)
      : in_(in), content_(content), size_(size), file_(where == store::place::disk ? in.disk.begin() : std::nullopt) {
    reserve(size_);
    if (!file_) move_to_memory();
  }
  ~receiving() override { reserve(0); }

  bool append(std::uint64_t offset, byte_view piece) override {
    if (offset != have_ || piece.size() > size_ - have_) return false;
    hash_.update(piece);
    if (failure_ == 0) write(piece);
    have_ += piece.size();
    in_.numbers.bytes_received += piece.size();
    return true;
  }

  bool complete() const override { return have_ == size_; }

  std::error_code finish() override {
    if (!complete() || hash_.finish() != content_) return make_error_code(errc::bad_message);
    if (failure_ == 0 && file_) {
      if (file_->publish(content_) != 0) move_to_memory();
    }
    if (failure_ == 0 && memory_) keep_in_memory();
    if (failure_ != 0) return {failure_, std::generic_category()};
    reserve(0);
    in_.touch(content_);
    in_.fresh[content_] = now();
    ++in_.numbers.modules_received;
    in_.count_stored();
    return {};
  }

 private:
  void reserve(std::uint64_t size) {
    in_.reserved += size - reserved_;
    reserved_ = size;
  }

  void write(byte_view piece) {
    int why = write_at(target(), have_, piece);
    while (file_ && is_disk_trouble(why) && in_.evict_one()) why = write_at(target(), have_, piece);
    if (file_ && why != 0) {
      move_to_memory();
      if (failure_ == 0) why = write_at(target(), have_, piece);
    }
    if (failure_ == 0) failure_ = why;
  }

  int target() const { return file_ ? file_->fd() : memory_.get(); }

  /// What came so far goes along.
  void move_to_memory() {
    memory_ = make_memory_file("pp-content");
    failure_ = memory_ ? 0 : errno;
    was_on_disk_ = was_on_disk_ || file_.has_value();
    if (memory_ && file_) failure_ = copy_and_hash(file_->fd(), memory_.get()).failure;
    // A write that stopped in the middle may have left more than was accepted.
    if (failure_ == 0 && ::ftruncate(memory_.get(), static_cast<off_t>(have_)) != 0) failure_ = errno;
    file_.reset();
  }

  void keep_in_memory() {
    if (!seal(memory_.get())) {
      failure_ = errno;
      return;
    }
    // Some of it may have come by way of the disk that failed; what is sealed is what counts.
    if (was_on_disk_ && hash_of(memory_.get()) != content_) {
      failure_ = EIO;
      return;
    }
    if (in_.in_memory(content_)) return;  // another client was faster
    const auto content = std::make_shared<const shared_content>(content_, size_, std::move(memory_));
    in_.memory[content_] = {content, content};
  }

  store_state& in_;
  auth::digest content_;
  std::uint64_t size_;
  std::uint64_t have_ = 0;
  std::uint64_t reserved_ = 0;
  auth::sha256_stream hash_;
  std::optional<shelf::partial> file_;
  descriptor memory_;  ///< instead of file_
  bool was_on_disk_ = false;
  int failure_ = 0;  ///< errno of what could be done neither on disk nor in memory
};

}  // namespace

std::unique_ptr<store::incoming> make_incoming(store_state& in, const auth::digest& content, std::uint64_t size,
                                               store::place where) {
  return std::make_unique<receiving>(in, content, size, where);
}

}  // namespace pp::code
