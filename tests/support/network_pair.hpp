// Two network namespaces joined by a cable of their own, made and removed by the test; nothing of it touches the machine's network.
//
// Needs the right to make namespaces (root). is_possible() says whether the machine lets us.
#pragma once

#include <string>
#include <vector>

namespace pp::test {

class network_pair {
 public:
  static bool is_possible();

  /// Both ends are up, as 10.87.0.1/24 and 10.87.0.2/24, with lo.
  network_pair();
  network_pair(const network_pair&) = delete;
  network_pair& operator=(const network_pair&) = delete;
  ~network_pair();

  /// What stands in front of a program that is to run there.
  std::vector<std::string> enter(int end) const { return {"ip", "netns", "exec", names_[end]}; }
  static std::string address(int end) { return end == 0 ? "10.87.0.1" : "10.87.0.2"; }
  static std::string interface(int end) { return end == 0 ? "cable0" : "cable1"; }
  /// Pulls the cable, or plugs it in.
  void set_cable(bool plugged_in);

 private:
  std::string names_[2];
};

}  // namespace pp::test
