// The messages after the login and the bytes of each. All numbers big-endian; text = u16 length + ≤ 65,535 bytes.
//
//   WELCOME      node → client, first     u16 slots · u32 credit · u32 heartbeat ms · u32 dead ms · u64 longest message ·
//                                         u16 machine (ELF e_machine) · u8 ISA level (x86-64-vN, 0 elsewhere) ·
//                                         u8 isolation (0 none, 1 basic, 2 landlock, 3 sandbox) ·
//                                         text name · text version · text os · text glibc · text glibcxx · text cxxabi
//   CREDIT       node → client            i32 change of the number of jobs the client may have here at once
//   IMAGE        client → node → worker   u32 index · manifest (code/manifest); the index stands for it on this channel
//   NEED         node → client            u32 index · u16 count · count × u16 module; the node lacks these
//   CHUNK        client → node            u32 index · u16 module · u64 offset · u32 raw length · u8 encoding (0 raw,
//                                         1 zstd) · u8[3] zero · bytes
//   UNFIT        node → client            u32 index · text reason; this node cannot run that image (jobs come back)
//                worker → node            the same, index 0
//   SUBMIT       client → node → worker   u32 image index · u64 decoder · u64 function · u32 bytes of terms (0 = none) ·
//                                         u8[16] job id · terms (wire/terms) · arguments
//   RESULT       worker → node → client   u8 credit returned (0, 1, 2; 3: used none) · u8 flags (bit 0: output follows) · u16 code
//                                         (0 = value, else errc or wire_code) · u32 run time µs ·
//                                         [u32 out length · u32 err length · u64 out dropped · u64 err dropped · out · err] ·
//                                         value bytes, or for code ≠ 0: u16 signal · u16 exit status · text type · text what ·
//                                         u32 pid · u32 CPU ms · u64 peak memory · u32 length · causes (type and what of each
//                                         nested exception, each ended by a 0 byte) · u16 length · stack (u64 locations)
//   CANCEL       client → node            u8 why (0 recall: only if not started, 1 cancel: at once); answered by the job's RESULT
//   PING, PONG   both                     u64 token; PONG echoes it
//   GOODBYE      both                     u16 reason (errc) · u32 drain ms · text; the sender takes nothing new
//   UNSUPPORTED  both                     u8 type of the message that was not understood
//   STATS_QUERY  client → node            nothing
//   STATS        node → client            JSON text to the end
//   READY        worker → node            nothing; the worker has its image and waits for jobs
//   DRAIN        client → node            u32 limit ms (0 = the node's own); role admin: the node finishes what runs and ends
//   LENT         node → client            u16 workers that are checked out, by any client: they are nobody else's now
//   CHECK_IN     client → node            u64 place · text (empty); the worker checked out under that name is free again
//                node → client            u64 place · text why; it is gone, and what was meant for it comes back
//   HAVE         node → client            u8[32] SHA-256 of content that other nodes may now fetch from this one
//   FETCH_FROM   client → node            u8[32] SHA-256 · u16 length · holders, 35 bytes each: u8[16] node id · u8 family ·
//                                         u8[16] address · u16 port; instead of CHUNKs; NEED again if it did not work
//   FETCH        node → node (role peer)  u32 number · u8[32] SHA-256; answered by CHUNKs (index = number, module 0) or UNFIT
//   OFFER        client → node            u32 image index · u64 decoder · u64 function · JSON text to the end: an array of
//                                         what can be called by name through that function; the last OFFER counts
//   FUNCTIONS_QUERY  client → node        nothing
//   FUNCTIONS    node → client            JSON text to the end: what clients with the same key offer
//   VALUE        client → node            u32 index (from first_value) · u64 size · u8[32] SHA-256; a value that jobs share.
//                                         It comes as a program does: NEED and CHUNK name the index, its module is 0
//   RELEASE      client → node            u32 index; no job that is sent from here on names that value
//
// decode_x checks everything it reads and never throws. docs/protocol.md says the same; a test compares the two.
// Must not know: sockets, keys, time, what a job's bytes mean.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/content.hpp"
#include "wire/frame.hpp"

