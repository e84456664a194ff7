// What is needed to start a program as a worker: an open descriptor of it and where its shared objects lie.
//
// Owner: whoever made it (store, image) and every pool job that names it, hence shared_ptr<const launchable>.
#pragma once

#include <memory>
#include <string>

#include "code/manifest.hpp"

namespace pp::code {

struct launchable {
  image_id id{};
  manifest contents;
  bytes encoded;             ///< the manifest's bytes, sent to the worker as its first message
  int program = -1;          ///< open descriptor, close-on-exec; owned
  std::string program_path;  ///< only where a descriptor cannot be executed: the 0500 file
  std::string library_path;  ///< directories for LD_LIBRARY_PATH, ':' between; empty if there is no shared object
  std::string kind;          ///< "memfd", "file" or "self", for status

  launchable() = default;
  launchable(const launchable&) = delete;
  launchable& operator=(const launchable&) = delete;
  ~launchable();
};

}  // namespace pp::code
