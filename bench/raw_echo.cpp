#include "bench/raw_echo.hpp"

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <stdexcept>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "bench/certificate.hpp"
#include "bench/figures.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using tls_stream = asio::ssl::stream<tcp::socket>;

// Answers a block when it is complete, as a job does with its argument, and reads the next one meanwhile.
class echo_connection : public std::enable_shared_from_this<echo_connection> {
 public:
  echo_connection(tcp::socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {
    stream_.next_layer().set_option(tcp::no_delay(true));
  }
  void start() {
    stream_.async_handshake(asio::ssl::stream_base::server, [me = shared_from_this()](error_code failed) {
      if (!failed) me->read_size();
    });
  }

 private:
  void read_size() {
    asio::async_read(stream_, asio::buffer(&size_, sizeof size_), [me = shared_from_this()](error_code failed, auto) {
      if (!failed) me->read_block();
    });
  }
  void read_block() {
    take_buffer();
    asio::async_read(stream_, asio::buffer(incoming_), [me = shared_from_this()](error_code failed, auto) {
      if (failed) return;
      me->ready_.push_back(std::move(me->incoming_));
      if (me->ready_.size() == 1) me->write_block();
      me->read_block();
    });
  }
  void write_block() {
    asio::async_write(stream_, asio::buffer(ready_.front()), [me = shared_from_this()](error_code failed, auto) {
      if (failed) return;
      me->spare_.push_back(std::move(me->ready_.front()));
      me->ready_.pop_front();
      if (!me->ready_.empty()) me->write_block();
    });
  }
  // Buffers are used again: fresh memory would cost more than the copy.
  void take_buffer() {
    if (spare_.empty()) {
      incoming_.assign(size_, 0);
    } else {
      incoming_ = std::move(spare_.back());
      spare_.pop_back();
    }
  }

  tls_stream stream_;
  std::uint64_t size_ = 0;
  std::vector<char> incoming_;
  std::deque<std::vector<char>> ready_;
  std::vector<std::vector<char>> spare_;
};

void accept_next(tcp::acceptor& acceptor, asio::ssl::context& context) {
  acceptor.async_accept([&](error_code failed, tcp::socket socket) {
    if (failed) return;
    std::make_shared<echo_connection>(std::move(socket), context)->start();
    accept_next(acceptor, context);
  });
}

class echo_client {
 public:
  echo_client(std::uint16_t port, const std::vector<std::uint8_t>& block, std::size_t count, std::size_t window)
      : block_(block), back_(block.size()), count_(count), window_(window) {
    SSL_CTX_set_ciphersuites(context_.native_handle(), "TLS_AES_128_GCM_SHA256");
    stream_.next_layer().connect({asio::ip::address_v4::loopback(), port});
    stream_.next_layer().set_option(tcp::no_delay(true));
    stream_.handshake(asio::ssl::stream_base::client);
    const std::uint64_t size = block.size();
    asio::write(stream_, asio::buffer(&size, sizeof size));
  }
  double rate() {
    const auto start = steady::now();
    send();
    receive();
    io_.run();
    if (received_ != count_ || back_ != block_) throw std::runtime_error("the raw echo changed or lost a block");
    return static_cast<double>(block_.size() * count_) / seconds_since(start) / 1e6;
  }

 private:
  void send() {
    if (is_sending_ || sent_ == count_ || sent_ - received_ >= window_) return;
    is_sending_ = true;
    asio::async_write(stream_, asio::buffer(block_), [this](error_code failed, auto) {
      is_sending_ = false;
      ++sent_;
      if (!failed) send();
    });
  }
  void receive() {
    asio::async_read(stream_, asio::buffer(back_), [this](error_code failed, auto) {
      if (failed) return;
      ++received_;
      send();
      if (received_ < count_) receive();
    });
  }

  const std::vector<std::uint8_t>& block_;
  std::vector<std::uint8_t> back_;
  std::size_t count_, window_, sent_ = 0, received_ = 0;
  bool is_sending_ = false;
  asio::io_context io_{1};
  asio::ssl::context context_{asio::ssl::context::tlsv13_client};
  tls_stream stream_{io_, context_};
};

}  // namespace

int serve_raw_echo(int, char**) {
  asio::ssl::context context(asio::ssl::context::tlsv13_server);
  use_self_signed(context.native_handle());
  asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::printf("%u\n", acceptor.local_endpoint().port());
  std::fflush(stdout);
  std::thread([] {
    while (std::getchar() != EOF) {
    }
    std::_Exit(0);
  }).detach();
  accept_next(acceptor, context);
  io.run();
  return 0;
}

double raw_echo_rate(std::uint16_t port, const std::vector<std::uint8_t>& block, std::size_t count,
                     std::size_t window) {
  return echo_client(port, block, count, window).rate();
}

}  // namespace bench
