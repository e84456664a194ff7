// expect: pp: a view cannot travel
#include "submit.hpp"

#include <string>
#include <string_view>

int length(std::string_view text);
void use() { submit(length, std::string("text")); }
