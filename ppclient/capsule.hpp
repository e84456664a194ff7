// A job that failed, as a file: everything that running exactly that call again needs.
//
//   one line   a JSON object, ended by a line feed: ppcapsule (format, 1), image (SHA-256 of the manifest), manifest
//              (code/manifest, hexadecimal), files (paths of the modules, the program first), decoder, function
//              (code/location), environment (NAME=value), options, label, id, code, report (text), failure (as error::to_json),
//              argument_bytes
//   then       the arguments, argument_bytes of them, to the end of the file
//
// Promises: a file is written whole or not at all, readable by its owner only, never over another one or through a link.
// Reading takes nothing on trust but this: whoever replays a capsule runs the program that it names, so files of other
// users are refused.
// Threads: any. Must not know: nodes, records.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "code/image.hpp"
#include "pp/error.hpp"
#include "wire/terms.hpp"

namespace pp::ppclient {

struct capsule {
  bytes manifest;                  ///< encoded
  std::vector<std::string> files;  ///< by module
  code::location decoder = code::no_location, function = code::no_location;
  wire::terms how;
  errc code = errc::job_threw;
  job_report about;    ///< when it is written; not read back
  std::string report;  ///< when it was read: the text for people
};

capsule capsule_of(const code::image& program, code::location decoder, code::location function, byte_view terms);

/// `<label or function>-<job id>.ppcapsule` in `directory`, without bytes that a shell would take for its own.
std::string capsule_path(const std::string& directory, const job_report& about);
/// Throws std::system_error.
void save_capsule(const capsule& c, byte_view arguments, const std::string& path);

struct opened_capsule {
  capsule what;
  bytes arguments;
};
/// Throws pp::error(errc::bad_message) in words. Without `with_arguments` they are only counted.
opened_capsule open_capsule(const std::string& path, bool with_arguments);

}  // namespace pp::ppclient
