#include "ppserver/key_command.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "auth/key_file.hpp"
#include "auth/key_lines.hpp"
#include "auth/key_text.hpp"
#include "auth/keyring.hpp"
#include "pp/error.hpp"

namespace pp::ppserver {
namespace {

constexpr int status_usage = 64;
constexpr int status_cannot_create = 73;
constexpr int status_config = 78;

struct wishes {
  std::string file;  ///< the keyring to work on
  std::string name;
  std::string from;  ///< import: FILE or "-"
  bool add = false;
};

/// What a person did that has an exit status of its own.
struct mistake {
  int status;
  std::string text;
};

std::string keyring_path(const wishes& w) {
  if (!w.file.empty()) return w.file;
  const char* named = std::getenv("PP_SECRET_FILE");
  if (named != nullptr && *named != '\0') {
    if (std::string_view(named) == "-" || std::string_view(named).starts_with("fd:")) {
      throw mistake{status_usage, "PP_SECRET_FILE names no file: give --file PATH"};
    }
    return named;
  }
  const auto usual = auth::default_keyring_path();
  if (usual.empty()) throw mistake{status_usage, "neither HOME nor XDG_CONFIG_HOME is set: give --file PATH"};
  return usual.string();
}

std::vector<auth::key_line> lines_of(const auth::secret& text, const std::string& origin) {
  return auth::parse_key_lines(as_text(text.view()), origin, true);
}

std::vector<auth::key_line> lines_of_keyring(const std::string& path) {
  const auto text = auth::read_key_file(path);
  if (!text) throw mistake{status_config, "there is no keyring " + path + ": make it with `ppserver key new`"};
  return lines_of(*text, "keyring " + path);
}

std::string id_of(const auth::key_line& line) { return auth::key(line.name, line.raw).id_text(); }

/// Both, with a line feed behind `first` where it lacks one.
auth::secret joined(byte_view first, byte_view second) {
  const bool ends_line = first.empty() || first.back() == '\n';
  auth::secret whole(first.size() + (ends_line ? 0 : 1) + second.size());
  auto* to = std::copy(first.begin(), first.end(), whole.writable().data());
  if (!ends_line) *to++ = '\n';
  std::copy(second.begin(), second.end(), to);
  return whole;
}

auth::secret text_of(const std::vector<auth::key_line>& lines) {
  auth::secret text;
  for (const auto& line : lines) text = joined(text.view(), auth::to_ppk1_line(line).view());
  return text;
}

/// Makes the keyring of these lines, or puts them behind those that are there.
void store(const std::string& path, const std::vector<auth::key_line>& lines, bool add) {
  const auto text = text_of(lines);
  const auto present = add ? auth::read_key_file(path) : std::nullopt;
  if (present) {
    const auto whole = joined(present->view(), text.view());
    lines_of(whole, "keyring " + path + " with what is added");
    auth::replace_key_file(path, whole.view());
  } else if (!auth::create_key_file(path, text.view())) {
    throw mistake{status_config,
                  "keyring " + path + " exists already and was left alone: --add puts a key behind those in it"};
  }
  for (const auto& line : lines) std::printf("%s: key %s (%s)\n", path.c_str(), id_of(line).c_str(), line.name.c_str());
}

void check_key_name(const std::string& name) {
  if (name.empty() || auth::is_key_name(name)) return;
  throw mistake{status_usage, "--name may have letters, digits and . _ @ - only, at most 64"};
}

void make_new(const wishes& w) {
  check_key_name(w.name);
  std::vector<auth::key_line> lines;
  lines.push_back(auth::new_key_line(w.name));
  store(keyring_path(w), lines, w.add);
}

void show(const wishes& w) {
  const auto path = keyring_path(w);
  const auto lines = lines_of_keyring(path);
  std::printf("keyring %s\n", path.c_str());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto& line = lines[i];
    std::printf("%-16s %s  roles %s  created %s  %s%s\n", id_of(line).c_str(), line.name.c_str(), line.roles.c_str(),
                line.created.empty() ? "-" : line.created.c_str(), i == 0 ? "proves and verifies" : "verifies",
                line.weakness.empty() ? "" : ", weak passphrase");
  }
}

void write_out(byte_view text) {
  while (!text.empty()) {
    const auto done = ::write(STDOUT_FILENO, text.data(), text.size());
    if (done < 0) throw mistake{status_cannot_create, "the key cannot be written to standard output"};
    text = text.subspan(static_cast<std::size_t>(done));
  }
}

void export_one(const wishes& w) {
  const auto path = keyring_path(w);
  for (const auto& line : lines_of_keyring(path)) {
    if (!w.name.empty() && line.name != w.name && id_of(line) != w.name) continue;
    const auto text = auth::to_key_text(line.raw);
    write_out(joined(text.view(), {}).view());
    return;
  }
  throw mistake{status_config,
                "keyring " + path + " has no key with the name or id " + w.name + ": see `ppserver key show`"};
}

auth::secret read_import(const std::string& from) {
  if (from == "-") return auth::read_key_descriptor(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3), "standard input");
  auto text = auth::read_key_file(from);
  if (!text) throw mistake{status_config, "there is no file " + from + " to import"};
  return std::move(*text);
}

