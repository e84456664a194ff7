// Whether a node can run an image, and if not, the reason in words.
#pragma once

#include <optional>
#include <string>

#include "code/platform.hpp"

namespace pp::code {

/// Empty if it fits; else one line that names both sides and what to do, for example "the program needs glibc 2.38, the
/// node has 2.36: build on the older system or link with -static-pie".
std::optional<std::string> why_unfit(const needs& program, const platform& node);

}  // namespace pp::code
