// The worker's loop over a socket pair, in this process: one answer for each job, whatever it does.
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstring>

#include "tests/unit/worker_runner_lab.hpp"

namespace pp::worker {
namespace {

int add(int a, int b) { return a + b; }
/// Encodes to 2 GiB of one page that is never touched.
struct enormous {
  template <class Archive>
  void save(Archive& ar) const {
    constexpr std::size_t size = std::size_t{2} << 30U;
    void* zeros = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const std::unique_ptr<void, void (*)(void*)> unmap(zeros, [](void* at) { ::munmap(at, size); });
    ar(cereal::binary_data(static_cast<const char*>(zeros), size));
  }
  template <class Archive>
  void load(Archive&) {}
  int not_empty = 0;
};
struct shape {
  virtual ~shape() = default;
  virtual int corners() const { return 3; }
  template <class Archive>
  void serialize(Archive&) {}
};

TEST_F(Runner, SaysReadyWhenItsImageFits) {
  send_image();
  EXPECT_EQ(receive().head.type, wire::message_type::ready);
}

TEST_F(Runner, SaysUnfitWithTheReasonAndEnds) {
  send_image("libfoo.so is another one here");
  const answer a = receive();
  EXPECT_EQ(a.head.type, wire::message_type::unfit);
  EXPECT_EQ(wire::decode_unfit(a.payload)->reason, "libfoo.so is another one here");
  EXPECT_TRUE(is_closed());
}

TEST_F(Runner, RefusesJobsBeforeItsImage) {
  submit_raw(bytes(wire::submit::size));
  EXPECT_TRUE(is_closed());
}

TEST_F(Runner, RunsJobsInOrderAndAnswersEach) {
  open();
  for (int i = 0; i < 100; ++i) submit(add, i, 1);
  for (int i = 0; i < 100; ++i) {
    const answer a = receive();
    EXPECT_EQ(a.head.type, wire::message_type::result);
    EXPECT_EQ(a.head.job, static_cast<std::uint64_t>(i) + 1);
    EXPECT_EQ(a.head.attempt, 1);
    EXPECT_EQ(a.parts().head.credit, 1);
    EXPECT_EQ(a.value<int>(), i + 1);
  }
}

TEST_F(Runner, RunsLambdasVirtualMembersAndJobsWithoutResult) {
  open();
  submit([](const std::string& s) { return s + "!"; }, "hi");
  submit(&shape::corners, shape());
  submit([] {});
  EXPECT_EQ(receive().value<std::string>(), "hi!");
  EXPECT_EQ(receive().value<int>(), 3);
  const answer nothing = receive();
  EXPECT_EQ(nothing.parts().head.code, wire::code_value);
  EXPECT_TRUE(nothing.parts().body.empty());
}

TEST_F(Runner, MarksJobsClaimedWhileTheyRunAndDoneAfterwards) {
  open();
  static control_mapping* shared = nullptr;
  shared = &control_;
  submit([] { return static_cast<int>(shared->state_of(0)); });
  submit([] { return static_cast<int>(shared->state_of(0)); });
  EXPECT_EQ(receive().value<int>(), static_cast<int>(claim::claimed));
  EXPECT_EQ(receive().value<int>(), static_cast<int>(claim::done));
}

TEST_F(Runner, PassesOverJobsThatWereTakenBack) {
  open();
  static std::atomic<bool> go;
  go = false;
  submit([] {
    while (!go) std::this_thread::yield();
    return 1;
  });
  submit(add, 1, 1);
  submit(add, 2, 2);
  EXPECT_TRUE(control_.move(1, claim::queued, claim::taken_back));
  go = true;
  EXPECT_EQ(receive().head.job, 1U);
  const answer third = receive();
  EXPECT_EQ(third.head.job, 3U);
  EXPECT_EQ(third.value<int>(), 4);
}

TEST_F(Runner, ReportsWhatAJobThrows) {
  open();
  submit([] { throw std::out_of_range("too far"); });
  submit([] { throw 42; });
  submit([]() -> int { throw std::bad_alloc(); });
  submit(add, 1, 2);
  const answer standard = receive();
  EXPECT_EQ(standard.parts().head.code, static_cast<std::uint16_t>(errc::job_threw));
  EXPECT_EQ(standard.failure().type, "std::out_of_range");
  EXPECT_EQ(standard.failure().what, "too far");
  const answer number = receive();
  EXPECT_EQ(number.failure().type, "int");
  EXPECT_EQ(number.failure().what, "unknown exception type");
  EXPECT_EQ(receive().failure().type, "std::bad_alloc");
  EXPECT_EQ(receive().value<int>(), 3);
}

TEST_F(Runner, SaysWhichItemOfAMapThrew) {
  open(), submit([] { throw detail::item_failure(7, std::make_exception_ptr(42)); });
  EXPECT_EQ(receive().failure(), (wire::failure{0, 0, "int", "item 7 (counted from 0): unknown exception type"}));
}

TEST_F(Runner, ABadMessageThrownByAJobIsTheJobsOwn) {
  open();
  submit([] { throw error(errc::bad_message, "mine"); });
  EXPECT_EQ(receive().parts().head.code, static_cast<std::uint16_t>(errc::job_threw));
}

TEST_F(Runner, AResultLargerThanOneMessageIsAnErrorOfThatJobOnly) {
  open();
  submit([] { return enormous(); });
  submit(add, 1, 2);
  const answer refused = receive();
  EXPECT_EQ(refused.parts().head.code, static_cast<std::uint16_t>(errc::result_too_large));
  EXPECT_NE(refused.failure().what.find("larger than 1 GiB"), std::string::npos) << refused.failure().what;
  EXPECT_EQ(receive().value<int>(), 3);
}

TEST_F(Runner, RefusesArgumentsThatDoNotDecode) {
  open();
  detail::payload arguments;
  const auto code = detail::prepare(add, arguments, 1, 2);
  bytes payload(wire::submit::size);
  wire::encode_submit(
      {0, lookup_.locate(reinterpret_cast<const void*>(code.decoder)), lookup_.locate(code.function), 0},
      payload.data());
  payload.push_back(1);
  submit_raw(payload);
  const answer a = receive();
  EXPECT_EQ(a.parts().head.code, static_cast<std::uint16_t>(errc::bad_message));
  EXPECT_NE(a.failure().what.find("too early"), std::string::npos);
}

TEST_F(Runner, CallsOnlyDecodersOfTheTable) {
  open();
  bytes payload(wire::submit::size);
  wire::encode_submit({0, lookup_.locate(reinterpret_cast<const void*>(&add)), 0, 0}, payload.data());
  submit_raw(payload);
  wire::encode_submit({0, code::make_location(7, 7), 0, 0}, payload.data());
  submit_raw(payload);
  submit_raw(bytes(3));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(receive().parts().head.code, static_cast<std::uint16_t>(errc::bad_message));
}

TEST_F(Runner, RefusesFunctionsThatLieNowhere) {
  open();
  detail::payload arguments;
  const auto code = detail::prepare(add, arguments, 1, 2);
  const auto decoder = lookup_.locate(reinterpret_cast<const void*>(code.decoder));
  for (const code::location function :
       {code::make_location(3, 99), code::no_location, code::virtual_marker << 48U | 9}) {
    bytes payload(wire::submit::size);
    wire::encode_submit({0, decoder, function, 0}, payload.data());
    payload.insert(payload.end(), arguments.data(), arguments.data() + arguments.size());
    submit_raw(payload);
    EXPECT_EQ(receive().parts().head.code, static_cast<std::uint16_t>(errc::bad_message));
  }
}

TEST_F(Runner, CarriesLargeArgumentsAndResultsInManyFrames) {
  open();
  std::string big(5 * 1024 * 1024 + 17, 'x');
  for (std::size_t i = 0; i < big.size(); i += 1000) big[i] = static_cast<char>('a' + i % 26);
  std::thread sender([&] {
    for (int i = 0; i < 3; ++i) {
      submit([](std::string s) { return s; }, big);
      submit([](const std::string& s) { return s.size(); }, big);
    }
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(receive().value<std::string>() == big);
    EXPECT_EQ(receive().value<std::size_t>(), big.size());
  }
  sender.join();
}

TEST_F(Runner, DeliversWhatAJobPrintsWithItsResult) {
  open();
  static int out = -1, err = -1;
  out = out_.get();
  err = err_.get();
  submit([] {
    EXPECT_EQ(::write(out, "hello", 5), 5);
    EXPECT_EQ(::write(err, "warning", 7), 7);
    return 1;
  });
  submit(add, 1, 1);
  submit([] {
    EXPECT_EQ(::write(err, "why", 3), 3);
    throw std::runtime_error("because");
  });
  const answer first = receive();
  EXPECT_EQ(as_text(first.parts().printed.out), "hello");
  EXPECT_EQ(as_text(first.parts().printed.err), "warning");
  EXPECT_EQ(first.value<int>(), 1);
  const answer second = receive();
  EXPECT_EQ(second.parts().head.flags & wire::result_head::flag_output, 0);
  EXPECT_EQ(second.value<int>(), 2);
  const answer third = receive();
  EXPECT_EQ(as_text(third.parts().printed.err), "why");
  EXPECT_EQ(third.failure().what, "because");
}

TEST_F(Runner, MeasuresHowLongAJobRan) {
  open();
  submit([] {
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(3)) std::this_thread::yield();
  });
  EXPECT_GE(receive().parts().head.run_us, 3000U);
}

/// A job that forks and lets both processes return: only the parent answers.
TEST_F(Runner, AForkedChildDoesNotAnswerInTheJobsPlace) {
  open();
  submit([] {
    const pid_t child = ::fork();
    if (child != 0) ::waitpid(child, nullptr, 0);
    return child != 0;
  });
  submit(add, 20, 3);
  EXPECT_TRUE(receive().value<bool>());
  EXPECT_EQ(receive().value<int>(), 23);
}

TEST_F(Runner, PassesOverMessagesItDoesNotKnow) {
  open();
  send(static_cast<wire::message_type>(99), bytes(10));
  send(wire::message_type::ping, bytes(8));
  submit(add, 1, 1);
  EXPECT_EQ(receive().value<int>(), 2);
}

TEST_F(Runner, EndsWhenTheNodeBreaksTheFraming) {
  open();
  bytes nonsense(wire::frame_header_size, 0xFF);
  ASSERT_EQ(::send(node_end_.get(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(nonsense.size()));
  EXPECT_TRUE(is_closed());
}

TEST_F(Runner, EndsWhenTheNodeMixesTwoLongMessages) {
  open();
  for (const std::uint64_t job : {1U, 2U}) {
    bytes frame(wire::frame_header_size + wire::message_size_bytes + 10);
    wire::encode_first_of_several({0, wire::message_type::submit, 0, 1, job}, 10, 1000, frame.data());
    ASSERT_EQ(::send(node_end_.get(), frame.data(), frame.size(), MSG_NOSIGNAL), static_cast<ssize_t>(frame.size()));
  }
  EXPECT_TRUE(is_closed());
}

}  // namespace
}  // namespace pp::worker
