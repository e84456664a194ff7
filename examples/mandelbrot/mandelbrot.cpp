// The Mandelbrot set as a picture, a band of rows for each job; bands near the middle take a hundred times longer.
//
// Usage: mandelbrot [FILE [WIDTH]]. Writes FILE (default mandelbrot.png), WIDTH (default 1200) pixels wide.
#include <algorithm>
#include <cmath>
#include <complex>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <pp/pp.hpp>

#include "picture.hpp"

namespace {

constexpr int most_steps = 1000;

/// Black inside of the set, and the lighter the sooner a point leaves.
std::uint8_t shade(std::complex<double> c) {
  std::complex<double> z;
  for (int step = 0; step < most_steps; ++step) {
    if (std::norm(z) > 4)
      return static_cast<std::uint8_t>(255 - 250 * std::log(1.0 + step) / std::log(1.0 + most_steps));
    z = z * z + c;
  }
  return 0;
}

/// Rows `first` to `end` of a picture of that width; it shows -2.2 to 0.8 and, at two thirds of the width, -1 to 1.
std::vector<std::uint8_t> band(unsigned first, unsigned end, unsigned width) {
  const double step = 3.0 / width;
  std::vector<std::uint8_t> pixels;
  for (unsigned y = first; y < end; ++y) {
    for (unsigned x = 0; x < width; ++x) pixels.push_back(shade({-2.2 + x * step, 1.0 - y * step}));
  }
  return pixels;
}

}  // namespace

int main(int argc, char** argv) try {
  pp::init(argc, argv);  // first: in a worker process this never returns
  const std::string file = argc > 1 ? argv[1] : "mandelbrot.png";
  const auto width = argc > 2 ? static_cast<unsigned>(std::stoul(argv[2])) : 1200;
  picture out{width, width * 2 / 3, {}};

  pp::client client;
  constexpr unsigned rows_a_job = 8;
  std::vector<pp::future<std::vector<std::uint8_t>>> jobs;
  for (unsigned y = 0; y < out.height; y += rows_a_job)
    jobs.push_back(client.submit(band, y, std::min(y + rows_a_job, out.height), width));
  {
    const pp::progress bar(jobs, {.label = "mandelbrot"});
    pp::wait(jobs);
  }
  for (auto& job : jobs) {
    const auto pixels = job.get();
    out.pixels.insert(out.pixels.end(), pixels.begin(), pixels.end());
  }
  write_png(out, file);
  std::cout << file << ": " << out.width << " x " << out.height << " pixels, "
            << std::count(out.pixels.begin(), out.pixels.end(), 0) << " of them in the set\n";
  for (const auto& node : client.nodes()) std::cout << "node " << node.name << ": " << node.jobs_done << " jobs\n";
  return 0;
} catch (const std::exception& e) {
  std::cerr << "mandelbrot: " << e.what() << '\n';
  return 1;
}
