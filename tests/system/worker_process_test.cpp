#include "worker/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "code/descriptor.hpp"
#include "net/task_group.hpp"
#include "tests/support/processes.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/wait.hpp"

namespace pp::worker {
namespace {

using code::descriptor;

/// A shell as the worker, so that the test can ask it what it got.
class shell {
 public:
  explicit shell(const std::string& script) {
    std::ofstream(directory_.path() / "worker") << "#!/bin/sh\n" << script;
    ::chmod((directory_.path() / "worker").c_str(), 0700);
    make_pipe(out_read, out_write_);
    make_pipe(err_read, err_write_);
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours.reset(ends[0]);
    theirs_.reset(ends[1]);
    plan.program = -1;
    plan.program_path = (directory_.path() / "worker").string();
    plan.environment = {"PATH=/usr/bin:/bin"};
    plan.out_write = out_write_.get();
    plan.err_write = err_write_.get();
    plan.out_read = out_read.get();
    plan.err_read = err_read.get();
    plan.ends.pipe = theirs_.get();
    plan.ends.control = ours.get();  // any open descriptor will do
  }

  process spawn(bool use_pidfd = true) {
    auto made = process::spawn(plan, io.get_executor(), use_pidfd);
    out_write_.reset();
    err_write_.reset();
    theirs_.reset();
    return made;
  }
  exit_state wait(process& p) {
    net::task_group tasks(io.get_executor());
    tasks.spawn("wait", p.wait_exit());
    io.restart();
    io.run_for(test::generous);
    EXPECT_TRUE(p.has_ended());
    return p.reap();
  }
  std::string printed() {
    std::string all;
    std::array<char, 4096> part{};
    for (;;) {
      const auto got = ::read(out_read.get(), part.data(), part.size());
      if (got <= 0) return all;
      all.append(part.data(), static_cast<std::size_t>(got));
    }
  }

  net::io_context io;
  spawn_plan plan;
  descriptor out_read, err_read, ours;

 private:
  static void make_pipe(descriptor& read_end, descriptor& write_end) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }

  test::temporary_directory directory_;
  descriptor out_write_, err_write_, theirs_;
};

TEST(WorkerProcess, HasExactlyTheDescriptorsItShallHave) {
  // The shell keeps its script open as 10 or above; ls lists its own directory handle too: look at 0 to 9 only.
  shell sh("for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done; readlink /proc/$$/fd/0\n");
  const descriptor stray(::open("/dev/null", O_RDONLY));  // not close-on-exec
  auto p = sh.spawn();
  EXPECT_EQ(sh.wait(p), (exit_state{true, 0, 0}));
  const auto text = sh.printed();
  EXPECT_NE(text.find("0 1 2 "), std::string::npos) << text;
  for (const char* fd : {"4 ", "5 ", "6 ", "7 ", "8 "}) EXPECT_NE(text.find(fd), std::string::npos) << text;
  EXPECT_EQ(text.find("9 "), std::string::npos) << text;
  EXPECT_NE(text.find("/dev/null"), std::string::npos) << text;
}

TEST(WorkerProcess, SourcesMayLieOnTheTargetsOfOthers) {
  shell sh("readlink /proc/$$/fd/1 /proc/$$/fd/2 /proc/$$/fd/4 /proc/$$/fd/6 /proc/$$/fd/7\n");
  const auto name = [](int fd) {
    std::array<char, 64> text{};
    const auto n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text.data(), text.size());
    return std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  };
  const std::string expected = name(sh.plan.out_write) + "\n" + name(sh.plan.err_write) + "\n" +
                               name(sh.plan.ends.pipe) + "\n" + name(sh.plan.out_read) + "\n" + name(sh.plan.err_read) +
                               "\n";
  // In a child of the test, so that the test's own 1 to 7 stay: every source sits on the target of another.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::array<int*, 6> sources{&sh.plan.out_write,    &sh.plan.err_write, &sh.plan.ends.pipe,
                                &sh.plan.ends.control, &sh.plan.out_read,  &sh.plan.err_read};
    for (auto* fd : sources) *fd = ::fcntl(*fd, F_DUPFD_CLOEXEC, 200);
    const std::array<int, 6> wrong{4, 7, 1, 2, 5, 6};
    for (std::size_t i = 0; i < wrong.size(); ++i) ::dup3(*sources[i], wrong[i], O_CLOEXEC), *sources[i] = wrong[i];
    auto p = process::spawn(sh.plan, sh.io.get_executor(), false);
    ::_exit(p.reap() == exit_state{true, 0, 0} ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  // The writing ends are still open here, so take what is there instead of waiting for the end.
  std::array<char, 4096> part{};
  const auto got = ::read(sh.out_read.get(), part.data(), part.size());
  EXPECT_EQ(std::string(part.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))), expected);
}

