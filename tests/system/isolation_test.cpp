// What a job may touch, asked by jobs themselves: real workers of this test program, and a real node.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "code/descriptor.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/system/worker_pool_lab.hpp"
#include "worker/sandbox.hpp"

namespace pp::test {
namespace {

using worker::isolation_level;

// --- jobs: each gives errno, 0 if it succeeded ---------------------------------------------------------------------------

int try_open(const std::string& path, int flags) {
  const code::descriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  return file ? 0 : errno;
}
int try_read(const std::string& path) { return try_open(path, O_RDONLY); }
int try_write(const std::string& path) { return try_open(path, O_WRONLY | O_TRUNC); }
int try_create(const std::string& path) { return try_open(path, O_WRONLY | O_CREAT | O_EXCL); }
int try_rename(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}
int try_remove(const std::string& path) { return ::unlink(path.c_str()) == 0 ? 0 : errno; }
int try_memory_of(int pid) { return try_open("/proc/" + std::to_string(pid) + "/mem", O_RDWR); }
int try_trace(int pid) {
  if (::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) != 0) return errno;
  ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr);
  return 0;
}
int try_signal(int pid) { return ::kill(pid, 0) == 0 ? 0 : errno; }
int try_child() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const int answer = try_signal(child);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return answer;
}
int try_connect(int port) {
  const code::descriptor out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(out.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
}
int try_bind() {
  const code::descriptor in(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::bind(in.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0 ? 0 : errno;
}
int try_mount(const std::string& at) { return ::mount("none", at.c_str(), "tmpfs", 0, nullptr) == 0 ? 0 : errno; }
int try_unshare() { return ::unshare(CLONE_NEWUSER) == 0 ? 0 : errno; }
int try_thread_call() { return std::system("true") == 0 ? 0 : 1; }
int try_read_other(int pid) {
  char there[8] = {}, here[8] = {};
  const iovec from{there, sizeof there}, to{here, sizeof here};
  return ::syscall(SYS_process_vm_readv, pid, &to, 1, &from, 1, 0) >= 0 ? 0 : errno;
}

// --- the rig -------------------------------------------------------------------------------------------------------------

/// A directory like a user's: a key in a directory of its own, and data beside it.
class home {
 public:
  home() {
    std::filesystem::create_directories(at("config/pp"));
    std::filesystem::create_directory(at("data"));
    std::filesystem::create_directory(at("other"));
    for (const char* name : {"config/pp/keyring", "data/input", "data/old", "beside"}) std::ofstream(at(name)) << "x";
    std::filesystem::create_symlink(at("config/pp"), at("data/link"));
  }
  std::string at(const std::string& name) const { return (directory_.path() / name).string(); }

 private:
  temporary_directory directory_;
};

worker::pool_options isolated(const home& h, isolation_level level) {
  auto o = pool_lab::with_slots(1);
  o.launch.level = level;
  o.launch.protected_paths = {h.at("config/pp"), h.at("state")};
  return o;
}

worker::isolation reached(isolation_level level) {
  worker::launch_settings s;
  s.level = level;
  s.protected_paths = {"/nonexistent"};
  return worker::examine_isolation(s);
}
bool can(isolation_level level) {
  try {
    return reached(level).level == level;
  } catch (const error& e) {
    // The promise where the kernel cannot: nothing starts, and a line says why.
    EXPECT_NE(std::string(e.what()).find("cannot be had on this machine"), std::string::npos);
    return false;
  }
}

/// A listening socket of this test.
class listening {
 public:
  listening() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 4), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    port = ntohs(at.sin_port);
  }
  int port = 0;

 private:
  code::descriptor fd_;
};

template <class F, class... Args>
int ask(pool_lab& lab, F f, Args... args) {
  return lab.result_of(lab.submit(f, args...)).template value<int>();
}

// --- basic ---------------------------------------------------------------------------------------------------------------

TEST(IsolationBasic, KeepsJobsFromTheKeyHoweverTheyReachForIt) {
  const home h;
  pool_lab lab(isolated(h, isolation_level::basic));
  const int denied = reached(isolation_level::basic).files ? EACCES : 0;
  EXPECT_EQ(ask(lab, try_read, h.at("config/pp/keyring")), denied);
  EXPECT_EQ(ask(lab, try_read, h.at("data/link/keyring")), denied);
  EXPECT_EQ(ask(lab, try_read, h.at("data/../config/pp/keyring")), denied);
  EXPECT_EQ(ask(lab, try_write, h.at("config/pp/keyring")), denied);
  EXPECT_EQ(ask(lab, try_create, h.at("config/pp/new")), denied);
  EXPECT_EQ(ask(lab, try_remove, h.at("config/pp/keyring")) == 0, denied == 0);
  std::ofstream(h.at("config/pp/keyring")) << "x";
  EXPECT_EQ(ask(lab, try_rename, h.at("data/old"), h.at("config/pp/keyring")) == 0, denied == 0);
  EXPECT_EQ(ask(lab, try_rename, h.at("config/pp"), h.at("data/pp")) == 0, denied == 0);
}

TEST(IsolationBasic, LeavesThemEverythingElse) {
  const home h;
  pool_lab lab(isolated(h, isolation_level::basic));
  EXPECT_EQ(ask(lab, try_read, h.at("data/input")), 0);
  EXPECT_EQ(ask(lab, try_write, h.at("data/input")), 0);
  EXPECT_EQ(ask(lab, try_write, h.at("beside")), 0);
  EXPECT_EQ(ask(lab, try_create, h.at("data/new")), 0);
  EXPECT_EQ(ask(lab, try_rename, h.at("data/new"), h.at("other/new")), 0);
  EXPECT_EQ(ask(lab, try_remove, h.at("other/new")), 0);
  EXPECT_EQ(ask(lab, try_child), 0);
  EXPECT_EQ(ask(lab, try_thread_call), 0);
  const listening door;
  EXPECT_EQ(ask(lab, try_connect, door.port), 0);
}

TEST(IsolationBasic, KeepsJobsFromTheirNodesMemoryAndLife) {
  const home h;
  pool_lab lab(isolated(h, isolation_level::basic));
  const auto got = reached(isolation_level::basic);
  const int self = ::getpid();
  if (got.files) {
    EXPECT_EQ(ask(lab, try_memory_of, self), EACCES);
    EXPECT_EQ(ask(lab, try_trace, self), EPERM);
    EXPECT_EQ(ask(lab, try_read_other, self), EPERM);
  }
  EXPECT_EQ(ask(lab, try_signal, self), got.signals ? EPERM : 0);
}

TEST(IsolationBasic, SaysWhatTheKernelCannotDo) {
  const auto got = reached(isolation_level::basic);
  EXPECT_EQ(got.files, got.landlock_abi >= 2);
  EXPECT_EQ(got.signals, got.landlock_abi >= 6);
  EXPECT_EQ(got.level, got.files ? isolation_level::basic : isolation_level::none);
  EXPECT_FALSE(got.text.empty());
}

TEST(IsolationNone, TouchesWhatItsUserMay) {
  const home h;
  pool_lab lab(isolated(h, isolation_level::none));
  EXPECT_EQ(ask(lab, try_read, h.at("config/pp/keyring")), 0);
  EXPECT_EQ(ask(lab, try_signal, ::getpid()), 0);
  EXPECT_EQ(reached(isolation_level::none).level, isolation_level::none);
}

// --- landlock ------------------------------------------------------------------------------------------------------------

TEST(IsolationLandlock, AllowsSystemsFilesAndDeniesTheRest) {
  if (!can(isolation_level::landlock)) return;
  const home h;
  pool_lab lab(isolated(h, isolation_level::landlock));
  EXPECT_EQ(ask(lab, try_read, std::string("/etc/passwd")), 0);
  EXPECT_EQ(ask(lab, try_thread_call), 0);  // a shell runs
  EXPECT_EQ(ask(lab, try_open, std::string("/dev/null"), O_RDWR), 0);
  EXPECT_EQ(ask(lab, try_read, h.at("data/input")), EACCES);
  EXPECT_EQ(ask(lab, try_write, h.at("data/input")), EACCES);
  EXPECT_EQ(ask(lab, try_create, h.at("data/new")), EACCES);
  EXPECT_EQ(ask(lab, try_create, std::string("/etc/pp-test-of-isolation")), EACCES);
  EXPECT_EQ(ask(lab, try_read, h.at("config/pp/keyring")), EACCES);
  EXPECT_EQ(ask(lab, try_memory_of, static_cast<int>(::getpid())), EACCES);
}

TEST(IsolationLandlock, DeniesTcpWhereTheKernelKnowsHow) {
  if (!can(isolation_level::landlock)) return;
  const home h;
  pool_lab lab(isolated(h, isolation_level::landlock));
  const int denied = reached(isolation_level::landlock).network ? EACCES : 0;
  const listening door;
  EXPECT_EQ(ask(lab, try_connect, door.port), denied);
  EXPECT_EQ(ask(lab, try_bind), denied);
}

// --- sandbox -------------------------------------------------------------------------------------------------------------

TEST(IsolationSandbox, HasNoNetworkNoMountsAndNoOtherProcesses) {
  if (!can(isolation_level::sandbox)) return;
  const home h;
  pool_lab lab(isolated(h, isolation_level::sandbox));
  const listening door;
  EXPECT_NE(ask(lab, try_connect, door.port), 0);
  EXPECT_EQ(ask(lab, try_mount, h.at("data")), EPERM);
  EXPECT_EQ(ask(lab, try_unshare), EPERM);
  EXPECT_EQ(ask(lab, try_trace, static_cast<int>(::getpid())), EPERM);
  EXPECT_EQ(ask(lab, try_read_other, static_cast<int>(::getpid())), EPERM);
  EXPECT_NE(ask(lab, try_signal, static_cast<int>(::getpid())), 0);
  EXPECT_EQ(ask(lab, try_read, h.at("data/input")), EACCES);
  EXPECT_EQ(ask(lab, [] { return static_cast<int>(::getpid()); }), 1);
}

TEST(IsolationSandbox, LetsJobsHaveThreadsChildrenAndPrograms) {
  if (!can(isolation_level::sandbox)) return;
  const home h;
  pool_lab lab(isolated(h, isolation_level::sandbox));
  EXPECT_EQ(ask(lab, try_child), 0);
  EXPECT_EQ(ask(lab, try_thread_call), 0);
  EXPECT_EQ(ask(lab,
                [] {
                  int sum = 0;
                  std::thread([&] { sum = 42; }).join();
                  return sum;
                }),
            42);
}

class IsolationSandboxCrash : public testing::TestWithParam<int> {};

TEST_P(IsolationSandboxCrash, IsToldAsTheSignalItWas) {
  if (!can(isolation_level::sandbox)) return;
  const home h;
  pool_lab lab(isolated(h, isolation_level::sandbox));
  const auto job = lab.submit([](int number) { ::raise(number); }, GetParam());
  EXPECT_EQ(lab.result_of(job).failure().signal, GetParam());
}
INSTANTIATE_TEST_SUITE_P(Signals, IsolationSandboxCrash, testing::Values(SIGSEGV, SIGABRT, SIGTERM, SIGFPE));

TEST(IsolationSandbox, TakesItsWholeTreeWithIt) {
  if (!can(isolation_level::sandbox)) return;
  const home h;
  pool_lab lab(isolated(h, isolation_level::sandbox));
  const auto job = lab.submit([] {
    if (::fork() == 0) {
      ::setsid();
      if (::fork() == 0) ::pause();
      ::pause();
    }
    return 1;
  });
  lab.result_of(job);
  EXPECT_TRUE(wait_until([] { return descendants_of(::getpid()).size() >= 3; }));  // the worker and two more
  const auto left = descendants_of(::getpid());
  lab.close();
  EXPECT_TRUE(wait_until_gone(left));
}

// --- another user --------------------------------------------------------------------------------------------------------

worker::job_user nobody() {
  const passwd* user = ::getpwnam("nobody");
  if (user == nullptr) return {65534, 65534, {65534}, "nobody", "/", "/bin/false"};
  return {user->pw_uid, user->pw_gid, {user->pw_gid}, "nobody", user->pw_dir, user->pw_shell};
}

class IsolationJobUser : public testing::TestWithParam<isolation_level> {};

TEST_P(IsolationJobUser, RunsJobsAsThatUserWhereRootStartsThem) {
  if (!can(GetParam())) return;
  const home h;
  auto options = isolated(h, GetParam());
  options.launch.user = nobody();
  // What a node does: the program is in sealed memory, which only its descriptor leads to.
  pool_lab lab(options);
  const auto job = lab.submit([] {
    return std::to_string(::getuid()) + " " + std::to_string(::getegid()) + " " +
           std::to_string(::getgroups(0, nullptr)) + " " + std::getenv("HOME") + " " + std::getenv("USER");
  });
  lab.run_until([&] { return lab.owner.results.count(job) > 0 || !lab.owner.unfit_reason.empty(); });
  if (::geteuid() != 0) {
    EXPECT_NE(lab.owner.unfit_reason.find("only root may"), std::string::npos) << lab.owner.unfit_reason;
    return;
  }
  const auto user = nobody();
  EXPECT_EQ(lab.owner.results[job].value<std::string>(),
            std::to_string(user.uid) + " " + std::to_string(user.gid) + " 1 " + user.home + " nobody");
  EXPECT_EQ(ask(lab, try_read, h.at("data/input")), EACCES);  // the test's own directory is its user's alone
}
INSTANTIATE_TEST_SUITE_P(Levels, IsolationJobUser,
                         testing::Values(isolation_level::none, isolation_level::basic, isolation_level::landlock,
                                         isolation_level::sandbox));

}  // namespace
}  // namespace pp::test
