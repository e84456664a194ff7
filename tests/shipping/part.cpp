#include "part.hpp"

namespace part {
namespace {

int hidden(int x) { return x * 7; }

template <class T>
T halved(T x) {
  return x / 2;
}

}  // namespace

int doubled(int x) { return x * 2; }
std::string joined(const std::string& a, const std::string& b) { return a + b; }

bool submits_by_itself(pp::client& client) {
  auto a = client.submit(hidden, 6);
  auto b = client.submit(halved<double>, 5);
  auto c = client.submit([](int x) { return hidden(x) + 1; }, 2);
  return a.get() == 42 && b.get() == 2.5 && c.get() == 15;
}

}  // namespace part
