#include "ppclient/sqlite.hpp"

#include <dlfcn.h>

#include <string>

#include "pp/error.hpp"

namespace pp::ppclient {
namespace {

[[noreturn]] void refuse() {
  const char* const why = ::dlerror();
  throw error(errc::bad_option, std::string("options.journal needs SQLite (Debian: apt install libsqlite3-0): ") +
                                    (why != nullptr ? why : "it cannot be loaded"));
}

template <class Function>
void find(void* library, const char* name, Function& into) {
  into = reinterpret_cast<Function>(::dlsym(library, name));
  if (into == nullptr) refuse();
}

sqlite_functions load() {
  void* const library = ::dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) refuse();
  sqlite_functions f{};
  find(library, "sqlite3_open_v2", f.open_v2);
  find(library, "sqlite3_close", f.close);
  find(library, "sqlite3_exec", f.exec);
  find(library, "sqlite3_errmsg", f.errmsg);
  find(library, "sqlite3_extended_errcode", f.extended_errcode);
  find(library, "sqlite3_prepare_v2", f.prepare_v2);
  find(library, "sqlite3_finalize", f.finalize);
  find(library, "sqlite3_reset", f.reset);
  find(library, "sqlite3_step", f.step);
  find(library, "sqlite3_bind_blob64", f.bind_blob64);
  find(library, "sqlite3_column_blob", f.column_blob);
  find(library, "sqlite3_column_bytes", f.column_bytes);
  find(library, "sqlite3_column_int64", f.column_int64);
  return f;
}

}  // namespace

const sqlite_functions& sqlite() {
  static const sqlite_functions functions = load();
  return functions;
}

}  // namespace pp::ppclient
