// Where keys come from: the order of docs/security.md. A named source that is missing or wrong is the end, never the
// next one.
#include <charconv>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

#include "auth/key_file.hpp"
#include "auth/key_lines.hpp"
#include "auth/key_text.hpp"
#include "auth/keyring.hpp"
#include "auth/passphrase.hpp"
#include "base/log.hpp"
#include "pp/error.hpp"

namespace pp::auth {
namespace {

constexpr const char* system_keyring = "/etc/pp/keyring";

[[noreturn]] void refuse_source(const std::string& text) { throw error(errc::refused, text); }

/// A variable's value if it is set and not empty.
std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

loaded_keyring from_text(const secret& text, std::string origin, const std::string& called, bool allow_weak) {
  const auto lines = parse_key_lines(as_text(text.view()), called, allow_weak);
  loaded_keyring loaded{make_keyring(lines), std::move(origin)};
  for (const auto& line : lines) {
    if (line.weakness.empty()) continue;
    loaded.weak = true;
    log::warn("weak_secret", {{"origin", loaded.origin}, {"reason", "the passphrase " + line.weakness}});
  }
  return loaded;
}

loaded_keyring from_descriptor(int fd, const std::string& name, bool allow_weak) {
  return from_text(read_key_descriptor(fd, name), name, name, allow_weak);
}

/// PATH, "-" or "fd:N". `by` is what named it, for the message.
loaded_keyring from_named(const std::string& name, const std::string& by, bool allow_weak) {
  if (name.empty()) refuse_source(by + " is empty: give it the path of a keyring, or leave it out");
  if (name == "-") return from_descriptor(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), "standard input", allow_weak);
  if (name.starts_with("fd:")) {
    int fd = -1;
    const char* end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + 3, end, fd);
    if (read.ec != std::errc{} || read.ptr != end || fd < 0)
      refuse_source(by + " " + name + " is no descriptor: write fd:3, for example");
    return from_descriptor(fd, name, allow_weak);
  }
  const auto text = read_key_file(name);
  if (!text)
    refuse_source("keyring " + name + " (named by " + by + ") does not exist: make it with `ppserver key new --file " +
                  name + "`");
  return from_text(*text, name, "keyring " + name, allow_weak);
}

bool is_one_word(std::string_view text) { return text.find_first_of(" -\t\r\n") == std::string_view::npos; }

secret raw_of_inline(const std::string& value, bool allow_weak, std::string& weakness) {
  if (looks_like_key_text(value) && is_one_word(value)) {
    auto raw = from_key_text(value);
    if (!raw) refuse_source("a character of the inline key is wrong: compare it with `ppserver key export`");
    return std::move(*raw);
  }
  weakness = why_weak(value);
  if (!weakness.empty() && !allow_weak) {
    refuse_source("the inline secret " + weakness +
                  ": make a key with `ppserver key new` (or give --allow-weak-secret to use it on this machine only)");
  }
  return stretch(value);
}

loaded_keyring from_inline(const std::string& value, const std::string& by, bool allow_weak) {
  if (value.empty()) refuse_source(by + " is empty: give it a key, or leave it out");
  log::warn("inline_secret",
            {{"origin", by}, {"advice", "other users may see it; a keyring file keeps it to you: ppserver key new"}});
  if (value.starts_with("ppk1 ")) return from_text(secret(as_bytes(value)), by, by, allow_weak);
  std::string weakness;
  std::vector<key_line> lines(1);
  lines[0].name = "inline";
  lines[0].raw = raw_of_inline(value, allow_weak, weakness);
  if (!weakness.empty()) log::warn("weak_secret", {{"origin", by}, {"reason", "the secret " + weakness}});
  return {make_keyring(lines), by, false, !weakness.empty()};
}

