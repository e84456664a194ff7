// beanstalkd as a job server: jobs in one tube, results in another, two workers; its own text protocol over plain sockets.
//
// Usage: peer_beanstalkd; see peer_main.hpp.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>
#include <stdexcept>

#include "bench/figures.hpp"
#include "bench/peer_main.hpp"

namespace {

using namespace bench;
constexpr std::size_t pipelined = 500;

class connection {
 public:
  connection(unsigned port, const std::string& puts_into, const std::string& takes_from) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("no beanstalkd");
    send("use " + puts_into + "\r\nwatch " + takes_from + "\r\nignore default\r\n");
    skip_lines(3);
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { close(socket_); }

  void send(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const auto sent = write(socket_, text.data() + at, text.size() - at);
      if (sent <= 0) throw std::runtime_error("beanstalkd went away");
      at += static_cast<std::size_t>(sent);
    }
  }
  std::string line() {
    std::size_t end = 0;
    while ((end = in_.find("\r\n", at_)) == std::string::npos) receive();
    const auto out = in_.substr(at_, end - at_);
    at_ = end + 2;
    return out;
  }
  void skip_lines(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) line();
  }
  struct job {
    std::string id, body;
  };
  // After "reserve": RESERVED id size, then the body.
  job reserved() {
    const auto head = line();
    const auto space = head.find(' ', 9);
    if (head.rfind("RESERVED ", 0) != 0 || space == std::string::npos)
      throw std::runtime_error("beanstalkd says " + head);
    const std::size_t size = std::stoul(head.substr(space + 1));
    while (in_.size() - at_ < size + 2) receive();
    job out{head.substr(9, space - 9), in_.substr(at_, size)};
    at_ += size + 2;
    return out;
  }

 private:
  void receive() {
    in_.erase(0, at_);
    at_ = 0;
    char buffer[65536];
    const auto got = read(socket_, buffer, sizeof buffer);
    if (got <= 0) throw std::runtime_error("beanstalkd went away");
    in_.append(buffer, static_cast<std::size_t>(got));
  }
  int socket_ = -1;
  std::string in_;
  std::size_t at_ = 0;
};

std::string put(const std::string& body) {
  return "put 0 0 60 " + std::to_string(body.size()) + "\r\n" + body + "\r\n";
}

void work(unsigned port) {
  connection c(port, "results", "jobs");
  c.send("reserve\r\n");
  for (;;) {
    const auto job = c.reserved();
    c.send(put(std::to_string(std::stoull(job.body) + 1)) + "delete " + job.id + "\r\nreserve\r\n");
    c.skip_lines(2);
  }
}

class beanstalkd_peer : public peer_workloads {
 public:
  explicit beanstalkd_peer(unsigned port) : c_(port, "jobs", "results") {}
  void one(std::uint64_t number) override {
    c_.send(put(std::to_string(number)) + "reserve\r\n");
    c_.line();
    const auto result = c_.reserved();
    c_.send("delete " + result.id + "\r\n");
    c_.line();
    if (result.body != std::to_string(number + 1)) throw std::runtime_error("a wrong result");
  }
  double rate(std::size_t count) override {
    count = std::min<std::size_t>(count, 20'000) / pipelined * pipelined + (count < pipelined ? count : 0);
    const std::size_t step = std::min(count, pipelined);
    const auto start = steady::now();
    for (std::size_t i = 0; i < count; i += step) put_many(i, step);
    for (std::size_t i = 0; i < count; i += step) take_many(step);
    return static_cast<double>(count) / seconds_since(start);
  }

 private:
  void put_many(std::size_t first, std::size_t count) {
    std::string text;
    for (std::size_t i = first; i < first + count; ++i) text += put(std::to_string(i));
    c_.send(text);
    c_.skip_lines(count);
  }
  void take_many(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += "reserve\r\n";
    c_.send(text);
    text.clear();
    for (std::size_t i = 0; i < count; ++i) text += "delete " + c_.reserved().id + "\r\n";
    c_.send(text);
    c_.skip_lines(count);
  }
  connection c_;
};

}  // namespace

int main() try {
  const unsigned port = free_port();
  start_program({"/usr/bin/beanstalkd", "-l", "127.0.0.1", "-p", std::to_string(port)});
  if (!is_listening(port)) throw std::runtime_error("beanstalkd did not start");
  for (int i = 0; i < 2; ++i) child([&] { work(port); });
  beanstalkd_peer peer(port);
  const int status = answer_lines(peer);
  std::_Exit(status);
} catch (const std::exception& e) {
  std::cerr << "peer_beanstalkd: " << e.what() << '\n';
  return 1;
}
