#include "worker/sandbox.hpp"

#include <linux/filter.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "pp/error.hpp"
#include "worker/call_filter.hpp"
#include "worker/landlock.hpp"
#include "worker/launch.hpp"

namespace pp::worker {
namespace {

namespace fs = std::filesystem;

// Before 2 every renaming between directories would be denied, before 3 no truncating.
constexpr int abi_for_basic = 2, abi_for_landlock = 3, abi_of_tcp = 4, abi_of_signals = 6;

std::vector<std::string> without_links(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  for (const auto& path : paths) {
    std::error_code failed;
    auto real = fs::weakly_canonical(path, failed).lexically_normal().string();
    if (failed || real.empty() || real.front() != '/') real = path;
    while (real.size() > 1 && real.back() == '/') real.pop_back();
    out.push_back(std::move(real));
  }
  return out;
}

void allow_all_but(landlock_ruleset& rules, const std::string& root, const std::vector<std::string>& spared,
                   std::uint64_t rights) {
  for (const auto& path : all_but(root, spared)) rules.allow(path, rights);
}

/// The program and what it loads, which may lie below a protected path; and its own directory.
void allow_own_files(landlock_ruleset& rules, const spawn_plan& plan) {
  if (plan.program >= 0) rules.allow(plan.program, landlock_right::run);
  if (!plan.program_path.empty()) rules.allow(plan.program_path, landlock_right::run);
  std::string_view rest = plan.library_path;
  while (!rest.empty()) {
    const auto end = rest.find(':');
    rules.allow(std::string(rest.substr(0, end)), landlock_right::run);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  if (plan.directory >= 0) rules.allow(plan.directory, landlock_right::everything);
}

// Listing directories stays free, so that jobs can walk through those that lead to a protected path.
landlock_ruleset basic_rules(const std::vector<std::string>& spared) {
  landlock_scope what;
  what.rights = spared.empty() ? 0 : landlock_right::everything & ~landlock_right::read_dir;
  what.signals = what.abstract_sockets = true;
  landlock_ruleset rules(what);
  if (!spared.empty()) allow_all_but(rules, "/", spared, what.rights);
  return rules;
}

landlock_ruleset listed_rules(const std::vector<std::string>& spared) {
  landlock_ruleset rules({landlock_right::everything, true, true, true});
  for (const char* root : {"/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc", "/opt"})
    allow_all_but(rules, root, spared, landlock_right::run);
  for (const char* root : {"/proc", "/sys"}) rules.allow(root, landlock_right::look);
  for (const char* device : {"null", "zero", "full", "random", "urandom", "tty"})
    rules.allow(std::string("/dev/") + device, landlock_right::of_files & ~landlock_right::execute);
  return rules;
}

/// With no protected path there is nothing for Landlock to do before it knows signals.
bool basic_has_work(const launch_settings& settings, int abi) {
  return abi >= abi_of_signals || (abi >= abi_for_basic && !settings.protected_paths.empty());
}

code::descriptor best_effort(const spawn_plan& plan) {
  if (!basic_has_work(plan.settings, landlock_abi())) return {};
  // What was promised when the node started holds for every worker, or that worker does not start.
  auto rules = basic_rules(without_links(plan.settings.protected_paths));
  allow_own_files(rules, plan);
  return rules.take();
}

code::descriptor required(const spawn_plan& plan) {
  auto rules = listed_rules(without_links(plan.settings.protected_paths));
  allow_own_files(rules, plan);
  return rules.take();
}

void enter_sandbox(confinement& to, const launch_settings& settings) {
  // Root's worker becomes another user by itself: a user namespace would know neither of the two.
  to.namespaces = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | (settings.user ? 0 : CLONE_NEWUSER);
  const auto& program = call_filter();
  to.filter = {static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  to.parent_handle.reset(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!to.parent_handle) throw std::system_error(errno, std::generic_category(), "a worker cannot be tied to its node");
}

[[noreturn]] void cannot(isolation_level level, const std::string& why) {
  throw error(errc::bad_option, "--isolate " + std::string(name_of(level)) + " cannot be had on this machine: " + why +
                                    "; use a lower level, --isolate basic for example");
}

void require_kernel(isolation_level level, int abi) {
  if (abi == 0) cannot(level, "the kernel has no Landlock (Linux 6.2 or later with lsm=…,landlock)");
  if (abi < abi_for_landlock)
    cannot(level, "its Landlock is too old (ABI " + std::to_string(abi) + "; Linux 6.2 brought ABI 3)");
  if (level == isolation_level::sandbox && call_filter().empty())
    cannot(level, "there is no filter of system calls for this kind of processor");
}

std::string basic_text(const isolation& reached) {
  if (reached.level == isolation_level::none)
    return "the kernel cannot keep jobs from anything (no Landlock of ABI 2 or later, which Linux 5.19 has)";
  if (!reached.signals) return "protected paths (Landlock); signals to the node only from Linux 6.12 on";
  return "protected paths, signals and abstract sockets (Landlock)";
}

isolation examine_basic(int abi) {
  isolation out;
  out.files = abi >= abi_for_basic;
  out.signals = abi >= abi_of_signals;
  out.level = out.files ? isolation_level::basic : isolation_level::none;
  out.text = basic_text(out);
  return out;
}

isolation examine_required(const launch_settings& settings, int abi) {
  require_kernel(settings.level, abi);
  try {
    rehearse_launch(settings);
  } catch (const std::system_error& e) {
    cannot(settings.level, e.what());
  }
  const bool is_sandbox = settings.level == isolation_level::sandbox;
  isolation out;
  out.level = settings.level;
  out.files = true;
  out.signals = is_sandbox || abi >= abi_of_signals;
  out.network = is_sandbox || abi >= abi_of_tcp;
  out.text = is_sandbox ? "listed paths only, no network, filtered system calls, own process ids"
                        : "listed paths only" + std::string(out.network ? ", no TCP" : "; TCP only from Linux 6.7 on");
  return out;
}

}  // namespace

confinement confine(const spawn_plan& plan) {
  confinement out;
  switch (plan.settings.level) {
    case isolation_level::none: break;
    case isolation_level::basic: out.ruleset = best_effort(plan); break;
    case isolation_level::sandbox: enter_sandbox(out, plan.settings); [[fallthrough]];
    case isolation_level::landlock: out.ruleset = required(plan); break;
  }
  return out;
}

isolation examine_isolation(const launch_settings& settings) {
  const int abi = landlock_abi();
  isolation out;
  switch (settings.level) {
    case isolation_level::none: out.text = "not isolated, as asked for"; break;
    case isolation_level::basic: out = examine_basic(abi); break;
    default: out = examine_required(settings, abi); break;
  }
  out.landlock_abi = abi;
  return out;
}

}  // namespace pp::worker
