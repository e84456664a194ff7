// The few functions of SQLite that a journal needs, found when the first journal is opened.
//
// Why not linked: a program's system libraries must be on every node that runs it, and no node needs SQLite (decision 0012).
// Threads: any.
#pragma once

#include <sqlite3.h>

namespace pp::ppclient {

struct sqlite_functions {
  decltype(&sqlite3_open_v2) open_v2;
  decltype(&sqlite3_close) close;
  decltype(&sqlite3_exec) exec;
  decltype(&sqlite3_errmsg) errmsg;
  decltype(&sqlite3_extended_errcode) extended_errcode;
  decltype(&sqlite3_prepare_v2) prepare_v2;
  decltype(&sqlite3_finalize) finalize;
  decltype(&sqlite3_reset) reset;
  decltype(&sqlite3_step) step;
  decltype(&sqlite3_bind_blob64) bind_blob64;
  decltype(&sqlite3_column_blob) column_blob;
  decltype(&sqlite3_column_bytes) column_bytes;
  decltype(&sqlite3_column_int64) column_int64;
};

/// Throws pp::error(errc::bad_option) that says what to install.
const sqlite_functions& sqlite();

}  // namespace pp::ppclient
