// What a caller says about one job beside its arguments: limits, priority, label, environment.
//
//   0   u32 timeout ms      wall time of one run, 0 = none
//   4   u32 cpu ms          CPU time of one run with its child processes, 0 = none
//   8   u64 memory          bytes one run may use with its child processes, 0 = what the node allows
//   16  u64 max result      longest result in bytes, 0 = 1 GiB
//   24  u8  priority        128 = the usual; more goes first
//   25  u8  flags           bit 0: at most once; bit 1: what it prints is not wanted; bit 2: added terms; bits 6 and 7:
//                           place_use
//   26  text label          for people, at most 255 bytes
//   …   u16 length · environment: NAME=value each ended by a 0 byte
//   …   u64 place           only if bits 6 and 7 of the flags are not both 0, see place_use
//   …   added terms         only if bit 2 of the flags is set: each u8 tag · u16 length · so many bytes, tags ascending
//
// Most jobs have none of it and carry no terms. Must not know: sockets, time, what a job's bytes mean.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/content.hpp"

namespace pp::wire {

inline constexpr std::uint32_t max_terms_bytes = 64 * 1024;
inline constexpr std::size_t max_label = 255;
inline constexpr std::size_t max_environment_bytes = 60 * 1024;  ///< the names and values of one job together

/// What a job has to do with one particular worker; `terms::place` is the client's name for that.
enum class place_use : std::uint8_t {
  none = 0,
  inside = 1,    ///< runs in the worker that is checked out under this name, and nowhere else
  opens = 2,     ///< the worker that has run it is the client's alone from then on, until CHECK_IN
  one_each = 3,  ///< no worker runs two jobs of this name
};

/// What few jobs say, each with a tag of its own that is never used again.
enum class term_tag : std::uint8_t {
  initialiser = 1,  ///< u64
  resources = 2,    ///< u16 count · text name, one after the other, names ascending
  values = 3,       ///< u8[32] SHA-256, one after the other, ascending
};

/// So many of what a node declares (ppserver --resource).
struct resource {
  std::string name;
  std::uint16_t count = 0;
  auto operator<=>(const resource&) const = default;
};
inline constexpr std::size_t max_resource_name = 32, max_resources = 64;
inline constexpr std::size_t max_values_of_job = 1000;
/// 1 to 32 of a-z 0-9 _ . -
bool is_resource_name(std::string_view name);

struct terms {
  std::uint32_t timeout_ms = 0;
  std::uint32_t cpu_ms = 0;
  std::uint64_t memory = 0;
  std::uint64_t max_result = 0;
  std::int8_t priority = 0;
  bool at_most_once = false;
  bool drops_output = false;
  std::string label;
  std::vector<std::string> environment;  ///< NAME=value
  place_use use = place_use::none;
  std::uint64_t place = 0;
  std::uint64_t initialiser = 0;    ///< location of a function to be run once in the worker before the job, 0 = none
  std::vector<resource> resources;  ///< names ascending
  std::vector<content_id> values;   ///< shared values that its arguments name; ascending, at most max_values_of_job
  bool operator==(const terms&) const = default;
};

/// Appends to `to`. Requires: the limits above are kept.
void encode_terms(const terms& m, bytes& to);
/// Names ascending, counts not 0; false if it is anything else.
bool read_resources(byte_view from, std::vector<resource>& to);
void write_resources(const std::vector<resource>& from, bytes& to);
/// The whole payload of RESOURCES: what a node declares. Requires: not empty.
void encode_declared(const std::vector<resource>& from, bytes& to);
result<std::vector<resource>> decode_declared(byte_view from);
/// Nothing at all gives the terms of a job that has none.
result<terms> decode_terms(byte_view from);

}  // namespace pp::wire
