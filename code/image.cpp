#include "code/image.hpp"

#include <dlfcn.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/check.hpp"
#include "code/descriptor.hpp"
#include "code/elf.hpp"
#include "code/module_file.hpp"
#include "code/modules.hpp"
#include "code/needs.hpp"
#include "pp/error.hpp"

namespace pp::code {
namespace {

/// Held for the life of the process, so that what is shipped is what runs here, whatever happens to the file's name.
int program_descriptor() {
  static const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  return fd;
}

std::string program_path() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).string();
}

std::string program_name() {
  auto name = program_path();
  if (constexpr std::string_view gone = " (deleted)"; name.ends_with(gone)) name.resize(name.size() - gone.size());
  name = name.substr(name.rfind('/') + 1);
  return is_plain_name(name) ? name : "program";
}

[[noreturn]] void throw_unreadable() {
  throw error(errc::not_shippable,
              "cannot read this program through /proc/self/exe: mount /proc, and let the user read the program file");
}

module_file open_program() {
  descriptor copy(::fcntl(program_descriptor(), F_DUPFD_CLOEXEC, 3));
  if (!copy) throw_unreadable();
  return {std::move(copy), program_path()};
}

module_file open_module(const loaded_module& m) {
  if (m.is_program) {
    auto file = open_program();
    if (file.facts().segments.size() == m.segments.size() && file.facts().build_id == build_id_of(m)) return file;
    throw error(errc::not_shippable, "this program was started through another one (" + file.path() +
                                         ", for example ld.so or valgrind): start it directly");
  }
  auto file = module_file::open(m.path);
  if (is_mapped_as(file, m)) return file;
  throw error(errc::not_shippable,
              m.path + " was replaced on disk after this program had loaded it: start the program again");
}

module_entry describe(const module_file& file, std::string name) {
  return {std::move(name), file.size(), file.content_hash(), file.facts().build_id};
}

/// A name with '/' in DT_NEEDED is looked for at that place only, which other machines do not have.
void check_needed(const module_file& file) {
  for (const auto& name : file.facts().needed) {
    if (name.find('/') == name.npos || is_system_path(name)) continue;
    throw error(errc::not_shippable,
                file.path() + " names the shared object " + name +
                    " by its path, so no other machine can load it: link that one with -Wl,-soname,NAME");
  }
}

needs needs_of(const std::vector<module_file>& files, const std::vector<module_entry>& modules) {
  std::set<std::string> shipped;
  for (std::size_t i = 0; i < files.size(); ++i) {
    shipped.insert(modules[i].name);
    if (i > 0) shipped.insert(files[i].facts().soname);
  }
  needs out;
  out.machine = files.front().facts().header.e_machine;
  for (const auto& file : files) add_needs(file.facts(), shipped, out);
  return out;
}

bool is_shipped(const loaded_module& m) { return m.is_program || !is_system_path(m.path); }

/// "sqrt", or empty if the address has no name.
std::string symbol_at(const void* address) {
  Dl_info info{};
  if (::dladdr(address, &info) == 0 || info.dli_sname == nullptr || info.dli_saddr != address) return {};
  return info.dli_sname;
}

}  // namespace

struct image::impl {
  struct range {
    std::uintptr_t from, to, base;
    std::uint16_t module;
  };
  std::vector<module_file> files;
  std::vector<range> ranges;  ///< sorted, not overlapping
  std::vector<std::string> folders;
  /// References that keep shared objects where `ranges` says, should the user close a plugin.
  std::vector<void*> pins;

  impl() = default;
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl() {
    for (void* pin : pins) ::dlclose(pin);
  }

  void add(const loaded_module& m) {
    const auto index = static_cast<std::uint16_t>(files.size());
    if (!m.is_program) {
      if (void* pin = ::dlopen(m.path.c_str(), RTLD_LAZY | RTLD_NOLOAD)) pins.push_back(pin);
      add_folder(std::filesystem::path(m.path).parent_path().string());
    }
    files.push_back(open_module(m));
    check_needed(files.back());
    for (const auto& s : m.segments) {
      if (s.p_type == PT_LOAD) ranges.push_back({m.base + s.p_vaddr, m.base + s.p_vaddr + s.p_memsz, m.base, index});
    }
  }

  void add_folder(std::string folder) {
    // The loader cuts its list at these two; such a folder can then only be found by the program's own RUNPATH.
    if (folder.find_first_of(":;") != folder.npos) return;
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) folders.push_back(std::move(folder));
  }
};

