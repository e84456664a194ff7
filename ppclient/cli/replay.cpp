// ppclient replay: shows a saved job, or runs it again in the program that it came from.
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>

#include <pp/detail/capsule.hpp>

#include "command.hpp"

namespace ppclient {
namespace {

struct replay_options {
  std::string file;
  std::string program;
  bool show = false;
  bool with_gdb = false;
};

int complain(int status, const std::string& why) {
  std::cerr << "ppclient: " << why << '\n';
  return status;
}

/// Comes back only if it cannot be started.
int become(const std::string& program, bool with_gdb) {
  std::string debugger = "gdb", mark = "--args", path = program;
  char* const with[] = {debugger.data(), mark.data(), path.data(), nullptr};
  char* const alone[] = {path.data(), nullptr};
  std::cout.flush();
  if (with_gdb) {
    ::execvp("gdb", with);
    if (errno == ENOENT) return complain(unavailable, "gdb is not installed: install it, or leave out --gdb");
  } else {
    ::execv(path.c_str(), alone);
  }
  return complain(unavailable, "cannot start " + (with_gdb ? debugger : path) + ": " + std::strerror(errno));
}

int run(const replay_options& o) {
  pp::detail::capsule_summary saved;
  try {
    saved = pp::detail::read_capsule(o.file);
  } catch (const pp::error& e) {
    return complain(bad_data, e.what());
  }
  if (o.show) {
    std::cout << saved.report << '\n';
    return done;
  }
  const std::string program = std::filesystem::absolute(o.program.empty() ? saved.program : o.program).string();
  const std::string why = pp::detail::why_not_replayed_by(program, o.file);
  if (!why.empty()) return complain(unavailable, why);
  ::setenv(pp::detail::replay_variable, std::filesystem::absolute(o.file).c_str(), 1);
  return become(program, o.with_gdb);
}

}  // namespace

void add_replay(CLI::App& app, common_options&, action& chosen) {
  auto* command = app.add_subcommand("replay", "Run a saved job again, here and alone (it runs the program it names)");
  auto o = std::make_shared<replay_options>();
  command->add_option("FILE", o->file, "A .ppcapsule file that a client saved (options::capsule_dir)")->required();
  command->add_flag("--show", o->show, "Only print what is known about the failure");
  command->add_flag("--gdb", o->with_gdb, "Start the program under gdb");
  command->add_option("--program", o->program, "Where that program lies now, unchanged");
  command->footer(
      "Exit status: 0 the job returned (or --show), 1 it threw, 65 the file is no whole capsule, 69 its program is gone, was "
      "changed, or cannot be started. A job that crashes ends by the same signal.");
  command->callback([&chosen, o] { chosen = [o] { return run(*o); }; });
}

}  // namespace ppclient
