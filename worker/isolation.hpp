// What a worker may touch: the levels, and what whoever starts workers asks for.
//
// Promises: values only; the numbers of the levels are those of the wire. Must not know: how the kernel is asked
// (sandbox.hpp), how a worker is started (launch.hpp).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pp::worker {

/// Each includes the ones before it.
enum class isolation_level : std::uint8_t {
  none = 0,      ///< whatever the user may
  basic = 1,     ///< not the protected paths, no signals to others; as far as the kernel can
  landlock = 2,  ///< only what is listed: systems' programs and libraries, its own directory; no TCP
  sandbox = 3    ///< and no calls that reach other processes or the kernel's insides, no network, own process ids
};

constexpr std::string_view name_of(isolation_level level) {
  constexpr std::string_view names[] = {"none", "basic", "landlock", "sandbox"};
  return names[static_cast<std::size_t>(level)];
}

/// Whom workers run as instead of their node.
struct job_user {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< supplementary
  std::string name, home, shell;
};

/// What every worker of a pool is started with.
struct launch_settings {
  isolation_level level = isolation_level::basic;
  std::vector<std::string> protected_paths;  ///< files and directories that no job may open; they need not exist
  std::optional<job_user> user;              ///< only root may ask for one
  int nice = 0;                              ///< added to the starter's own
};

}  // namespace pp::worker
