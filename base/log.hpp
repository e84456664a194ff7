// spdlog set up once: lines of key=value (or JSON) on stderr, peer text escaped.
//
// Promises: a line is one write; nothing a peer sent can start a new line or send a terminal escape; secrets have no way
// in (auth::secret cannot be turned into text). Default level: warn in the library, info in ppserver; PP_LOG overrides it.
// Threads: any. Must not know: who logs.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace pp::log {

enum class level { debug, info, warn, error, off };
enum class format { text, json };

/// One key=value of a line. Numbers stay numbers in JSON.
struct field {
  field(std::string_view k, std::string_view v) : key(k), value(v) {}
  field(std::string_view k, const char* v) : key(k), value(v) {}
  field(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <std::integral T>
  field(std::string_view k, T v) : key(k), value(std::to_string(v)), number(true) {}

  std::string_view key;
  std::string value;
  bool number = false;
};

/// Sets level and format for the whole process. Call before threads start.
void set_up(level lowest, format how);
/// Parses "debug", "info", "warn", "error" or "off"; false if it is none of them.
bool parse_level(std::string_view text, level& out);
bool enabled(level l);

/// Writes one line: `event=<event> key=value …`. Values with spaces or quotes are quoted.
void line(level l, std::string_view event, std::initializer_list<field> fields);

inline void debug(std::string_view event, std::initializer_list<field> f = {}) { line(level::debug, event, f); }
inline void info(std::string_view event, std::initializer_list<field> f = {}) { line(level::info, event, f); }
inline void warn(std::string_view event, std::initializer_list<field> f = {}) { line(level::warn, event, f); }
inline void error(std::string_view event, std::initializer_list<field> f = {}) { line(level::error, event, f); }

}  // namespace pp::log
