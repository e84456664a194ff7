#include "kinds.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "part.hpp"

// The kinds. They are spread over linkage, templates and types on purpose; what they compute does not matter.
int free_function(int a, int b) { return a * 100 + b; }
double no_throw(double x) noexcept { return x * 0.5; }
extern "C" long with_c_linkage(long x) { return x + 1; }
// Identical code: a linker that folds may give both one address.
int twin_one(int x) { return x ^ 0x55; }
int twin_two(int x) { return x ^ 0x55; }

namespace {

std::string static_function(const std::string& name, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += name;
  return out;
}

struct unnamed_space_type {
  static int member(int x) { return x - 1; }
};

template <class T, int N>
T instance(T x) {
  return x * N;
}

struct account {
  int balance = 0;
  std::vector<int> history;
  int after(int change) const { return balance + change; }
  int total() const noexcept { return std::accumulate(history.begin(), history.end(), balance); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(balance, history);
  }
};

struct shape {
  int side = 0;
  virtual ~shape() = default;
  virtual int area() const { return side; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(side);
  }
};
struct square : shape {
  int area() const override { return side * side; }
};

struct scaled {
  int factor = 1;
  int operator()(int x) const { return x * factor; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(factor);
  }
};

struct own_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
int throwing(int x) { throw own_error("number " + std::to_string(x)); }

int process_id() { return static_cast<int>(::getpid()); }
bool sees_worker_variable() { return std::getenv("PP_WORKER") != nullptr; }
int first_inherited_descriptor() {
  for (int fd = 3; fd < 1024; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags != -1 && (flags & FD_CLOEXEC) == 0) return fd;
  }
  return 0;
}
int value_from_before_main() { return kinds::set_before_main; }

int failures = 0;

template <class T, class U>
void expect(const char* kind, const T& got, const U& wanted) {
  if (got == wanted) return;
  std::printf("wrong: %s\n", kind);
  ++failures;
}

void check_functions(pp::client& client) {
  expect("free function", client.submit(free_function, 1, 2).get(), 102);
  expect("noexcept function", client.submit(no_throw, 3).get(), 1.5);
  expect("C linkage", client.submit(with_c_linkage, 41).get(), 42);
  expect("first twin", client.submit(twin_one, 1).get(), 0x54);
  expect("second twin", client.submit(twin_two, 2).get(), 0x57);
  expect("static function", client.submit(static_function, "ab", 3).get(), std::string("ababab"));
  expect("member of an unnamed namespace", client.submit(unnamed_space_type::member, 8).get(), 7);
  expect("template", client.submit(instance<long, 3>, 5).get(), 15);
  expect("another instance", client.submit(instance<int, 4>, 5).get(), 20);
  expect("function of another file", client.submit(part::doubled, 21).get(), 42);
  expect("texts of another file", client.submit(part::joined, "a", "b").get(), std::string("ab"));
}

void check_lambdas(pp::client& client) {
  expect("lambda", client.submit([](int x) { return x + 3; }, 4).get(), 7);
  expect("lambda that calls a static function", client.submit([](int n) { return static_function("x", n); }, 2).get(),
         std::string("xx"));
  expect("generic lambda", client.submit([](auto a, auto b) { return a + b; }, 1, 2.5).get(), 3.5);
  expect("lambda that calls another file", client.submit([](int x) { return part::doubled(x); }, 5).get(), 10);
  expect("lambda around a system function", client.submit([](double x) { return std::sqrt(x); }, 16).get(), 4.0);
  const std::map<std::string, std::vector<int>> map{{"a", {1, 2}}, {"b", {3}}};
  expect("containers", client.submit([](const std::map<std::string, std::vector<int>>& m) { return m; }, map).get(),
         map);
}

void check_objects(pp::client& client) {
  expect("member pointer", client.submit(&account::after, account{10, {}}, 5).get(), 15);
  expect("noexcept member pointer", client.submit(&account::total, account{1, {2, 3}}).get(), 6);
  square four;
  four.side = 4;
  expect("virtual member pointer", client.submit(&square::area, four).get(), 16);
  expect("function object with state", client.submit(scaled{6}, 7).get(), 42);
}

void check_exceptions(pp::client& client) {
  try {
    client.submit(throwing, 9).get();
    expect("exception", 0, 1);
  } catch (const pp::job_error& e) {
    expect("exception's text", e.message(), std::string("number 9"));
    expect("exception's type", e.type().find("own_error") != std::string::npos, true);
  }
}

/// The pointer lies in the C library (not sent: refused with advice), in the program (-static), or in its jump table
/// (-no-pie).
void check_system_function(pp::client& client) {
  try {
    expect("system function", client.submit(static_cast<double (*)(double)>(std::sqrt), 16).get(), 4.0);
  } catch (const pp::error& e) {
    expect("system function's code", e.code() == pp::errc::not_shippable, true);
    expect("system function's advice", std::string(e.what()).find("wrap the call in a lambda") != std::string::npos,
           true);
  }
}

void check_process(pp::client& client) {
  expect("another process", client.submit(process_id).get() != process_id(), true);
  expect("no PP_WORKER in a job", client.submit(sees_worker_variable).get(), false);
  expect("a job's own children inherit no descriptor of ours", client.submit(first_inherited_descriptor).get(), 0);
  expect("static initialisers", client.submit(value_from_before_main).get(), kinds::set_before_main);
}

}  // namespace

namespace kinds {

// Not a constant: the compiler must leave it to the initialiser.
const int set_before_main = static_cast<int>(std::string(::getpid() > 0 ? "seven" : "").size());

int check_all(pp::client& client) {
  check_functions(client);
  check_lambdas(client);
  check_objects(client);
  check_exceptions(client);
  check_system_function(client);
  check_process(client);
  expect("a file that submits by itself", part::submits_by_itself(client), true);
  return failures;
}

}  // namespace kinds
