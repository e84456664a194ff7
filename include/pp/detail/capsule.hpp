// What the ppclient command wants of a saved job without running it. Not for programs.
#pragma once

#include <string>

namespace pp::detail {

/// The variable that makes pp::init run a capsule in place of the program.
inline constexpr const char* replay_variable = "PP_REPLAY";

struct capsule_summary {
  std::string program;  ///< path of the program that it was saved by
  std::string report;   ///< lines for a person
};

/// Throws pp::error(errc::bad_message) in words.
capsule_summary read_capsule(const std::string& path);
/// Why the program at `program` cannot run that capsule, in words; empty if it can.
std::string why_not_replayed_by(const std::string& program, const std::string& capsule_path);

}  // namespace pp::detail
