// The file of a journal: an SQLite database with one table of keys and results.
//
// Promises: one client at a time; what was added before the last commit() that returned survives the death of this process. Errors
// are pp::error(errc::bad_option) with the file's name. Threads: one at a time. Must not know: jobs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "auth/crypto.hpp"
#include "base/bytes.hpp"
#include "ppclient/sqlite.hpp"

namespace pp::ppclient {

/// What a job gave.
struct journal_entry {
  bytes value;           ///< as it was encoded
  std::string out, err;  ///< what the job printed
  std::size_t size() const { return value.size() + out.size() + err.size(); }
};

class journal_file {
 public:
  /// Makes it if it is missing. Throws if it is in use, no journal, or of another version.
  explicit journal_file(const std::string& path);
  journal_file(const journal_file&) = delete;
  journal_file& operator=(const journal_file&) = delete;
  ~journal_file();

  void for_each_key(const std::function<void(const auth::digest&)>& tell);
  std::optional<journal_entry> find(const auth::digest& key);
  void begin();
  /// A key that is there already keeps its entry. Throws also if an entry is too large for SQLite (1 GB).
  void add(const auth::digest& key, const journal_entry& what);
  void commit();
  void roll_back() noexcept;

 private:
  struct close_database {
    void operator()(sqlite3* db) const { sqlite().close(db); }
  };
  struct finish_statement {
    void operator()(sqlite3_stmt* s) const { sqlite().finalize(s); }
  };
  using statement = std::unique_ptr<sqlite3_stmt, finish_statement>;

  [[noreturn]] void fail(const std::string& doing) const;
  void run(const char* sql, const char* doing);
  std::int64_t number(const char* sql);
  void take_over();
  statement prepare(const char* sql);
  void bind(sqlite3_stmt* s, int at, const void* data, std::size_t size);

  std::string path_;
  std::unique_ptr<sqlite3, close_database> database_;
  statement find_, add_;
};

}  // namespace pp::ppclient
