// What an image's files ask of a machine, taken together.
//
// Promises: pure. What a shipped library provides is not asked of the node, so a program that brings its own libstdc++
// needs none there. Must not know: where the files are.
#pragma once

#include <set>
#include <string>

#include "code/elf.hpp"
#include "code/platform.hpp"

namespace pp::code {

/// Raises `to` by what one file asks for; `shipped` are the names under which the image's own files are known.
void add_needs(const elf_facts& facts, const std::set<std::string>& shipped, needs& to);

}  // namespace pp::code
