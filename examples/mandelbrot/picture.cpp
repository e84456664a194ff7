#include "picture.hpp"

#include <stdexcept>

#include <png.h>

void write_png(const picture& what, const std::string& file) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = what.width;
  image.height = what.height;
  image.format = PNG_FORMAT_GRAY;
  const bool done = png_image_write_to_file(&image, file.c_str(), 0, what.pixels.data(), 0, nullptr) != 0;
  const std::string why = image.message;
  png_image_free(&image);
  if (!done) throw std::runtime_error(file + " cannot be written: " + why);
}
