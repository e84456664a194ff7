// A real worker process: this test program, started as a node starts it, spoken to over its pipe.
#include "worker/startup.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "code/image.hpp"
#include "net/asio.hpp"
#include "pp/detail/callable.hpp"
#include "pp/init.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_directory.hpp"
#include "worker/process.hpp"
#include "worker/runner.hpp"
#include "worker/worker_pipe.hpp"

namespace pp::worker {
namespace {

// A static initialiser that prints, as some libraries do. Only in workers: the test's own output stays clean.
const bool printed_early = [] {
  if (std::getenv(worker_variable) != nullptr) std::printf("printed before main\n");
  return true;
}();

struct pipe_ends {
  code::descriptor read, write;
};
pipe_ends make_pipe() {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {code::descriptor(fds[0]), code::descriptor(fds[1])};
}

std::shared_ptr<const code::image> own_program() {
  static const auto image = code::image::snapshot();
  return image;
}

class worker_process {
 public:
  explicit worker_process(pid_t parent = ::getpid()) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    node_end_.reset(::fcntl(ends[0], F_DUPFD_CLOEXEC, 0));
    pipe_.emplace(code::descriptor(ends[0]));
    const code::descriptor worker_end(ends[1]);
    const code::descriptor program(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    spawn_plan plan;
    plan.program = program.get();
    plan.environment = worker_environment({"PATH=/usr/bin:/bin", "ASAN_OPTIONS=" + option("ASAN_OPTIONS")},
                                          {{}, "/nonexistent/images", false}, parent);
    plan.out_write = out_.write.get();
    plan.err_write = err_.write.get();
    plan.ends.pipe = worker_end.get();
    plan.ends.control = control_.fd();
    plan.out_read = out_.read.get();
    plan.err_read = err_.read.get();
    process_.emplace(process::spawn(plan, io_.get_executor()));
    out_.write.reset();
    err_.write.reset();
  }
  ~worker_process() {
    if (process_) {
      process_->signal_group(SIGKILL);
      process_->reap();
    }
  }

  bool open(byte_view manifest) {
    bytes m;
    wire::encode_image({0, bytes(manifest.begin(), manifest.end())}, m);
    return pipe_->write({0, wire::message_type::image, 0, 0, 0}, {m});
  }
  void open() {
    ASSERT_TRUE(open(own_program()->encoded()));
    const auto answer = receive();
    ASSERT_EQ(answer.head.type, wire::message_type::ready) << as_text(answer.payload);
  }
  template <class F, class... Args>
  void submit(F&& f, Args&&... args) {
    detail::payload arguments;
    const auto code = detail::prepare(std::forward<F>(f), arguments, std::forward<Args>(args)...);
    bytes payload(wire::submit::size);
    wire::encode_submit({0, *own_program()->locate(reinterpret_cast<const void*>(code.decoder)), location_of(code), 0},
                        payload.data());
    control_.set(next_, claim::queued);
    pipe_->write({0, wire::message_type::submit, 0, 1, ++next_}, {payload, {arguments.data(), arguments.size()}});
  }
  pipe_message receive() {
    pipe_message m;
    return pipe_->read(m) ? m : pipe_message{};
  }
  /// The value of the next result.
  template <class R>
  R value() {
    const auto parts = wire::decode_result(receive().payload);
    EXPECT_TRUE(parts.has_value() && parts->head.code == wire::code_value);
    return detail::decode_value<R>(parts->body.data(), parts->body.size());
  }
  void hang_up() { ::shutdown(node_end_.get(), SHUT_RDWR); }
  exit_state wait_for_end() {
    const exit_state how = process_->reap();
    process_.reset();
    return how;
  }
  claim state_of(std::uint64_t sequence) const { return control_.state_of(sequence); }
  printed_text printed() { return read_after_crash(control_.page(), out_.read.get(), err_.read.get()); }

 private:
  static std::string option(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  }
  static code::location location_of(const detail::call_code& code) {
    if (code.virtual_offset != 0) return code::virtual_marker << 48U | code.virtual_offset;
    return code.function == nullptr ? code::no_location : *own_program()->locate(code.function);
  }

