#include "bench/peers.hpp"

#include <unistd.h>

#include <algorithm>

namespace bench {
namespace {

constexpr const char* python = "/usr/bin/python3";

bool is_program(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

}  // namespace

std::vector<peer> installed_peers() {
  std::vector<peer> out;
#ifdef PP_PEER_ZMQ
  out.push_back({"ZeroMQ, credit 200", {PP_PEER_ZMQ, "200"}});
  out.push_back({"ZeroMQ, credit 1", {PP_PEER_ZMQ, "1"}});
#endif
  if (is_program(python)) out.push_back({"Pool", {python, PP_BENCH_SOURCES "/peer_pool.py"}});
#ifdef PP_PEER_GEARMAN
  if (is_program("/usr/sbin/gearmand")) out.push_back({"gearman", {PP_PEER_GEARMAN}});
#endif
#ifdef PP_PEER_BEANSTALKD
  if (is_program("/usr/bin/beanstalkd")) out.push_back({"beanstalkd", {PP_PEER_BEANSTALKD}});
#endif
  return out;
}

std::unique_ptr<background_program> start_peer(const std::string& name) {
  const auto all = installed_peers();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& p) { return p.name == name; });
  if (found == all.end()) return nullptr;
  auto program = std::make_unique<background_program>(found->command, 1);
  program->read_line();
  return program;
}

}  // namespace bench
