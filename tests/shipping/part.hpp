// A second file of the program: compiled into it, or a shared object of its own, according to the variant.
#pragma once

#include <string>

#include <pp/client.hpp>

namespace part {

int doubled(int x);
std::string joined(const std::string& a, const std::string& b);
/// Submits functions and lambdas of this file itself. True if all came back right.
bool submits_by_itself(pp::client& client);

}  // namespace part