  net::io_context io_;
  control_mapping control_ = control_mapping::create();
  pipe_ends out_ = make_pipe(), err_ = make_pipe();
  code::descriptor node_end_;
  std::optional<worker_pipe> pipe_;
  std::optional<process> process_;
  std::uint64_t next_ = 0;
};

std::string greet(const std::string& name) { return "hello " + name; }
struct shape {
  virtual ~shape() = default;
  virtual int corners() const { return 0; }
  int tag = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(tag);
  }
};
struct square : shape {
  int corners() const override { return 4 + tag; }
};

TEST(WorkerProcess, RunsFunctionsLambdasAndVirtualMembers) {
  worker_process worker;
  worker.open();
  worker.submit(greet, "worker");
  worker.submit([](int a) { return a * 2; }, 21);
  square s;
  s.tag = 3;
  worker.submit(&shape::corners, s);
  worker.submit([] { return static_cast<int>(::getpid()); });
  EXPECT_EQ(worker.value<std::string>(), "hello worker");
  EXPECT_EQ(worker.value<int>(), 42);
  EXPECT_EQ(worker.value<int>(), 7);
  EXPECT_NE(worker.value<int>(), ::getpid());
}

TEST(WorkerProcess, EndsQuietlyWhenTheNodeHangsUp) {
  worker_process worker;
  worker.open();
  worker.hang_up();
  EXPECT_EQ(worker.wait_for_end(), (exit_state{true, 0, 0}));
}

TEST(WorkerProcess, EndsAtOnceWhenItsNodeIsGoneAlready) {
  worker_process worker(1);  // started by somebody who died: now somebody else is the parent
  EXPECT_EQ(worker.wait_for_end(), (exit_state{true, 0, 0}));
}

TEST(WorkerProcess, SaysInWordsWhyAnImageDoesNotFit) {
  code::manifest other = own_program()->contents();
  other.modules.at(0).content[0] ^= 1U;
  other.modules.at(0).build_id.assign(20, 7);
  worker_process worker;
  worker.open(code::encode_manifest(other));
  const auto answer = worker.receive();
  ASSERT_EQ(answer.head.type, wire::message_type::unfit);
  EXPECT_FALSE(wire::decode_unfit(answer.payload)->reason.empty());
  EXPECT_EQ(worker.wait_for_end(), (exit_state{true, 0, 0}));
  EXPECT_EQ(as_text(worker.printed().out), "printed before main\n");  // a start that failed shows everything
}

TEST(WorkerProcess, DeliversWhatEachKindOfPrintingWrote) {
  worker_process worker;
  worker.open();
  worker.submit([] {
    std::printf("printf ");
    std::cout << "cout ";
    std::cerr << "cerr";
  });
  worker.submit([] {});
  const auto first = worker.receive();
  const auto parts = wire::decode_result(first.payload);
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(as_text(parts->printed.out), "printf cout ");  // nothing of the static initialiser
  EXPECT_EQ(as_text(parts->printed.err), "cerr");
  EXPECT_EQ(wire::decode_result(worker.receive().payload)->head.flags & wire::result_head::flag_output, 0);
}

TEST(WorkerProcess, AJobThatPrintsTensOfMegabytesNeitherBlocksNorGrows) {
  worker_process worker;
  worker.open();
  worker.submit([] {
    const std::string line(999, 'x');
    for (int i = 0; i < 40'000; ++i) std::cout << line << '\n';
    return 5;
  });
  const auto result = worker.receive();
  const auto parts = wire::decode_result(result.payload);
  ASSERT_TRUE(parts.has_value());
  EXPECT_EQ(parts->printed.out.size(), 2 * stream_part);
  EXPECT_EQ(parts->printed.out_dropped, 40'000'000U - 2 * stream_part);
}

/// What a job sees of the process it runs in.
struct surroundings {
  std::string worker_variable, library_path, name, input;
  std::vector<int> low_descriptors;
  unsigned mask = 0;
  bool no_new_privileges = false;
  std::uint64_t core_limit = 1;
  bool initialised = false;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(worker_variable, library_path, name, input, low_descriptors, mask, no_new_privileges, core_limit, initialised);
  }
};
surroundings look_around() {
  const auto variable = [](const char* n) {
    return std::string(std::getenv(n) != nullptr ? std::getenv(n) : "(unset)");
  };
  surroundings s;
  s.worker_variable = variable(worker_variable);
  s.library_path = variable("LD_LIBRARY_PATH");
  s.name.resize(16);
  ::prctl(PR_GET_NAME, s.name.data());
  s.name.resize(s.name.find('\0'));
  s.input = std::filesystem::read_symlink("/proc/self/fd/0");
  for (int fd = 0; fd < 64; ++fd) {
    // Sanitizers and the program's own file, which a nested client needs, may be open; they are close-on-exec.
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) s.low_descriptors.push_back(fd);
  }
  s.mask = ::umask(0);
  ::umask(s.mask);
  s.no_new_privileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  rlimit core{};
  ::getrlimit(RLIMIT_CORE, &core);
  s.core_limit = core.rlim_max;
  s.initialised = pp::detail::is_initialised();
  return s;
}

