// A worker's own view of the image it was started with: is this really that program, and where are its functions now.
//
// Promises: made once, before the first job. Shared objects of the manifest that are not loaded yet (plugins that the
// client had opened with dlopen) are opened here. What is loaded is compared with the manifest by build id, or by
// SHA-256 of the file where there is none, so a different library of the same name is found out before it can give a
// wrong result.
// Threads: const members from any thread. Must not know: the pipe, jobs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "code/location.hpp"
#include "code/manifest.hpp"

namespace pp::code {

class loaded_image {
 public:
  /// Checks this process against `m` and opens what is missing. Never throws for what it finds: see problem().
  explicit loaded_image(const manifest& m);

  /// Why this process is not that image, in words; empty if all is well.
  const std::string& problem() const { return problem_; }
  /// The address of a location here; null unless it lies in executable memory of the module that it names.
  const void* address_of(location l) const;
  /// The other way round; no_location if `address` is in no executable memory of the image. Safe in a signal handler.
  location location_of(std::uintptr_t address) const noexcept;

 private:
  struct range {
    std::uint16_t module;
    std::uint64_t from, to;  ///< offsets from `base`
    std::uintptr_t base;
  };

  void add_ranges(std::uint16_t module, std::uintptr_t base, const struct loaded_module& from);
  std::string adopt(const manifest& m);

  std::vector<range> executable_;
  std::string problem_;
};

}  // namespace pp::code
