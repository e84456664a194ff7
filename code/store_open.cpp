// From verified content to something that can be started: a sealed memory file, and files where the loader needs paths.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/check.hpp"
#include "code/directory.hpp"
#include "code/elf.hpp"
#include "code/sealed.hpp"
#include "code/store_state.hpp"

namespace pp::code {
namespace {

/// A launchable with what must live as long: its files, and content that is in memory only.
struct kept_launchable : launchable {
  std::shared_ptr<run_folder> program_folder, library_folder;
  std::vector<shared_pointer> contents_in_memory;
};

class opener {
 public:
  opener(store_state& in, const manifest& m, kept_launchable& out) : in_(in), m_(m), out_(out) {}

  void run() {
    for (std::size_t i = 0; i < m_.modules.size(); ++i) {
      const auto& content = m_.modules[i].content;
      if (!in_.disk.has(content) && !in_.in_memory(content)) missing_.insert(static_cast<std::uint16_t>(i));
    }
    if (!missing_.empty()) throw_missing();
    if (!in_.settings.allow_memfd || !place_in_memory()) program_as_file_ = true;
    if (program_as_file_ || m_.modules.size() > 1) place_files();
    if (!missing_.empty()) throw_missing();
  }

 private:
  struct source {
    descriptor file;
    shared_pointer memory;
    int fd() const { return memory ? memory->fd() : file.get(); }
  };

  /// Opened one after the other: an image may have more files than we may have descriptors.
  source find(std::size_t i) const {
    const auto& content = m_.modules[i].content;
    return {in_.disk.open(content), in_.in_memory(content)};
  }

  [[noreturn]] void throw_missing() {
    throw store::missing({missing_.begin(), missing_.end()}, "the node lacks " + std::to_string(missing_.size()) +
                                                                 " of the program's files: they must be sent");
  }

  /// True if the program is in sealed memory (or its content was damaged, which is noted); false: a file is needed.
  bool place_in_memory() {
    if (const auto content = find(0).memory; content && can_execute(content->fd())) {
      return use_memory_file(descriptor(::fcntl(content->fd(), F_DUPFD_CLOEXEC, 3)));
    }
    descriptor fd = make_memory_file("pp-program");
    if (!fd) return false;
    if (const int why = copy(0, fd.get()); why != 0) no_room(why);
    if (!missing_.empty()) return true;
    return seal(fd.get()) && can_execute(fd.get()) && use_memory_file(std::move(fd));
  }

  bool use_memory_file(descriptor fd) {
    if (!fd) no_room(errno);
    out_.program = fd.release();
    out_.kind = "memfd";
    return true;
  }

  [[noreturn]] static void no_room(int why) {
    throw error(errc::overloaded, "the node has no room for the program: " + std::generic_category().message(why));
  }

  /// 0 or errno. Content that is not here, or whose hash is wrong (then it is forgotten), is noted as missing.
  int copy(std::size_t i, int to) {
    const auto& wanted = m_.modules[i];
    const auto from = find(i);
    if (from.fd() < 0) {
      missing_.insert(static_cast<std::uint16_t>(i));
      return 0;
    }
    const auto done = copy_and_hash(from.fd(), to);
    if (done.failure != 0) return done.failure;
    if (done.content != wanted.content) {
      in_.forget(wanted.content);
      missing_.insert(static_cast<std::uint16_t>(i));
    } else if (done.size != wanted.size) {
      throw error(errc::bad_message, "the program's manifest gives a wrong size for " + wanted.name);
    }
    return 0;
  }

  void place_files() {
    int why = ENOSPC;
    for (const auto& place : in_.run_places()) {
      why = place_files_in(place);
      if (why == 0) return;
    }
    if (why != EACCES) no_room(why);
    throw error(errc::unfit_node,
                "the node cannot execute files in its cache directory nor in /dev/shm (mounted noexec?): "
                "start it with another --cache-dir");
  }

  int place_files_in(const std::shared_ptr<run_directory>& place) {
    if (program_as_file_) {
      if (const int why = place_program(place); why != 0) return why;
    }
    return m_.modules.size() > 1 ? place_libraries(place) : 0;
  }

