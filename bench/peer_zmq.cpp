// ZeroMQ as a job server: a client (DEALER), a broker (two ROUTERs that give each job to the worker that waited longest) and two
// workers (DEALER) that may hold CREDIT jobs each. Clear text, no futures, no recovery: what pp is measured against.
//
// Usage: peer_zmq CREDIT; see peer_main.hpp.
#include <cstring>
#include <deque>
#include <iostream>
#include <stdexcept>

#include <unistd.h>

#include <zmq.hpp>

#include "bench/figures.hpp"
#include "bench/peer_main.hpp"
#include "bench/workloads.hpp"

namespace {

using namespace bench;
using message = std::vector<zmq::message_t>;
constexpr int batch = 256;

void unlimited(zmq::socket_t& s) {
  s.set(zmq::sockopt::sndhwm, 0);
  s.set(zmq::sockopt::rcvhwm, 0);
  s.set(zmq::sockopt::linger, 0);
}

bool receive(zmq::socket_t& s, message& into, zmq::recv_flags how) {
  into.clear();
  do {
    zmq::message_t part;
    if (!s.recv(part, into.empty() ? how : zmq::recv_flags::none)) return false;
    into.push_back(std::move(part));
  } while (into.back().more());
  return true;
}

void send(zmq::socket_t& s, message& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i)
    s.send(std::move(parts[i]), i + 1 < parts.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
}

// Each entry of `free` is one job its worker may still be given.
class broker {
 public:
  broker() {
    unlimited(clients_);
    unlimited(workers_);
    clients_.bind("tcp://127.0.0.1:*");
    workers_.bind("tcp://127.0.0.1:*");
  }
  std::string client_address() const { return clients_.get(zmq::sockopt::last_endpoint); }
  std::string worker_address() const { return workers_.get(zmq::sockopt::last_endpoint); }

  void run() {
    for (;;) {
      zmq::pollitem_t items[] = {{workers_, 0, ZMQ_POLLIN, 0}, {clients_, 0, ZMQ_POLLIN, 0}};
      zmq::poll(items, free_.empty() ? 1 : 2, std::chrono::milliseconds(1000));
      for (int i = 0; i < batch && receive(workers_, parts_, zmq::recv_flags::dontwait); ++i) from_worker();
      for (int i = 0; i < batch && !free_.empty() && receive(clients_, parts_, zmq::recv_flags::dontwait); ++i) {
        parts_.insert(parts_.begin(), zmq::message_t(free_.front()));
        free_.pop_front();
        send(workers_, parts_);
      }
    }
  }

 private:
  void from_worker() {
    const std::string worker = parts_[0].to_string();
    if (parts_.size() == 2) {
      free_.insert(free_.end(), static_cast<std::size_t>(std::stoi(parts_[1].to_string())), worker);
      return;
    }
    free_.push_back(worker);
    parts_.erase(parts_.begin());
    send(clients_, parts_);
  }

  zmq::context_t context_{1};
  zmq::socket_t clients_{context_, zmq::socket_type::router}, workers_{context_, zmq::socket_type::router};
  std::deque<std::string> free_;
  message parts_;
};

// A job: one letter (i: add one, b: burn CPU, e: echo), then its argument.
void run_job(zmq::message_t& job) {
  char* const argument = job.data<char>() + 1;
  if (job.data<char>()[0] == 'i') {
    std::uint64_t n = 0;
    std::memcpy(&n, argument, sizeof n);
    ++n;
    std::memcpy(argument, &n, sizeof n);
  } else if (job.data<char>()[0] == 'b') {
    double seconds = 0;
    std::memcpy(&seconds, argument, sizeof seconds);
    burn(seconds);
  }
}

void work(const std::string& address, const std::string& credit) {
  zmq::context_t context(1);
  zmq::socket_t s(context, zmq::socket_type::dealer);
  unlimited(s);
  s.connect(address);
  s.send(zmq::buffer(credit));
  for (message parts; receive(s, parts, zmq::recv_flags::none);) {
    run_job(parts[2]);
    send(s, parts);
  }
}

template <class T>
std::string job_of(char kind, T argument) {
  std::string out(1 + sizeof argument, kind);
  std::memcpy(out.data() + 1, &argument, sizeof argument);
  return out;
}

class zmq_client : public peer_workloads {
 public:
  explicit zmq_client(const std::string& address) {
    unlimited(s_);
    s_.connect(address);
  }
  void one(std::uint64_t number) override {
    submit(number, job_of('i', number));
    receive(s_, answer_, zmq::recv_flags::none);
    if (result() != number + 1) throw std::runtime_error("a wrong result");
  }
  double rate(std::size_t count) override {
    std::vector<std::string> jobs;
    for (std::size_t i = 0; i < count; ++i) jobs.push_back(job_of('i', std::uint64_t{i}));
    return static_cast<double>(count) / run(jobs, count);
  }
  double echo_rate(std::size_t bytes, std::size_t count) override {
    const std::vector<std::string> jobs(count, "e" + std::string(bytes, 'x'));
    return static_cast<double>(bytes * count) / run(jobs, bytes > (8U << 20U) ? 1 : 16) / 1e6;
  }
  double makespan(const std::vector<double>& lengths) override {
    std::vector<std::string> jobs;
    for (const double seconds : lengths) jobs.push_back(job_of('b', seconds));
    return run(jobs, jobs.size());
  }

 private:
  void submit(std::uint64_t id, const std::string& job) {
    s_.send(zmq::buffer(&id, sizeof id), zmq::send_flags::sndmore);
    s_.send(zmq::buffer(job));
  }
  std::uint64_t result() {
    std::uint64_t n = 0;
    std::memcpy(&n, answer_[1].data<char>() + 1, sizeof n);
    return n;
  }
  double run(const std::vector<std::string>& jobs, std::size_t window) {
    const auto start = steady::now();
    std::size_t sent = 0, done = 0;
    while (done < jobs.size()) {
      for (; sent < jobs.size() && sent - done < window; ++sent) submit(sent, jobs[sent]);
      receive(s_, answer_, zmq::recv_flags::none);
      for (++done; done < sent && receive(s_, answer_, zmq::recv_flags::dontwait);) ++done;
    }
    return seconds_since(start);
  }

  zmq::context_t context_{1};
  zmq::socket_t s_{context_, zmq::socket_type::dealer};
  message answer_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) throw std::invalid_argument("usage: peer_zmq CREDIT");
  int addresses[2];
  if (pipe(addresses) != 0) return 1;
  child([&] {
    broker b;
    const std::string both = b.client_address() + "\n" + b.worker_address() + "\n";
    if (write(addresses[1], both.data(), both.size()) > 0) b.run();
  });
  close(addresses[1]);
  std::string lines[2];
  for (auto& line : lines) {
    for (char c = 0; read(addresses[0], &c, 1) == 1 && c != '\n';) {
      if (c != '\0') line += c;
    }
  }
  for (int i = 0; i < 2; ++i) child([&] { work(lines[1], argv[1]); });
  zmq_client client(lines[0]);
  const int status = answer_lines(client);
  std::_Exit(status);
} catch (const std::exception& e) {
  std::cerr << "peer_zmq: " << e.what() << '\n';
  return 1;
}
