#include "base/log.hpp"

#include <cstdlib>
#include <memory>

#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

namespace pp::log {
namespace {

struct settings {
  settings() {
    if (const char* wish = std::getenv("PP_LOG")) parse_level(wish, lowest);
    logger = std::make_shared<spdlog::logger>("pp", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    apply(lowest, format::text);
  }
  void apply(level l, format f) {
    lowest = l;
    how = f;
    logger->set_level(spdlog::level::debug);
    logger->flush_on(spdlog::level::debug);
    logger->set_pattern(f == format::json ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
  }
  level lowest = level::warn;
  format how = format::text;
  std::shared_ptr<spdlog::logger> logger;
};

settings& current() {
  static settings instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(level l) {
  switch (l) {
    case level::debug: return spdlog::level::debug;
    case level::info: return spdlog::level::info;
    case level::warn: return spdlog::level::warn;
    case level::error: return spdlog::level::err;
    case level::off: break;
  }
  return spdlog::level::off;
}

bool is_plain(std::string_view value) {
  if (value.empty()) return false;
  for (const unsigned char c : value) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

// Control bytes, and everything above ASCII, leave as \xNN: a terminal or a log reader must not be steered by a peer.
std::string in_quotes(std::string_view value) {
  std::string out = "\"";
  for (const unsigned char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < ' ' || c >= 0x7f) {
      constexpr std::string_view digits = "0123456789abcdef";
      out += "\\x";
      out += digits[c >> 4U];
      out += digits[c & 15U];
    } else {
      out += static_cast<char>(c);
    }
  }
  return out + '"';
}

std::string as_text_line(std::string_view event, std::initializer_list<field> fields) {
  std::string out = "event=";
  out += event;
  for (const auto& f : fields) {
    out += ' ';
    out += f.key;
    out += '=';
    out += is_plain(f.value) ? f.value : in_quotes(f.value);
  }
  return out;
}

std::string as_json_line(level l, std::string_view event, std::initializer_list<field> fields) {
  nlohmann::ordered_json line;
  const auto t = std::chrono::system_clock::now().time_since_epoch();
  line["time_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(t).count();
  line["level"] = spdlog::level::to_string_view(to_spdlog(l)).data();
  line["event"] = event;
  for (const auto& f : fields) {
    if (f.number) {
      line[std::string(f.key)] = nlohmann::ordered_json::parse(f.value, nullptr, false);
    } else {
      line[std::string(f.key)] = f.value;
    }
  }
  return line.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

void set_up(level lowest, format how) { current().apply(lowest, how); }

bool parse_level(std::string_view text, level& out) {
  for (const auto l : {level::debug, level::info, level::warn, level::error, level::off}) {
    constexpr std::string_view names[] = {"debug", "info", "warn", "error", "off"};
    if (text == names[static_cast<int>(l)]) {
      out = l;
      return true;
    }
  }
  return false;
}

bool enabled(level l) { return l >= current().lowest && l != level::off; }

void line(level l, std::string_view event, std::initializer_list<field> fields) {
  auto& s = current();
  if (!enabled(l)) return;
  s.logger->log(to_spdlog(l), "{}",
                s.how == format::json ? as_json_line(l, event, fields) : as_text_line(event, fields));
}

}  // namespace pp::log
