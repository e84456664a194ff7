// Removing whatever a job made: by descriptor, in portions, whatever its depth.
//
// Promises: no link is followed and no other file system entered, not even where one is mounted of the same disk.
// Neither depth nor number of entries costs memory or descriptors: directories inside directories are moved to the top
// and emptied there. What permissions forbid is permitted first, as all of it is ours.
// Threads: any. Must not know: what the files are.
#pragma once

#include <cstddef>
#include <string>

namespace pp::worker {

enum class removal {
  finished,    ///< nothing is left
  unfinished,  ///< call again
  stuck,       ///< what is left cannot be removed: a mount, an immutable file, a disk that became read-only
};

/// Removes about `most` entries of an open directory (not opened with O_PATH), not itself.
removal empty_some(int directory, std::size_t most);
/// The same for a directory by its name in `parent`, and last itself. Finished, too, if there is none.
removal remove_some(int parent, const std::string& name, std::size_t most);

}  // namespace pp::worker
