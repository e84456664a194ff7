#include "ppclient/replay.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "code/loaded.hpp"
#include "code/module_file.hpp"
#include "pp/detail/capsule.hpp"
#include "pp/detail/thunk.hpp"
#include "ppclient/capsule.hpp"
#include "worker/thrown.hpp"
#include "worker/thunks.hpp"

namespace pp {
namespace ppclient {
namespace {

/// The values of sysexits.h where there is one.
enum exit_status : int { returned = 0, threw = 1, unreadable = 65, other_program = 69 };

/// As a worker ends: what main would have made was never made, so nothing of it is destroyed.
[[noreturn]] void leave(int status) {
  std::cout.flush();
  std::clog.flush();
  std::fflush(nullptr);
  ::_exit(status);
}

[[noreturn]] void give_up(int status, const std::string& why) {
  std::fprintf(stderr, "pp: %s\n", why.c_str());
  leave(status);
}

/// By the paths that they had: plugins, which nothing else would load here.
void open_shared_objects(const capsule& c) {
  for (std::size_t i = 1; i < c.files.size(); ++i) ::dlopen(c.files[i].c_str(), RTLD_NOW | RTLD_LOCAL);
}

struct call {
  detail::thunk decoder = nullptr;
  std::uintptr_t function = 0;
};

std::optional<call> find_call(const code::loaded_image& image, const capsule& c) {
  const void* const decoder = image.address_of(c.decoder);
  if (decoder == nullptr || !worker::is_registered_thunk(decoder)) return std::nullopt;
  call out{reinterpret_cast<detail::thunk>(const_cast<void*>(decoder)), 0};
  if (c.function == code::no_location) return out;
  if (code::marker_of(c.function) == code::virtual_marker) {
    out.function = code::offset_of(c.function);
    return out;
  }
  out.function = reinterpret_cast<std::uintptr_t>(image.address_of(c.function));
  return out.function != 0 ? std::optional(out) : std::nullopt;
}

void set_environment(const capsule& c) {
  for (const auto& variable : c.how.environment) {
    const auto name = variable.find('=');
    if (name != variable.npos) ::setenv(variable.substr(0, name).c_str(), variable.c_str() + name + 1, 1);
  }
}

int tell(const std::exception_ptr& thrown, const std::string& where = {}) {
  const auto failure = worker::failure_of(thrown);
  std::printf("%sthrew %s: %s\n", where.c_str(), failure.type.c_str(), failure.what.c_str());
  for (const auto& cause : failure.causes) std::printf("  caused by %s: %s\n", cause.type.c_str(), cause.what.c_str());
  return threw;
}

int run(const call& what, byte_view arguments) {
  try {
    detail::payload value;
    what.decoder(what.function, arguments.data(), arguments.size(), value);
    std::printf("returned %zu bytes\n", value.size());
    return returned;
  } catch (const detail::bad_arguments& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return unreadable;
  } catch (const detail::item_failure& failed) {
    return tell(failed.cause(), "item " + std::to_string(failed.item()) + " (counted from 0) ");
  } catch (...) {
    return tell(std::current_exception());
  }
}

opened_capsule open_or_give_up(const std::string& path) {
  try {
    return open_capsule(path, true);
  } catch (const std::exception& e) {
    give_up(unreadable, e.what());
  }
}

}  // namespace

void replay(const std::string& capsule_path) {
  const auto saved = open_or_give_up(capsule_path);
  open_shared_objects(saved.what);
  const auto manifest = code::decode_manifest(saved.what.manifest);
  const code::loaded_image image(manifest.value());
  if (!image.problem().empty())
    give_up(other_program, "this is not the program that " + capsule_path + " was saved by: " + image.problem());
  const auto what = find_call(image, saved.what);
  if (!what) give_up(other_program, capsule_path + " names a function that this program does not have");
  if (!saved.what.how.values.empty())
    give_up(other_program, capsule_path +
                               " is of a job that used shared values, which no capsule holds: replay it with "
                               "the value itself as an argument");
  set_environment(saved.what);
  leave(run(*what, saved.arguments));
}

}  // namespace ppclient

detail::capsule_summary detail::read_capsule(const std::string& path) {
  auto c = ppclient::open_capsule(path, false).what;
  return {c.files.front(), std::move(c.report)};
}

std::string detail::why_not_replayed_by(const std::string& program, const std::string& capsule_path) {
  const auto c = ppclient::open_capsule(capsule_path, false).what;
  const auto wanted = code::decode_manifest(c.manifest).value().modules.front();
  const std::string advice = ": give the one that the job was saved by with --program PATH";
  if (::access(program.c_str(), F_OK) != 0) return "there is no program at " + program + advice;
  try {
    const auto file = code::module_file::open(program);
    if (file.size() == wanted.size && file.content_hash() == wanted.content) return {};
  } catch (const error& e) {
    return e.what() + advice;
  }
  return program + " was changed since the job was saved" + advice;
}

}  // namespace pp