TEST(WorkerProcess, GivesJobsCleanAndConfinedSurroundings) {
  worker_process worker;
  worker.open();
  worker.submit(look_around);
  const auto s = worker.value<surroundings>();
  EXPECT_EQ(s.worker_variable, "(unset)");
  EXPECT_EQ(s.library_path, "(unset)");
  EXPECT_EQ(s.name, "pp-worker");
  EXPECT_EQ(s.input, "/dev/null");
  EXPECT_EQ(s.low_descriptors, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(s.mask, 077U);
  EXPECT_TRUE(s.no_new_privileges);
  EXPECT_EQ(s.core_limit, 0U);
  EXPECT_TRUE(s.initialised);  // so a job may use a client of its own
}

TEST(WorkerProcess, ProgramsStartedByAJobInheritNeitherItsRoleNorItsPipe) {
  worker_process worker;
  worker.open();
  worker.submit([] {
    std::FILE* child = ::popen("env; ls -l /proc/self/fd", "r");
    std::string all;
    char buffer[4096];
    while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, child)) all.append(buffer, got);
    ::pclose(child);
    return all;
  });
  const auto all = worker.value<std::string>();
  EXPECT_EQ(all.find("PP_WORKER"), std::string::npos) << all;
  EXPECT_EQ(all.find("socket:"), std::string::npos) << all;
  EXPECT_EQ(all.find("pp-control"), std::string::npos) << all;
}

TEST(WorkerProcess, ItsClaimsAndPageTellWhatACrashInterrupted) {
  worker_process worker;
  worker.open();
  worker.submit(greet, "first");
  worker.submit([] {
    std::cerr << "about to die" << std::flush;
    ::raise(SIGKILL);
  });
  worker.submit(greet, "never");
  EXPECT_EQ(worker.value<std::string>(), "hello first");
  EXPECT_EQ(worker.wait_for_end(), (exit_state{true, SIGKILL, 0}));
  EXPECT_EQ(worker.state_of(0), claim::done);
  EXPECT_EQ(worker.state_of(1), claim::claimed);
  EXPECT_EQ(worker.state_of(2), claim::queued);
  EXPECT_EQ(as_text(worker.printed().err), "about to die");
}

TEST(WorkerProcess, AJobThatCallsExitTakesItsWorkerDown) {
  worker_process worker;
  worker.open();
  worker.submit([] { ::_exit(3); });
  EXPECT_EQ(worker.wait_for_end(), (exit_state{true, 0, 3}));
  EXPECT_EQ(worker.state_of(0), claim::claimed);
}

const test::client_program says_it_runs("says_it_runs", [] {
  std::printf("main runs, PP_WORKER is %s\n", std::getenv(worker_variable) == nullptr ? "gone" : "there");
  return 0;
});

TEST(Init, IgnoresAWorkerVariableThatNoNodeSet) {
  test::temporary_directory directory;
  for (const char* value : {"", "yes", "12345678901234567890", "1", "-5"}) {
    auto start = test::start_of("says_it_runs");
    start.directory = directory.path();
    start.environment[worker_variable] = value;
    start.environment["PP_LOG"] = "warn";
    const auto finished = test::run_program(start);
    EXPECT_EQ(finished.end, (test::exit_state{0, 0}));
    EXPECT_NE(finished.out.find("main runs, PP_WORKER is gone"), std::string::npos) << value;
    EXPECT_NE(finished.err.find("worker_variable_ignored"), std::string::npos) << value << ": " << finished.err;
  }
}

TEST(Init, IsKnownToHaveBeenCalled) { EXPECT_TRUE(pp::detail::is_initialised()); }

}  // namespace
}  // namespace pp::worker
