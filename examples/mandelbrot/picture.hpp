// A picture in shades of grey, and the PNG file it becomes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct picture {
  unsigned width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  ///< row by row
};

/// Throws std::runtime_error with the reason.
void write_png(const picture& what, const std::string& file);
