#include "ppclient/journal_file.hpp"

#include <cstring>

#include "pp/error.hpp"

namespace pp::ppclient {
namespace {

constexpr std::int64_t application = 0x7070'6A6F;  // "ppjo", in the file's header
constexpr std::int64_t version = 1;

bytes bytes_of(sqlite3_stmt* s, int column) {
  const auto* const data = static_cast<const std::uint8_t*>(sqlite().column_blob(s, column));
  const auto size = static_cast<std::size_t>(sqlite().column_bytes(s, column));
  return data != nullptr ? bytes(data, data + size) : bytes();
}
std::string text_of(sqlite3_stmt* s, int column) {
  const auto raw = bytes_of(s, column);
  return {raw.begin(), raw.end()};
}

}  // namespace

journal_file::journal_file(const std::string& path) : path_(path) {
  sqlite3* opened = nullptr;
  const int how = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_PRIVATECACHE;
  const int code = sqlite().open_v2(path.c_str(), &opened, how, nullptr);
  database_.reset(opened);
  if (code != SQLITE_OK) fail("cannot be opened");
  // Exclusive: nobody else may write between our looking and our adding; also, no file is shared with others.
  run("PRAGMA locking_mode=EXCLUSIVE", "cannot be used");
  run("PRAGMA journal_mode=WAL", "cannot be used");
  run("PRAGMA synchronous=NORMAL", "cannot be used");
  take_over();
  find_ = prepare("SELECT value, out, err FROM results WHERE key = ?");
  add_ = prepare("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)");
}

journal_file::~journal_file() {
  find_.reset();
  add_.reset();
}

void journal_file::take_over() {
  run("BEGIN IMMEDIATE", "cannot be used");
  const auto kind = number("PRAGMA application_id"), has_tables = number("SELECT count(*) FROM sqlite_master");
  if (kind == 0 && has_tables == 0) {
    run(("PRAGMA application_id=" + std::to_string(application)).c_str(), "cannot be written");
    run(("PRAGMA user_version=" + std::to_string(version)).c_str(), "cannot be written");
    run("CREATE TABLE results (key BLOB PRIMARY KEY, value BLOB NOT NULL, out BLOB NOT NULL, err BLOB NOT NULL)",
        "cannot be written");
  } else if (kind != application) {
    throw error(errc::bad_option, "options.journal: " + path_ + " is another program's database: name another file");
  } else if (const auto found = number("PRAGMA user_version"); found != version) {
    throw error(errc::bad_option, "options.journal: " + path_ + " has format " + std::to_string(found) +
                                      ", this version of pp writes " + std::to_string(version) +
                                      ": name another file, or remove this one");
  }
  run("COMMIT", "cannot be written");
}

void journal_file::fail(const std::string& doing) const {
  const int code = database_ ? sqlite().extended_errcode(database_.get()) & 0xFF : SQLITE_NOMEM;
  std::string text = "options.journal: " + path_ + " ";
  if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
    text += "is in use by another client: end that one, or name another file";
  } else if (code == SQLITE_NOTADB) {
    text += "is no journal: name another file";
  } else {
    text += doing + ": " + (database_ ? sqlite().errmsg(database_.get()) : "no memory");
  }
  throw error(errc::bad_option, text);
}

void journal_file::run(const char* sql, const char* doing) {
  if (sqlite().exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(doing);
}

std::int64_t journal_file::number(const char* sql) {
  const auto s = prepare(sql);
  if (sqlite().step(s.get()) != SQLITE_ROW) fail("cannot be read");
  return sqlite().column_int64(s.get(), 0);
}

journal_file::statement journal_file::prepare(const char* sql) {
  sqlite3_stmt* made = nullptr;
  if (sqlite().prepare_v2(database_.get(), sql, -1, &made, nullptr) != SQLITE_OK) fail("cannot be read");
  return statement(made);
}

// The bytes stay where they are until the statement is reset.
void journal_file::bind(sqlite3_stmt* s, int at, const void* data, std::size_t size) {
  const void* const somewhere = size > 0 ? data : "";
  if (sqlite().bind_blob64(s, at, somewhere, size, SQLITE_STATIC) != SQLITE_OK) fail("cannot take an entry");
}

void journal_file::for_each_key(const std::function<void(const auth::digest&)>& tell) {
  const auto all = prepare("SELECT key FROM results");
  int code = SQLITE_ROW;
  while ((code = sqlite().step(all.get())) == SQLITE_ROW) {
    auth::digest key;
    if (sqlite().column_bytes(all.get(), 0) != static_cast<int>(key.size())) continue;
    std::memcpy(key.data(), sqlite().column_blob(all.get(), 0), key.size());
    tell(key);
  }
  if (code != SQLITE_DONE) fail("cannot be read");
}

std::optional<journal_entry> journal_file::find(const auth::digest& key) {
  bind(find_.get(), 1, key.data(), key.size());
  const int code = sqlite().step(find_.get());
  std::optional<journal_entry> found;
  if (code == SQLITE_ROW)
    found = journal_entry{bytes_of(find_.get(), 0), text_of(find_.get(), 1), text_of(find_.get(), 2)};
  sqlite().reset(find_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) fail("cannot be read");
  return found;
}

void journal_file::begin() { run("BEGIN IMMEDIATE", "cannot be written"); }

void journal_file::add(const auth::digest& key, const journal_entry& what) {
  bind(add_.get(), 1, key.data(), key.size());
  bind(add_.get(), 2, what.value.data(), what.value.size());
  bind(add_.get(), 3, what.out.data(), what.out.size());
  bind(add_.get(), 4, what.err.data(), what.err.size());
  const int code = sqlite().step(add_.get());
  sqlite().reset(add_.get());
  if (code != SQLITE_DONE) fail("cannot be written");
}

void journal_file::commit() { run("COMMIT", "cannot be written"); }

void journal_file::roll_back() noexcept { sqlite().exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr); }

}  // namespace pp::ppclient
