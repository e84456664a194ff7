// What a wish for interfaces means on a made-up machine.
#include "discovery/interfaces.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pp/error.hpp"

namespace pp::discovery {
namespace {

using net::ip::address_v4;
using net::ip::make_address;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

interface_address v4(const char* address, unsigned prefix, const char* broadcast = nullptr) {
  interface_address a{make_address(address), prefix, std::nullopt};
  if (broadcast != nullptr) a.broadcast = make_address(broadcast).to_v4();
  return a;
}

// Indexes this machine will not have, so that link-local addresses print the number.
std::vector<interface> machine() {
  return {
      {70001, "lo", true, true, {v4("127.0.0.1", 8, "127.255.255.255"), v4("::1", 128)}},
      {70002, "eth0", true, false, {v4("fe80::5%70002", 64), v4("10.0.0.5", 24, "10.0.0.255"), v4("fd00::5", 64)}},
      {70003, "eth1", false, false, {v4("10.9.0.1", 24, "10.9.0.255")}},
      {70004, "tun0", true, false, {v4("10.8.0.2", 32)}},
      {70005, "two", true, false, {v4("172.17.0.1", 16, "172.17.255.255"), v4("172.18.0.1", 16, "172.18.255.255")}},
      {70006, "bare", true, false, {}},
  };
}

std::vector<std::string> texts(const selection& s) {
  std::vector<std::string> out;
  for (const auto& i : s.interfaces) out.push_back(i.text());
  return out;
}

std::vector<std::string> addresses(const std::vector<net::ip::address>& from) {
  std::vector<std::string> out;
  for (const auto& a : from) out.push_back(a.to_string());
  return out;
}

std::string refusal(std::string_view wish, std::string_view broadcasts = {}) {
  try {
    select_from(machine(), wish, broadcasts);
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::bad_option);
    return e.what();
  }
  return "not refused";
}

TEST(SelectInterfaces, TakesAllThatAreUpWithoutAWish) {
  const auto s = select_from(machine(), "");
  EXPECT_TRUE(s.everything());
  EXPECT_THAT(texts(s), ElementsAre("lo (127.255.255.255)", "eth0 (10.0.0.255)", "tun0 (no broadcast)",
                                    "two (172.17.255.255, 172.18.255.255)"));
  EXPECT_THAT(addresses(s.listen_addresses()), ElementsAre("0.0.0.0", "::"));
}

TEST(SelectInterfaces, TakesBlanksAloneForNoWish) { EXPECT_TRUE(select_from(machine(), " , ").everything()); }

TEST(SelectInterfaces, LoMeansTheLoopbackBroadcast) {
  const auto s = select_from(machine(), "lo");
  EXPECT_THAT(texts(s), ElementsAre("lo (127.255.255.255)"));
  EXPECT_THAT(addresses(s.listen_addresses()), ElementsAre("127.0.0.1", "::1"));
}

TEST(SelectInterfaces, PutsIpv4FirstWhateverOrderTheKernelHas) {
  const auto s = select_from(machine(), "eth0");
  EXPECT_THAT(addresses(s.interfaces.at(0).addresses), ElementsAre("10.0.0.5", "fe80::5%70002", "fd00::5"));
}

TEST(SelectInterfaces, AnAddressSelectsNothingElseOfItsInterface) {
  const auto s = select_from(machine(), "172.18.0.1");
  ASSERT_EQ(s.interfaces.size(), 1U);
  EXPECT_EQ(s.interfaces[0].name, "two");
  EXPECT_THAT(addresses(s.listen_addresses()), ElementsAre("172.18.0.1"));
  ASSERT_EQ(s.interfaces[0].broadcasts.size(), 1U);
  EXPECT_EQ(s.interfaces[0].broadcasts[0].to.to_string(), "172.18.255.255");
  EXPECT_EQ(s.interfaces[0].broadcasts[0].from.to_string(), "172.18.0.1");
}

TEST(SelectInterfaces, EveryLoopbackAddressIsThisMachines) {
  const auto s = select_from(machine(), "127.0.0.7");
  EXPECT_THAT(texts(s), ElementsAre("lo (127.255.255.255)"));
  EXPECT_THAT(addresses(s.listen_addresses()), ElementsAre("127.0.0.7"));
  EXPECT_EQ(s.interfaces[0].broadcasts[0].from.to_string(), "127.0.0.7");
}

TEST(SelectInterfaces, UnderstandsListsWithBlanksAndRepetitions) {
  const auto s = select_from(machine(), " lo , 10.0.0.5,lo, eth0 ");
  EXPECT_THAT(texts(s), ElementsAre("lo (127.255.255.255)", "eth0 (10.0.0.255)"));
  EXPECT_THAT(addresses(s.interfaces[1].addresses), ElementsAre("10.0.0.5", "fe80::5%70002", "fd00::5"));
}

TEST(SelectInterfaces, AnIpv6AddressNeedsNoScope) {
  EXPECT_THAT(addresses(select_from(machine(), "fe80::5").listen_addresses()), ElementsAre("fe80::5%70002"));
}

TEST(SelectInterfaces, NamesWhatIsMissingAndWhatThereIs) {
  EXPECT_EQ(refusal("lo,eth7"),
            "there is no interface or address 'eth7': this machine has lo (127.0.0.1, ::1), "
            "eth0 (fe80::5%70002, 10.0.0.5, fd00::5), eth1 (down) (10.9.0.1), tun0 (10.8.0.2), "
            "two (172.17.0.1, 172.18.0.1), bare");
  EXPECT_THAT(refusal("10.0.0.6"), HasSubstr("there is no interface or address '10.0.0.6'"));
}

TEST(SelectInterfaces, RefusesAnInterfaceThatIsDownOrBare) {
  EXPECT_THAT(refusal("eth1"), HasSubstr("interface 'eth1' is down: bring it up, or choose another"));
  EXPECT_THAT(refusal("bare"), HasSubstr("interface 'bare' has no address"));
}

TEST(SelectInterfaces, SendsToTheNamedBroadcastsOnlyAndWhereTheyBelong) {
  const auto s = select_from(machine(), "", "172.18.255.255,10.0.0.255");
  EXPECT_THAT(texts(s),
              ElementsAre("lo (no broadcast)", "eth0 (10.0.0.255)", "tun0 (no broadcast)", "two (172.18.255.255)"));
  EXPECT_EQ(s.find(70005)->broadcasts[0].from.to_string(), "172.18.0.1");
}

TEST(SelectInterfaces, SendsAForeignBroadcastEverywhereButToItself) {
  const auto s = select_from(machine(), "", "255.255.255.255");
  EXPECT_THAT(texts(s), ElementsAre("lo (no broadcast)", "eth0 (255.255.255.255)", "tun0 (255.255.255.255)",
                                    "two (255.255.255.255)"));
}

TEST(SelectInterfaces, ANamedBroadcastDoesNotLeaveTheSelection) {
  const auto s = select_from(machine(), "eth0", "172.17.255.255");
  EXPECT_THAT(texts(s), ElementsAre("eth0 (172.17.255.255)"));
  EXPECT_EQ(s.interfaces[0].broadcasts[0].from.to_string(), "10.0.0.5");
  EXPECT_THAT(texts(select_from(machine(), "lo", "127.255.255.255")), ElementsAre("lo (127.255.255.255)"));
}

TEST(SelectInterfaces, RefusesBroadcastsThatCannotBeSent) {
  EXPECT_THAT(refusal("", "ten"), HasSubstr("the broadcast address 'ten' is not an IPv4 address"));
  EXPECT_THAT(refusal("", "ff02::1"), HasSubstr("is not an IPv4 address"));
  EXPECT_THAT(refusal("lo", "10.0.0.255"),
              HasSubstr("no selected interface can send to the broadcast address 10.0.0.255"));
}

TEST(SelectInterfaces, LeavesOutWhatIsMissingForNow) {
  EXPECT_THAT(texts(select_present(machine(), "eth0,eth1,eth7", "")), ElementsAre("eth0 (10.0.0.255)"));
  EXPECT_THAT(texts(select_present(machine(), "eth7", "10.0.0.255")), IsEmpty());
  EXPECT_EQ(text_of(select_present(machine(), "eth7", "")), "none");
}

TEST(Selection, AcceptsFromSelectedInterfacesOnly) {
  const auto s = select_from(machine(), "eth0");
  EXPECT_EQ(s.accept(70002, address_v4::broadcast()), s.find(70002));
  EXPECT_EQ(s.accept(70005, make_address("172.17.255.255").to_v4()), nullptr);
  EXPECT_EQ(s.accept(70005, make_address("10.0.0.5").to_v4()), nullptr) << "our address, but through another interface";
  EXPECT_EQ(s.accept(70099, address_v4::broadcast()), nullptr);
}

TEST(Selection, AcceptsOnLoopbackWhatThisMachineSentToASelectedAddress) {
  const auto s = select_from(machine(), "eth0");
  EXPECT_EQ(s.accept(70001, make_address("10.0.0.5").to_v4()), s.find(70002));
  EXPECT_EQ(s.accept(70001, make_address("127.0.0.1").to_v4()), nullptr);
}

TEST(Selection, KnowsThisMachinesAddressesSelectedOrNot) {
  const auto s = select_from(machine(), "lo");
  for (const char* own : {"10.0.0.5", "127.0.0.1", "127.9.9.9", "::1", "fd00::5", "fe80::5"}) {
    EXPECT_TRUE(s.is_own_address(make_address(own))) << own;
  }
  for (const char* other : {"10.0.0.6", "0.0.0.0", "fd00::6"}) {
    EXPECT_FALSE(s.is_own_address(make_address(other))) << other;
  }
}

TEST(ListInterfaces, FindsLoopbackWithItsBroadcast) {
  for (const auto& i : list_interfaces()) {
    if (!i.loopback || i.addresses.empty() || !i.addresses[0].address.is_v4()) continue;
    EXPECT_GT(i.index, 0U);
    EXPECT_EQ(i.addresses[0].prefix, 8U);
    EXPECT_EQ(i.addresses[0].broadcast, make_address("127.255.255.255").to_v4());
    return;
  }
  FAIL() << "no loopback interface with an IPv4 address";
}

TEST(ListInterfaces, RefreshTellsWhetherAnythingDiffers) {
  auto s = select_interfaces("lo");
  EXPECT_FALSE(refresh(s));
  s.interfaces[0].broadcasts.clear();
  EXPECT_TRUE(refresh(s));
  EXPECT_EQ(s.interfaces[0].broadcasts.size(), 1U);
}

// The variable as it was comes back, so that the other tests of this process keep theirs.
class port_variable {
 public:
  explicit port_variable(const char* value) {
    if (const char* old = std::getenv("PP_DISCOVERY_PORT")) before_ = old;
    setenv("PP_DISCOVERY_PORT", value, 1);
  }
  port_variable(const port_variable&) = delete;
  port_variable& operator=(const port_variable&) = delete;
  ~port_variable() {
    if (before_) {
      setenv("PP_DISCOVERY_PORT", before_->c_str(), 1);
    } else {
      unsetenv("PP_DISCOVERY_PORT");
    }
  }

 private:
  std::optional<std::string> before_;
};

TEST(DiscoveryPort, ComesFromTheEnvironment) {
  const port_variable set("60123");
  EXPECT_EQ(port_from_environment(), 60123);
}

TEST(DiscoveryPort, IsTheDefaultWithoutAVariable) {
  const port_variable set("");
  EXPECT_EQ(port_from_environment(), 60000);
  EXPECT_EQ(port_from_environment(7), 7);
}

TEST(DiscoveryPort, RefusesWhatIsNoPort) {
  for (const char* wrong : {"0", "65536", "-1", "60000x", "x", " 1"}) {
    const port_variable set(wrong);
    try {
      port_from_environment();
      ADD_FAILURE() << wrong << " was taken for a port";
    } catch (const error& e) {
      const auto said = std::string("PP_DISCOVERY_PORT is '") + wrong + "': give a port number from 1 to 65535";
      EXPECT_EQ(std::string(e.what()), said);
    }
  }
}

}  // namespace
}  // namespace pp::discovery