void import_from(const wishes& w) {
  check_key_name(w.name);
  auto lines = lines_of(read_import(w.from), w.from == "-" ? "standard input" : w.from);
  const auto today = auth::new_key_line({});
  for (auto& line : lines) {
    if (line.created.empty()) line.created = today.created;
    if (!w.name.empty()) line.name = w.name;
    if (!line.weakness.empty())
      throw mistake{status_config, "the passphrase in " + w.from + " " + line.weakness + ": bring a key instead"};
  }
  store(keyring_path(w), lines, w.add);
}

int guarded(void (*action)(const wishes&), const wishes& w) {
  try {
    action(w);
    if (std::fflush(stdout) == 0) return 0;
    std::fprintf(stderr, "ppserver: standard output cannot be written\n");
    return status_cannot_create;
  } catch (const mistake& m) {
    std::fprintf(stderr, "ppserver: %s\n", m.text.c_str());
    return m.status;
  } catch (const auth::unwritable_key_file& e) {
    std::fprintf(stderr, "ppserver: %s\n", e.what());
    return status_cannot_create;
  } catch (const error& e) {
    std::fprintf(stderr, "ppserver: %s\n", e.what());
    return status_config;
  }
}

}  // namespace

void add_key_command(CLI::App& app, std::function<int()>& chosen) {
  const auto w = std::make_shared<wishes>();
  auto* key = app.add_subcommand("key", "make, look at and carry keys");
  key->require_subcommand(1);
  const auto add = [&](const char* name, const char* about, void (*action)(const wishes&)) {
    auto* command = key->add_subcommand(name, about);
    command->add_option("--file", w->file, "the keyring (default: $PP_SECRET_FILE, else ~/.config/pp/keyring)");
    command->callback([w, action, &chosen] { chosen = [w, action] { return guarded(action, *w); }; });
    return command;
  };
  constexpr const char* about_add =
      "put it behind the keys of a keyring that exists: it is accepted, the first line proves";
  auto* fresh = add("new", "make a keyring with a fresh key; prints its id, not the key", make_new);
  fresh->add_flag("--add", w->add, about_add);
  fresh->add_option("--name", w->name, "name of the key, for logs (default: the user's)");
  add("show", "list names, ids and roles of a keyring, not the keys", show);
  auto* out =
      add("export", "print the first key as one line for another machine; whoever reads it can run code", export_one);
  out->add_option("--name", w->name, "name or id of another key of the keyring");
  auto* in = add("import", "make a keyring from a keyring or from the line that `export` printed", import_from);
  in->add_option("FILE", w->from, "where to read it; - is standard input")->required();
  in->add_flag("--add", w->add, about_add);
  in->add_option("--name", w->name, "name it gets here");
}

}  // namespace pp::ppserver