  int place_program(const std::shared_ptr<run_directory>& place) {
    const std::string name = "program";
    out_.program_folder = run_folder::make(place);
    if (!out_.program_folder) return errno;
    if (const int why = place_file(0, *out_.program_folder, name); why != 0 || !missing_.empty()) return why;
    // The bytes went through a file system on their way: looked at once more, as a memory file need not be.
    const descriptor fd = open_own_file(out_.program_folder->fd(), name);
    if (!fd || hash_of(fd.get()) != m_.modules[0].content) return EIO;
    if (out_.program >= 0) ::close(out_.program);
    out_.program = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3);
    out_.program_path = (out_.program_folder->path() / name).string();
    out_.kind = "file";
    return out_.program >= 0 ? 0 : errno;
  }

  int place_libraries(const std::shared_ptr<run_directory>& place) {
    out_.library_folder = run_folder::make(place);
    if (!out_.library_folder) return errno;
    out_.library_path = out_.library_folder->path().string();
    for (std::size_t i = 1; i < m_.modules.size(); ++i) {
      if (const int why = place_file(i, *out_.library_folder, m_.modules[i].name); why != 0) return why;
    }
    for (std::size_t i = 1; i < m_.modules.size(); ++i) {
      if (const int why = link_soname(m_.modules[i].name); why != 0) return why;
    }
    return 0;
  }

  /// 0 or errno; EACCES where files cannot be executed.
  int place_file(std::size_t i, const run_folder& folder, const std::string& name) {
    const descriptor fd(::openat(folder.fd(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return errno;
    if (const int why = copy(i, fd.get()); why != 0) return why;
    if (::fchmod(fd.get(), 0500) != 0) return errno;
    return ::faccessat(folder.fd(), name.c_str(), X_OK, 0) == 0 ? 0 : errno;
  }

  /// A plugin that was opened by its file name is known to other objects by its SONAME, which must be found here as
  /// well.
  int link_soname(const std::string& name) {
    const int folder = out_.library_folder->fd();
    const descriptor fd = open_own_file(folder, name);
    const auto facts = fd ? read_elf(elf_in_file(fd.get())) : malformed();
    if (!facts || !is_plain_name(facts->soname) || facts->soname == name) return 0;
    const bool linked = ::symlinkat(name.c_str(), folder, facts->soname.c_str()) == 0;
    return linked || errno == EEXIST ? 0 : errno;  // a name that is taken stays what it is
  }

  store_state& in_;
  const manifest& m_;
  kept_launchable& out_;
  std::set<std::uint16_t> missing_;
  bool program_as_file_ = false;
};

}  // namespace

std::shared_ptr<const launchable> open_image(store_state& in, const manifest& m, byte_view encoded) {
  const auto id = id_of(encoded);
  std::erase_if(in.live, [](const auto& e) { return e.second.expired(); });
  std::shared_ptr<const launchable> out;
  if (const auto there = in.live.find(id); there != in.live.end()) out = there->second.lock();
  if (!out) {
    auto made = std::make_shared<kept_launchable>();
    made->id = id;
    made->contents = m;
    made->encoded.assign(encoded.begin(), encoded.end());
    opener(in, m, *made).run();
    for (const auto& e : m.modules) made->contents_in_memory.push_back(in.in_memory(e.content));
    in.live[id] = made;
    out = std::move(made);
  }
  for (const auto& e : m.modules) {
    if (in.fresh.erase(e.content) == 0) ++in.numbers.hits;
    if (const auto slot = in.memory.find(e.content); slot != in.memory.end()) slot->second.keep.reset();
    in.touch(e.content);
  }
  return out;
}

// Content that another program left on disk may be a value too; it is checked once more on its way into memory.
shared_pointer open_value(store_state& in, const auth::digest& content) {
  in.fresh.erase(content);
  if (auto there = in.in_memory(content)) {
    in.memory.at(content).keep.reset();
    return there;
  }
  const descriptor file = in.disk.open(content);
  if (!file) return nullptr;
  descriptor memory = make_memory_file("pp-content");
  const auto got = memory ? copy_and_hash(file.get(), memory.get()) : copied{0, {}, errno};
  if (got.failure != 0 || (got.content == content && !seal(memory.get())))
    throw error(errc::overloaded, "the node has no memory for a shared value");
  if (got.content != content) {
    in.forget(content);
    return nullptr;
  }
  auto out = std::make_shared<const shared_content>(content, got.size, std::move(memory));
  in.memory[content] = {nullptr, out};
  return out;
}

}  // namespace pp::code
