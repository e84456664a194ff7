#include "worker/landlock.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <system_error>

namespace pp::worker {
namespace {

// linux/landlock.h as of Linux 6.12; older headers have less of it, older kernels take zeros for what they do not know.
constexpr long nr_create_ruleset = 444, nr_add_rule = 445;
constexpr unsigned ask_version = 1;
constexpr int rule_path_beneath = 1;
constexpr std::uint64_t net_bind_tcp = 1, net_connect_tcp = 2;
constexpr std::uint64_t scope_abstract_unix_socket = 1, scope_signal = 2;
struct ruleset_attributes {
  std::uint64_t handled_fs = 0, handled_net = 0, scoped = 0;
};
struct [[gnu::packed]] path_beneath_attributes {
  std::uint64_t allowed = 0;
  std::int32_t parent = -1;
};

std::uint64_t known_rights(int abi) {
  if (abi >= 3) return (1U << 15U) - 1;
  return abi == 2 ? (1U << 14U) - 1 : (1U << 13U) - 1;
}

/// Whether `inner` is `outer` or lies below it.
bool holds(const std::string& outer, const std::string& inner) {
  if (outer == "/") return true;
  return std::string_view(inner).substr(0, outer.size()) == outer &&
         (inner.size() == outer.size() || inner[outer.size()] == '/');
}

}  // namespace

int landlock_abi() noexcept {
  const long version = ::syscall(nr_create_ruleset, nullptr, 0, ask_version);
  return version < 0 ? 0 : static_cast<int>(version);
}

landlock_ruleset::landlock_ruleset(const landlock_scope& what) {
  const int abi = landlock_abi();
  handled_ = what.rights & known_rights(abi);
  ruleset_attributes asked;
  asked.handled_fs = handled_;
  if (what.tcp && abi >= 4) asked.handled_net = net_bind_tcp | net_connect_tcp;
  if (what.signals && abi >= 6) asked.scoped |= scope_signal;
  if (what.abstract_sockets && abi >= 6) asked.scoped |= scope_abstract_unix_socket;
  self_.reset(static_cast<int>(::syscall(nr_create_ruleset, &asked, sizeof asked, 0)));
  if (!self_) throw std::system_error(errno, std::generic_category(), "cannot make a Landlock ruleset");
}

void landlock_ruleset::allow(const std::string& path, std::uint64_t rights) {
  const code::descriptor there(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (there) allow(there.get(), rights);
}

// Not asked beforehand whether it is a directory: asking a network file system that does not answer would wait for it.
void landlock_ruleset::allow(int fd, std::uint64_t rights) {
  for (const std::uint64_t tried : {rights & handled_, rights & handled_ & landlock_right::of_files}) {
    const path_beneath_attributes rule{tried, fd};
    if (tried == 0 || ::syscall(nr_add_rule, self_.get(), rule_path_beneath, &rule, 0) == 0) return;
    if (errno == EBADFD) return;
    if (errno != EINVAL) throw std::system_error(errno, std::generic_category(), "cannot add to a Landlock ruleset");
  }
}

std::vector<std::string> names_below(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  while (directory) {
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && entry->d_type != DT_LNK) names.emplace_back(name);
  }
  return names;
}

std::vector<std::string> all_but(const std::string& root, const std::vector<std::string>& spared,
                                 const directory_reader& read) {
  std::vector<std::string> out;
  std::vector<std::string> open{root};
  while (!open.empty()) {
    const std::string at = std::move(open.back());
    open.pop_back();
    const auto is_inside = [&](const std::string& path) { return holds(path, at); };
    const auto leads_there = [&](const std::string& path) { return holds(at, path); };
    if (std::any_of(spared.begin(), spared.end(), is_inside)) continue;
    if (std::none_of(spared.begin(), spared.end(), leads_there)) {
      out.push_back(at);
      continue;
    }
    for (const auto& name : read(at)) open.push_back((at == "/" ? "/" : at + "/") + name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace pp::worker
