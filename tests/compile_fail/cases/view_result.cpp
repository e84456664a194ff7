// expect: pp: a job cannot return a view
#include "submit.hpp"

#include <string>
#include <string_view>

void use() {
  submit([](const std::string& s) { return std::string_view(s); }, "text");
}
