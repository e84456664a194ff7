// Directories that nobody else can tamper with, and the files in them, reached by descriptor only.
//
// Promises: a directory is opened once, after each of its parents was checked; from then on everything is named
// relative to that descriptor and no symbolic link is ever followed (docs/security.md T19).
// Threads: one at a time. Must not know: what the files mean.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "code/descriptor.hpp"

namespace pp::code {

/// Disk full, over quota or read-only: going on without the disk is better than not going on.
bool is_disk_trouble(int error_number);

/// Opens a directory that only this user can change, and makes it (mode 0700, parents too) if it is missing.
/// Empty if it cannot be made because of is_disk_trouble. Throws pp::error in words if others could change it.
descriptor open_private_directory(const std::filesystem::path& path);

/// Makes (mode 0700) or opens a directory in `parent`; empty with errno set if that fails or it is not ours alone.
descriptor open_subdirectory(int parent, const std::string& name);

/// Names in a directory but "." and ".."; empty if it cannot be read.
std::vector<std::string> names_in(int directory);

/// A regular file of ours in `directory` that has no second name and that others cannot write; else empty.
descriptor open_own_file(int directory, const std::string& name);
/// The same check without opening.
std::optional<struct stat> stat_own_file(int directory, const std::string& name);

/// Removes a file, link or directory with all that is in it.
void remove_tree(int parent, const std::string& name);

/// 128 random bits as hexadecimal digits, for names that nobody can guess.
std::string random_name();

}  // namespace pp::code