image::image() : impl_(std::make_unique<impl>()) {}
image::~image() = default;

void image::remember_program() {
  if (program_descriptor() < 0) throw_unreadable();
}

std::shared_ptr<const image> image::snapshot() {
  std::shared_ptr<image> made(new image);
  std::set<std::string> names;
  for (const auto& m : loaded_modules()) {
    if (!is_shipped(m)) continue;
    made->impl_->add(m);
    const auto& file = made->impl_->files.back();
    made->contents_.modules.push_back(describe(file, m.is_program ? program_name() : m.name));
    const auto& name = made->contents_.modules.back().name;
    if (!is_plain_name(name)) throw error(errc::not_shippable, file.path() + " has no plain file name: rename it");
    if (!names.insert(name).second) {
      throw error(errc::not_shippable, "two files of this program are called " + name + " (one is " + file.path() +
                                           "): on a node they would lie in one directory; rename one");
    }
  }
  PP_CHECK(!made->contents_.modules.empty());
  if (names.size() > max_modules) {
    throw error(errc::not_shippable, "this program has " + std::to_string(names.size()) +
                                         " own shared objects, at most " + std::to_string(max_modules) +
                                         " can be sent: link some of them statically");
  }
  auto& ranges = made->impl_->ranges;
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.from < b.from; });
  made->contents_.asks = needs_of(made->impl_->files, made->contents_.modules);
  made->encoded_ = encode_manifest(made->contents_);
  made->id_ = id_of(made->encoded_);
  return made;
}

std::shared_ptr<const image> image::told(byte_view encoded) {
  auto contents = decode_manifest(encoded);
  if (!contents) throw error(errc::bad_message, "malformed manifest of a program");
  std::shared_ptr<image> made(new image);
  made->contents_ = std::move(*contents);
  made->encoded_.assign(encoded.begin(), encoded.end());
  made->id_ = id_of(encoded);
  return made;
}

bool image::is_told() const { return impl_->files.empty(); }

void image::read(std::size_t module, std::uint64_t offset, mutable_byte_view to) const {
  PP_CHECK(module < impl_->files.size());
  impl_->files[module].read(offset, to);
}

int image::descriptor(std::size_t module) const { return impl_->files.at(module).fd(); }

const std::string& image::path(std::size_t module) const { return impl_->files.at(module).path(); }

std::optional<location> image::locate(const void* address) const {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto& ranges = impl_->ranges;
  auto next = std::upper_bound(ranges.begin(), ranges.end(), at, [](auto a, const auto& r) { return a < r.from; });
  if (next == ranges.begin()) return std::nullopt;
  const auto& r = *--next;
  if (at >= r.to) return std::nullopt;
  return make_location(r.module, at - r.base);
}

std::shared_ptr<const launchable> image::as_launchable() const {
  PP_CHECK(!is_told());
  auto out = std::make_shared<launchable>();
  out->id = id_;
  out->contents = contents_;
  out->encoded = encoded_;
  out->kind = "self";
  out->program = ::fcntl(impl_->files.front().fd(), F_DUPFD_CLOEXEC, 3);
  if (out->program < 0) {
    throw error(errc::overloaded, "no descriptor left for a worker: raise the limit of open files (ulimit -n)");
  }
  for (const auto& folder : impl_->folders) out->library_path += (out->library_path.empty() ? "" : ":") + folder;
  return out;
}

std::string describe_stranger(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const std::string symbol = symbol_at(address);
  const std::string function = symbol.empty() ? "the function" : "the function " + symbol;
  for (const auto& m : loaded_modules()) {
    if (!m.contains(at)) continue;
    if (is_shipped(m)) return {};
    return function + " lies in the system library " + m.name +
           ", which is not sent to nodes: wrap the call in a lambda, for example [](double x) { return std::sqrt(x); }";
  }
  Dl_info info{};
  if (::dladdr(address, &info) != 0 && info.dli_fname != nullptr) {
    const std::string file = info.dli_fname;
    return function + " lies in the system library " + file.substr(file.rfind('/') + 1) +
           ", which is not sent to nodes: wrap the call in a lambda, for example [](double x) { return std::sqrt(x); }";
  }
  return "the function lies in no loaded file (code that was made at run time?): only functions of the program and of its "
         "shared objects can be sent";
}

}  // namespace pp::code
