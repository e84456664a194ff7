#include "ppserver/workers.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "auth/key_places.hpp"
#include "base/log.hpp"
#include "pp/error.hpp"

namespace pp::ppserver {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw error(errc::bad_option, text); }

std::vector<gid_t> groups_of(const passwd& user) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) {
    groups.resize(std::max(groups.size() * 2, static_cast<std::size_t>(count)));
    count = static_cast<int>(groups.size());
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

}  // namespace

worker::job_user find_job_user(const std::string& name) {
  if (::geteuid() != 0)
    refuse("--job-user " + name + ": only root can run jobs as another user; leave it out, or start ppserver as root");
  errno = 0;
  const passwd* user = ::getpwnam(name.c_str());
  if (user == nullptr && errno != 0) refuse("--job-user " + name + " cannot be looked up: " + std::strerror(errno));
  if (user == nullptr) refuse("--job-user " + name + ": there is no such user; make one with useradd --system " + name);
  if (user->pw_uid == 0) refuse("--job-user " + name + " is root itself: name an ordinary user");
  const auto text = [](const char* field) { return std::string(field != nullptr ? field : ""); };
  return {user->pw_uid, user->pw_gid, groups_of(*user), name, text(user->pw_dir), text(user->pw_shell)};
}

worker::launch_settings launch_settings_of(const config& settings, const std::string& key_origin) {
  worker::launch_settings out;
  out.level = settings.isolate;
  out.nice = settings.nice;
  out.protected_paths = auth::places_of_keys(key_origin);
  out.protected_paths.push_back(settings.cache_directory);
  out.protected_paths.push_back(settings.job_root);
  if (!settings.job_user.empty()) out.user = find_job_user(settings.job_user);
  return out;
}

void warn_about(const worker::launch_settings& settings) {
  if (::geteuid() == 0 && !settings.user) {
    log::warn("running_as_root", {{"text",
                                   "every client with a key can run programs as root here: give --job-user "
                                   "USER, or run ppserver as an ordinary user"}});
  }
  if (settings.level == worker::isolation_level::none) {
    log::warn("not_isolated", {{"text", "--isolate none: jobs may touch what their user may, the key included"}});
  }
}

}  // namespace pp::ppserver
