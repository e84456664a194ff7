#include "ppclient/capsule.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <nlohmann/json.hpp>

#include "code/descriptor.hpp"

namespace pp::ppclient {
namespace {

using nlohmann::ordered_json;

constexpr int format = 1;
constexpr std::size_t longest_header = 16 * 1024 * 1024;
constexpr std::size_t longest_name = 80;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }
[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw error(errc::bad_message, path + " " + why);
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/// Anything else becomes one '-', so that "ns::f(int)" is "ns-f-int".
std::string plain_name(const std::string& from) {
  std::string out;
  for (const char c : from) {
    if (out.size() >= longest_name) break;
    if (is_plain(c)) {
      out += c;
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() || out.front() == '.' ? "job" + out : out;
}

ordered_json options_of(const wire::terms& t) {
  return {{"timeout_ms", t.timeout_ms}, {"cpu_ms", t.cpu_ms},     {"memory", t.memory},
          {"max_result", t.max_result}, {"priority", t.priority}, {"at_most_once", t.at_most_once}};
}

std::string header_of(const capsule& c, std::size_t argument_bytes) {
  const job_error failure(c.code, c.about);
  const ordered_json all{{"ppcapsule", format},
                         {"image", to_hex(code::id_of(c.manifest))},
                         {"manifest", to_hex(c.manifest)},
                         {"files", c.files},
                         {"decoder", c.decoder},
                         {"function", c.function},
                         {"environment", c.how.environment},
                         {"options", options_of(c.how)},
                         {"label", c.about.label},
                         {"id", c.about.id},
                         {"code", static_cast<int>(c.code)},
                         {"report", failure.report()},
                         {"failure", ordered_json::parse(failure.to_json())},
                         {"argument_bytes", argument_bytes}};
  return all.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

void write_all(int fd, byte_view data, const std::string& path) {
  while (!data.empty()) {
    const ssize_t done = ::write(fd, data.data(), data.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail("cannot write " + path);
    data = data.subspan(static_cast<std::size_t>(done));
  }
}

/// What is there of `size` bytes.
bytes read_up_to(int fd, std::size_t size, const std::string& path) {
  bytes out(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::read(fd, out.data() + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read " + path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  out.resize(have);
  return out;
}

std::uint64_t checked_size(int fd, const std::string& path) {
  struct stat about;
  if (::fstat(fd, &about) != 0) fail("cannot look at " + path);
  if (!S_ISREG(about.st_mode)) refuse(path, "is no file");
  if (about.st_uid != ::geteuid() && about.st_uid != 0)
    refuse(path,
           "belongs to another user, and replaying it would run the program that it names: copy it if you trust it");
  return static_cast<std::uint64_t>(about.st_size);
}

void fill(const ordered_json& from, capsule& to) {
  to.manifest = from_hex(from.at("manifest").get<std::string>());
  to.files = from.at("files").get<std::vector<std::string>>();
  to.decoder = from.at("decoder").get<code::location>();
  to.function = from.at("function").get<code::location>();
  to.how.environment = from.at("environment").get<std::vector<std::string>>();
  to.how.label = from.at("label").get<std::string>();
  to.code = static_cast<errc>(from.at("code").get<int>());
  to.about.id = from.at("id").get<std::string>();
  to.about.label = to.how.label;
  to.report = from.at("report").get<std::string>();
}

bool is_consistent(const ordered_json& header, const capsule& c) {
  const auto listed = code::decode_manifest(c.manifest);
  return listed && listed->modules.size() == c.files.size() && !c.files.empty() &&
         header.at("image").get<std::string>() == to_hex(code::id_of(c.manifest));
}

/// How many bytes of arguments follow. Throws what the JSON library throws, too.
std::uint64_t read_header(std::string_view line, const std::string& path, capsule& to) {
  const auto header = ordered_json::parse(line);
  if (header.at("ppcapsule").get<int>() != format)
    refuse(path, "was written by a newer pp: replay it with that version's ppclient");
  fill(header, to);
  if (!is_consistent(header, to)) refuse(path, "is damaged: its list of files is not the one it was saved with");
  return header.at("argument_bytes").get<std::uint64_t>();
}

}  // namespace

capsule capsule_of(const code::image& program, code::location decoder, code::location function, byte_view terms) {
  capsule c;
  c.manifest = program.encoded();
  for (std::size_t i = 0; i < program.contents().modules.size(); ++i) c.files.push_back(program.path(i));
  c.decoder = decoder;
  c.function = function;
  if (const auto how = wire::decode_terms(terms)) c.how = *how;
  return c;
}

std::string capsule_path(const std::string& directory, const job_report& about) {
  const std::string name = plain_name(about.label.empty() ? about.function : about.label);
  return directory + (directory.ends_with('/') ? "" : "/") + name + "-" + about.id + ".ppcapsule";
}

void save_capsule(const capsule& c, byte_view arguments, const std::string& path) {
  const std::string header = header_of(c, arguments.size());
  const code::descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) fail("cannot create " + path);
  try {
    write_all(file.get(), as_bytes(header), path);
    write_all(file.get(), arguments, path);
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
}

opened_capsule open_capsule(const std::string& path, bool with_arguments) try {
  const code::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) fail("cannot open " + path);
  const std::uint64_t size = checked_size(file.get(), path);
  const bytes start = read_up_to(file.get(), std::min<std::uint64_t>(size, longest_header), path);
  const auto end = std::find(start.begin(), start.end(), std::uint8_t{'\n'});
  if (end == start.end()) refuse(path, "is no capsule: it has no first line");
  opened_capsule out;
  const auto header = static_cast<std::size_t>(end - start.begin());
  const auto wanted = read_header(as_text(byte_view(start).first(header)), path, out.what);
  if (size - header - 1 != wanted) refuse(path, "is cut short: its arguments are not all there");
  if (!with_arguments) return out;
  if (::lseek(file.get(), static_cast<off_t>(header + 1), SEEK_SET) < 0) fail("cannot read " + path);
  out.arguments = read_up_to(file.get(), wanted, path);
  if (out.arguments.size() != wanted) refuse(path, "is cut short: its arguments are not all there");
  return out;
} catch (const ordered_json::exception&) {
  refuse(path, "is no capsule: its first line is not what pp writes there");
} catch (const std::system_error& e) {
  if (dynamic_cast<const error*>(&e) != nullptr) throw;
  throw error(errc::bad_message, e.what());
}

}  // namespace pp::ppclient