namespace pp::wire {

/// Codes of RESULT that are no errc because no user ever sees them.
inline constexpr std::uint16_t code_value = 0;
inline constexpr std::uint16_t code_not_started = 64;  ///< answer to a recall, or a job handed back by a draining node

struct welcome {
  std::uint16_t slots = 0;
  std::uint32_t credit = 0;
  std::uint32_t heartbeat_ms = 0;
  std::uint32_t dead_ms = 0;
  std::uint64_t longest_message = 0;
  std::uint16_t machine = 0;
  std::uint8_t isa_level = 0;
  std::uint8_t isolation = 0;  ///< what keeps jobs apart there; a higher number keeps more
  std::string name, version, os, glibc, glibcxx, cxxabi;
  bool operator==(const welcome&) const = default;
};
struct credit {
  std::int32_t change = 0;
  bool operator==(const credit&) const = default;
};
struct image {
  std::uint32_t index = 0;
  bytes manifest;
  bool operator==(const image&) const = default;
};
struct need {
  std::uint32_t index = 0;
  std::vector<std::uint16_t> modules;
  bool operator==(const need&) const = default;
};
/// The most raw bytes that one CHUNK stands for, so that nobody unpacks more than he is ready for.
inline constexpr std::uint32_t max_chunk_bytes = 1024 * 1024;

/// `data` refers to the decoded payload, or to what is to be encoded.
struct chunk {
  std::uint32_t index = 0;
  std::uint16_t module = 0;
  std::uint64_t offset = 0;
  std::uint32_t raw_length = 0;
  bool compressed = false;
  byte_view data;
};
struct unfit {
  std::uint32_t index = 0;
  std::string reason;
  bool operator==(const unfit&) const = default;
};

/// Names a job for ever, in all its attempts.
using job_id = std::array<std::uint8_t, 16>;

/// The fixed part of SUBMIT, 40 bytes; terms and arguments follow it.
struct submit {
  static constexpr std::size_t size = 40;
  std::uint32_t image = 0;
  std::uint64_t decoder = 0;
  std::uint64_t function = 0;
  std::uint32_t terms_bytes = 0;
  job_id id{};
  bool operator==(const submit&) const = default;
};
/// The fixed part of RESULT, 8 bytes.
struct result_head {
  static constexpr std::uint8_t no_credit = 3;  ///< of a job in a worker that is checked out: it used none
  static constexpr std::size_t size = 8;
  static constexpr std::uint8_t flag_output = 1;
  std::uint8_t credit = 1;
  std::uint8_t flags = 0;
  std::uint16_t code = 0;
  std::uint32_t run_us = 0;
  bool operator==(const result_head&) const = default;
};
/// What a job printed; the views refer to the decoded payload. 24 bytes of numbers, then both texts.
struct output {
  std::uint64_t out_dropped = 0;
  std::uint64_t err_dropped = 0;
  byte_view out, err;
};
/// An exception that was nested in the one that a job threw.
struct cause {
  std::string type, what;
  bool operator==(const cause&) const = default;
};
inline constexpr std::size_t max_causes = 16;
inline constexpr std::size_t max_cause_text = 4096;  ///< of each type and each what; longer ones are cut
inline constexpr std::size_t max_stack = 64;
/// What stands behind a result_head whose code is not 0.
struct failure {
  std::uint16_t signal = 0;
  std::uint16_t exit_status = 0;
  std::string type, what;
  std::uint32_t pid = 0;                  ///< of the worker, on its node; 0 = not known
  std::uint32_t cpu_ms = 0;               ///< that the job used, with its child processes
  std::uint64_t peak_memory = 0;          ///< bytes, with its child processes; 0 = not known
  std::vector<cause> causes = {};         ///< the outermost first
  std::vector<std::uint64_t> stack = {};  ///< innermost first; code/location, 0 = outside of the program
  bool operator==(const failure&) const = default;
};
/// A RESULT taken apart; the views refer to the payload.
struct result_parts {
  result_head head;
  output printed;
  byte_view body;  ///< value bytes, or an encoded failure
};

enum class cancel_reason : std::uint8_t { recall = 0, cancel = 1 };
struct cancel {
  cancel_reason why = cancel_reason::recall;
};
struct ping {
  std::uint64_t token = 0;
};
struct goodbye {
  std::uint16_t reason = 0;
  std::uint32_t drain_ms = 0;
  std::string text;
  bool operator==(const goodbye&) const = default;
};
struct unsupported {
  std::uint8_t type = 0;
};
struct drain {
  std::uint32_t limit_ms = 0;
};
struct lent {
  std::uint16_t workers = 0;
};
struct check_in {
  std::uint64_t place = 0;
  std::string why;
};

/// Shorter content always comes from the client: another login takes about as long as sending that much.
inline constexpr std::uint64_t least_shared_bytes = 1ULL << 20U;

struct have {
  content_id content{};
  bool operator==(const have&) const = default;
};
/// A node that has the content, and where it is reached.
struct holder {
  static constexpr std::size_t size = 35;
  std::array<std::uint8_t, 16> node{};
  std::uint8_t family = 4;                 ///< 4 or 6
  std::array<std::uint8_t, 16> address{};  ///< IPv4 in the first 4 bytes, then zeros
  std::uint16_t port = 0;
  bool operator==(const holder&) const = default;
};
inline constexpr std::size_t max_holders = 4;
/// At least one holder, at most max_holders.
struct fetch_from {
  content_id content{};
  std::vector<holder> holders;
  bool operator==(const fetch_from&) const = default;
};
struct fetch {
  std::uint32_t number = 0;
  content_id content{};
  bool operator==(const fetch&) const = default;
};

/// Programs that offer functions by name, to clients that do not have the program.
struct offer {
  static constexpr std::size_t longest_text = 65536;
  std::uint32_t image = 0;
  std::uint64_t decoder = 0, function = 0;
  std::string functions;  ///< at most longest_text bytes
  bool operator==(const offer&) const = default;
};

/// Indexes of values begin here, those of images end here.
inline constexpr std::uint32_t first_value = 1U << 31U;
/// Values that one channel may have at a time, and the longest.
inline constexpr std::size_t max_values = 10000;
inline constexpr std::uint64_t max_value_bytes = 4ULL << 30U;
struct value {
  std::uint32_t index = first_value;
  std::uint64_t size = 0;  ///< 1 to max_value_bytes
  content_id content{};
  bool operator==(const value&) const = default;
};
struct release {
  std::uint32_t index = first_value;
  bool operator==(const release&) const = default;
};

// encode_x appends the payload (without frame header) to `to`.
void encode_welcome(const welcome& m, bytes& to);
void encode_credit(const credit& m, bytes& to);
void encode_image(const image& m, bytes& to);
void encode_need(const need& m, bytes& to);
void encode_chunk(const chunk& m, bytes& to);
void encode_unfit(const unfit& m, bytes& to);
void encode_submit(const submit& m, std::uint8_t* to);            ///< exactly submit::size bytes
void encode_result_head(const result_head& m, std::uint8_t* to);  ///< exactly result_head::size bytes
void encode_output(const output& m, bytes& to);
void encode_failure(const failure& m, bytes& to);
void encode_cancel(const cancel& m, bytes& to);
void encode_ping(const ping& m, bytes& to);  ///< PONG has the same payload
void encode_goodbye(const goodbye& m, bytes& to);
void encode_unsupported(const unsupported& m, bytes& to);
void encode_drain(const drain& m, bytes& to);
void encode_lent(const lent& m, bytes& to);
void encode_check_in(const check_in& m, bytes& to);
void encode_have(const have& m, bytes& to);
void encode_fetch_from(const fetch_from& m, bytes& to);
void encode_fetch(const fetch& m, bytes& to);
void encode_offer(const offer& m, bytes& to);
void encode_value(const value& m, bytes& to);
void encode_release(const release& m, bytes& to);

result<welcome> decode_welcome(byte_view from);
result<credit> decode_credit(byte_view from);
result<image> decode_image(byte_view from);
result<need> decode_need(byte_view from);
result<chunk> decode_chunk(byte_view from);
result<unfit> decode_unfit(byte_view from);
/// The fixed part, whose terms are there in full; they begin at from[submit::size], the arguments behind them.
result<submit> decode_submit(byte_view from);
result<result_parts> decode_result(byte_view from);
result<failure> decode_failure(byte_view from);
result<cancel> decode_cancel(byte_view from);
result<ping> decode_ping(byte_view from);
result<goodbye> decode_goodbye(byte_view from);
result<unsupported> decode_unsupported(byte_view from);
result<drain> decode_drain(byte_view from);
result<lent> decode_lent(byte_view from);
result<check_in> decode_check_in(byte_view from);
result<have> decode_have(byte_view from);
result<fetch_from> decode_fetch_from(byte_view from);
result<fetch> decode_fetch(byte_view from);
result<offer> decode_offer(byte_view from);
result<value> decode_value(byte_view from);
result<release> decode_release(byte_view from);

/// Requires: `head` was decoded from `payload`.
inline byte_view terms_of(const submit& head, byte_view payload) {
  return payload.subspan(submit::size, head.terms_bytes);
}
inline byte_view arguments_of(const submit& head, byte_view payload) {
  return payload.subspan(submit::size + head.terms_bytes);
}

}  // namespace pp::wire
