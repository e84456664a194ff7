#include "auth/key_lines.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <set>

#include "auth/key_text.hpp"
#include "auth/passphrase.hpp"
#include "pp/error.hpp"

namespace pp::auth {
namespace {

constexpr std::string_view passphrase_mark = "pass:";
constexpr std::string_view blanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

std::vector<std::string_view> columns_of(std::string_view line) {
  std::vector<std::string_view> columns;
  while (!(line = trimmed(line)).empty()) {
    const auto end = std::min(line.find_first_of(blanks), line.size());
    columns.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return columns;
}

bool is_date(std::string_view text) {
  constexpr std::string_view form = "0000-00-00";
  return std::equal(text.begin(), text.end(), form.begin(), form.end(), [](char c, char f) {
    return f == '0' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == f;
  });
}

bool is_every_role(std::string_view roles) {
  if (roles == "all") return true;
  std::set<std::string_view> named;
  for (std::size_t from = 0; from <= roles.size();) {
    const auto end = std::min(roles.find(',', from), roles.size());
    if (!named.insert(roles.substr(from, end - from)).second) return false;
    from = end + 1;
  }
  return named == std::set<std::string_view>{"submit", "observe", "admin", "discover", "pair"};
}

/// Reads one text line by line; carries what the messages need.
class line_reader {
 public:
  line_reader(const std::string& origin, bool allow_weak) : origin_(origin), allow_weak_(allow_weak) {}

  void read(std::string_view line) {
    ++number_;
    line = trimmed(line);
    if (line.empty() || line.front() == '#') return;
    if (line.starts_with(passphrase_mark)) {
      add(passphrase(line.substr(passphrase_mark.size())));
    } else if (line.starts_with("ppk1 ") || line.starts_with("ppk1\t")) {
      add(ppk1(columns_of(line)));
    } else {
      add(one_line(line));
    }
  }

  std::vector<key_line> take() {
    if (lines_.empty()) {
      throw error(errc::refused,
                  origin_ + " holds no key: make one with `ppserver key new`, or bring one with `ppserver key import`");
    }
    return std::move(lines_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw error(errc::refused, origin_ + " line " + std::to_string(number_) + ": " + what);
  }

  key_line ppk1(const std::vector<std::string_view>& columns) const {
    if (columns.size() != 6) refuse("a key line has 6 columns: ppk1 NAME ROLES CREATED EXPIRES KEY");
    if (!is_key_name(columns[1])) refuse("the name may have letters, digits and . _ @ - only, at most 64");
    if (!is_every_role(columns[2])) refuse("the roles must be `all`: this release knows no others");
    if (!is_date(columns[3])) refuse("the date of creation must look like 2026-11-22");
    if (columns[4] != "-") refuse("the date of expiry must be `-`: keys do not expire in this release");
    auto raw = from_base64url(columns[5]);
    if (!raw) refuse("the last column is no key (43 characters of base64url): copy the line again");
    return {std::string(columns[1]), std::string(columns[2]), std::string(columns[3]), std::move(*raw), {}};
  }

  key_line passphrase(std::string_view text) {
    if (++passphrases_ > max_passphrase_lines) refuse("more than 4 passphrases: use keys, `ppserver key new --add`");
    const auto weakness = why_weak(text);
    if (!weakness.empty() && !allow_weak_) {
      refuse("the passphrase " + weakness +
             ": make a key with `ppserver key new` (or give --allow-weak-secret to use it on this machine only)");
    }
    return {"passphrase", "all", {}, stretch(text), weakness};
  }

  key_line one_line(std::string_view text) const {
    auto raw = from_key_text(text);
    if (!raw && looks_like_key_text(text))
      refuse("a character of the key is wrong: compare it with `ppserver key export`");
    if (!raw) refuse("this is no key line: it must begin with ppk1, or be the line that `ppserver key export` prints");
    return {"imported", "all", {}, std::move(*raw), {}};
  }

  void add(key_line line) {
    for (const auto& other : lines_) {
      if (constant_time_equal(other.raw.view(), line.raw.view()))
        refuse("this key stands there twice: delete one of the lines");
    }
    lines_.push_back(std::move(line));
  }

  const std::string& origin_;
  bool allow_weak_;
  std::size_t number_ = 0;
  std::size_t passphrases_ = 0;
  std::vector<key_line> lines_;
};

}  // namespace

bool is_key_name(std::string_view name) {
  return !name.empty() && name.size() <= max_key_name && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._@-").find(c) != std::string_view::npos;
  });
}

key_line new_key_line(std::string name) {
  if (name.empty()) {
    const char* user = std::getenv("USER");
    name = user != nullptr && is_key_name(user) ? user : "pp";
  }
  const std::time_t now = std::time(nullptr);
  std::tm date{};
  ::gmtime_r(&now, &date);
  char text[11];
  std::strftime(text, sizeof text, "%F", &date);
  return {std::move(name), "all", text, random_secret(raw_key_size), {}};
}

std::vector<key_line> parse_key_lines(std::string_view text, const std::string& origin, bool allow_weak) {
  line_reader reader(origin, allow_weak);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    reader.read(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return reader.take();
}

secret to_ppk1_line(const key_line& line) {
  const std::string columns = "ppk1 " + line.name + ' ' + line.roles + ' ' + line.created + " - ";
  const secret raw = to_base64url(line.raw);
  secret text(columns.size() + raw.size() + 1);
  auto* to = std::copy(columns.begin(), columns.end(), text.writable().data());
  to = std::copy(raw.view().begin(), raw.view().end(), to);
  *to = '\n';
  return text;
}

keyring make_keyring(const std::vector<key_line>& lines) {
  std::vector<key> keys;
  keys.reserve(lines.size());
  for (const auto& line : lines) keys.emplace_back(line.name, line.raw);
  return keyring(std::move(keys));
}

}  // namespace pp::auth
