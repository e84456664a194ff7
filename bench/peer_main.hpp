// The conversation of a peer program with the benchmark: it says "ready", then answers each line of stdin with one line.
//
//   trips N          microseconds: median and 99 % of N jobs x -> x+1, one after the other
//   rate N           jobs per second: N such jobs submitted at once, then gathered
//   echo BYTES N     megabytes per second, one way: N payloads sent there and back
//   burn N SECONDS   seconds until N jobs of so much CPU time are done
//   mixed N          seconds until N jobs of workloads.hpp's mixed lengths are done
//
// "cannot" is the answer to what a peer has no means for.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bench {

class peer_workloads {
 public:
  virtual ~peer_workloads() = default;
  virtual void one(std::uint64_t number) = 0;  ///< throws std::runtime_error unless number + 1 came back
  virtual double rate(std::size_t count) = 0;
  virtual double echo_rate(std::size_t /*bytes*/, std::size_t /*count*/) { return -1; }  ///< negative: cannot
  virtual double makespan(const std::vector<double>& /*lengths*/) { return -1; }
};

/// Answers until stdin ends. The result is the exit status.
int answer_lines(peer_workloads& by);

/// A process of this program for `run`, killed when its parent ends however that happens.
template <class Function>
pid_t child(Function run);
/// Starts another program the same way.
pid_t start_program(const std::vector<std::string>& arguments);
/// A TCP port that was free a moment ago.
unsigned free_port();
/// Waits until somebody listens there (10 s at most); false if nobody does.
bool is_listening(unsigned port);

void prepare_child();
[[noreturn]] void end_child();
pid_t fork_process();

template <class Function>
pid_t child(Function run) {
  const pid_t pid = fork_process();
  if (pid != 0) return pid;
  prepare_child();
  run();
  end_child();
}

}  // namespace bench