/// Takes PP_SECRET out of the environment, so that nothing started from here and nobody who reads /proc sees it.
std::optional<secret> take_environment_secret() {
  char* value = std::getenv("PP_SECRET");
  if (value == nullptr) return std::nullopt;
  const std::string_view text(value);
  std::optional<secret> taken(std::in_place, as_bytes(text));
  erase({reinterpret_cast<std::uint8_t*>(value), text.size()});
  ::unsetenv("PP_SECRET");
  return taken;
}

/// Kept for the life of the process: a second client in it must find the key that the first one found.
const std::optional<secret>& environment_secret() {
  static const std::optional<secret> kept = take_environment_secret();
  return kept;
}

std::optional<loaded_keyring> from_environment(bool allow_weak) {
  const auto& value = environment_secret();
  const char* file = std::getenv("PP_SECRET_FILE");
  if (value && file != nullptr) refuse_source("both PP_SECRET and PP_SECRET_FILE are set: unset one of them");
  if (file != nullptr) return from_named(file, "PP_SECRET_FILE", allow_weak);
  if (!value) return std::nullopt;
  std::string text(as_text(value->view()));
  auto loaded = from_inline(text, "PP_SECRET", allow_weak);
  erase({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return loaded;
}

std::optional<loaded_keyring> from_place(const std::filesystem::path& path, key_file_kind kind, bool allow_weak) {
  if (path.empty()) return std::nullopt;
  const auto text = read_key_file(path, kind);
  if (!text) return std::nullopt;
  return from_text(*text, path.string(), "keyring " + path.string(), allow_weak);
}

/// The places where a keyring may lie without anybody naming it.
std::optional<loaded_keyring> from_usual_places(const key_source& from) {
  if (const auto credentials = variable("CREDENTIALS_DIRECTORY")) {
    const auto path = std::filesystem::path(*credentials) / "pp-keyring";
    if (auto loaded = from_place(path, key_file_kind::credential, from.allow_weak)) return loaded;
  }
  if (auto loaded = from_place(default_keyring_path(), key_file_kind::own, from.allow_weak)) return loaded;
  // A system keyring that this user may not read is not his: to him it is absent.
  if (::access("/etc/pp", X_OK) != 0 || ::access(system_keyring, R_OK) != 0) return std::nullopt;
  return from_place(system_keyring, key_file_kind::own, from.allow_weak);
}

loaded_keyring create_default() {
  const auto path = default_keyring_path();
  if (path.empty()) refuse_source("neither HOME nor XDG_CONFIG_HOME is set: name a keyring with --secret-file");
  const bool made = create_key_file(path, to_ppk1_line(new_key_line({})).view());
  auto loaded = from_place(path, key_file_kind::own, false);  // made false: another node of this user was faster
  if (!loaded) refuse_source("keyring " + path.string() + " went away while it was made: start again");
  loaded->created = made;
  return std::move(*loaded);
}

}  // namespace

std::filesystem::path default_keyring_path() {
  if (const auto config = variable("XDG_CONFIG_HOME"); config && config->front() == '/') {
    return std::filesystem::path(*config) / "pp" / "keyring";
  }
  const auto home = variable("HOME");
  return home ? std::filesystem::path(*home) / ".config" / "pp" / "keyring" : std::filesystem::path();
}

loaded_keyring load_keyring(const key_source& from) {
  if (from.file && from.inline_secret) refuse_source("a key file and an inline secret were both given: leave one out");
  if (from.file) return from_named(*from.file, "--secret-file", from.allow_weak);
  if (from.inline_secret) return from_inline(*from.inline_secret, "the inline secret", from.allow_weak);
  if (auto loaded = from_environment(from.allow_weak)) return std::move(*loaded);
  if (auto loaded = from_usual_places(from)) return std::move(*loaded);
  if (from.create_if_missing) return create_default();
  if (from.absent_is_empty) return {};
  refuse_source("there is no key in " + default_keyring_path().string() + " or " + system_keyring +
                ": make one with `ppserver key new`, or bring that of the other machines with `ppserver key import`");
}

}  // namespace pp::auth