TEST(WorkerProcess, WhatConfinesItMayLieOnTheTargetsToo) {
  shell sh("exit 0\n");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (int* fd : {&sh.plan.out_write, &sh.plan.err_write, &sh.plan.ends.pipe, &sh.plan.ends.control,
                    &sh.plan.out_read, &sh.plan.err_read})
      *fd = ::fcntl(*fd, F_DUPFD_CLOEXEC, 200);
    for (int fd = 3; fd < 64; ++fd) ::close(fd);  // so that all that is opened now gets a target's number
    sh.plan.directory = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sh.plan.settings.protected_paths = {"/nonexistent/keys"};
    ::_exit(process::spawn(sh.plan, sh.io.get_executor(), false).reap() == exit_state{true, 0, 0} ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(WorkerProcess, BeginsInItsDirectoryWithItsLimits) {
  const test::temporary_directory place;
  const descriptor directory(::open(place.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  shell sh("pwd -P; umask; ulimit -c; ulimit -n; cat /proc/self/oom_score_adj\n");
  sh.plan.directory = directory.get();
  auto p = sh.spawn();
  EXPECT_EQ(sh.wait(p).status, 0);
  const auto expected = std::filesystem::canonical(place.path()).string() + "\n0077\n0\n1024\n500\n";
  EXPECT_EQ(sh.printed(), expected);
}

TEST(WorkerProcess, StartsWithDefaultSignalsAndAnEmptyMaskInASessionOfItsOwn) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  shell sh("exec cat /proc/self/status /proc/self/stat\n");
  auto p = sh.spawn();
  ::signal(SIGPIPE, old);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const auto pid = std::to_string(p.pid());
  EXPECT_EQ(sh.wait(p).status, 0);
  const auto text = sh.printed();
  EXPECT_NE(text.find("SigBlk:\t0000000000000000"), std::string::npos) << text;
  // glibc leaves 32 and 33, which it keeps for itself, ignored.
  const auto ignored = std::stoull(text.substr(text.find("SigIgn:") + 7), nullptr, 16);
  EXPECT_EQ(ignored & 0x7FFFFFFFU, 0U) << text;
  EXPECT_NE(text.find(" " + pid + " " + pid + " "), std::string::npos) << text;
}

TEST(WorkerProcess, TakesItsWholeGroupWithIt) {
  shell sh("sleep 1000 & (sleep 1000 & sleep 1000) & echo ready; wait\n");
  auto p = sh.spawn();
  std::array<char, 16> word{};
  EXPECT_GT(::read(sh.out_read.get(), word.data(), word.size()), 0);
  EXPECT_TRUE(test::wait_until([&] { return test::descendants_of(p.pid()).size() >= 3; }));
  auto all = test::descendants_of(p.pid());
  p.signal_group(SIGTERM);
  const auto how = sh.wait(p);
  EXPECT_EQ(how.signal, SIGTERM);
  EXPECT_TRUE(test::wait_until_gone(all));
}

TEST(WorkerProcess, WhatItLeavesBehindInItsGroupGoesWhenItIsReaped) {
  shell sh("trap '' TERM; sleep 1000 & echo $!; exit 7\n");
  auto p = sh.spawn();
  std::array<char, 16> word{};
  EXPECT_GT(::read(sh.out_read.get(), word.data(), word.size() - 1), 0);
  const pid_t left = std::atoi(word.data());
  EXPECT_EQ(sh.wait(p), (exit_state{true, 0, 7}));
  EXPECT_TRUE(test::wait_until_gone({left}));
}

TEST(WorkerProcess, ItsEndIsSeenWithoutPidfdToo) {
  shell sh("kill -SEGV $$\n");
  auto p = sh.spawn(false);
  EXPECT_EQ(sh.wait(p), (exit_state{true, SIGSEGV, 0}));
}

TEST(WorkerProcess, LeavesOtherChildrenAndTheirSignalsToTheProgram) {
  const pid_t other = ::fork();
  ASSERT_GE(other, 0);
  if (other == 0) ::_exit(42);
  shell sh("exit 3\n");
  auto p = sh.spawn();
  EXPECT_EQ(sh.wait(p).status, 3);
  int status = 0;
  EXPECT_EQ(::waitpid(other, &status, 0), other) << "somebody else waited for our child";
  EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST(WorkerProcess, WorksInAProgramThatIgnoresItsChildren) {
  const auto old = ::signal(SIGCHLD, SIG_IGN);
  shell sh("exit 3\n");
  auto p = sh.spawn();
  const auto how = sh.wait(p);
  ::signal(SIGCHLD, old);
  EXPECT_FALSE(how.known);
  EXPECT_NE(describe(how).find("taken by somebody else"), std::string::npos);
}

TEST(WorkerProcess, SaysWhyAProgramCannotBeStarted) {
  shell sh("exit 0\n");
  const auto path = sh.plan.program_path;
  const auto text_for = [&](int mode, const std::string& content, int expected) {
    std::ofstream(path) << content;
    ::chmod(path.c_str(), static_cast<mode_t>(mode));
    try {
      auto p = process::spawn(sh.plan, sh.io.get_executor());
      p.reap();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code().value(), expected);
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(text_for(0700,
                     "\x7f"
                     "ELF nonsense",
                     ENOEXEC)
                .find("cannot run its file format"),
            std::string::npos);
  EXPECT_NE(text_for(0700, "#!/nonexistent/loader\n", ENOENT).find("missing here"), std::string::npos);
  EXPECT_NE(text_for(0600, "#!/bin/sh\n", EACCES).find("not permitted"), std::string::npos);
}

TEST(WorkerEnvironment, PassesTheListAndWhatIsNamedButNeverSecretsOrLoaderSettings) {
  const std::vector<std::string> own = {
      "PATH=/bin",        "HOME=/root",  "LC_TIME=C",         "ASAN_OPTIONS=x",     "MY_DATA=1",
      "OTHER=1",          "PP_SECRET=s", "PP_SECRET_FILE=f",  "LD_PRELOAD=evil.so", "LD_LIBRARY_PATH=/old",
      "SSLKEYLOGFILE=/k", "PP_WORKER=1", "OMP_NUM_THREADS=4", "GLIBC_TUNABLES=g",   "CREDENTIALS_DIRECTORY=/c"};
  const environment_plan plan{{"MY_DATA", "PP_SECRET", "LD_PRELOAD", "SSLKEYLOGFILE"}, "/image/lib"};
  auto got = worker_environment(own, plan, 1234);
  std::sort(got.begin(), got.end());
  std::vector<std::string> expected = {"PATH=/bin",
                                       "HOME=/root",
                                       "LC_TIME=C",
                                       "ASAN_OPTIONS=x",
                                       "MY_DATA=1",
                                       "OMP_NUM_THREADS=4",
                                       "MKL_NUM_THREADS=1",
                                       "OPENBLAS_NUM_THREADS=1",
                                       "LD_LIBRARY_PATH=/image/lib",
                                       "PP_WORKER=1234"};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(got, expected);
}

TEST(WorkerProcess, EndsAreDescribedInWords) {
  EXPECT_EQ(describe({true, SIGSEGV, 0}), "was killed by signal 11 (Segmentation fault)");
  EXPECT_EQ(describe({true, 0, 3}), "exited with status 3");
}

}  // namespace
}  // namespace pp::worker
