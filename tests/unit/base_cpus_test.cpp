#include "base/cpus.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace pp {
namespace {

TEST(EffectiveCpus, AreAtLeastOneAndNotMoreThanTheMachineHas) {
  EXPECT_GE(effective_cpus(), 1U);
  EXPECT_LE(effective_cpus(), std::max(1U, std::thread::hardware_concurrency()));
}

TEST(CpuMax, RoundsAQuotaUpToWholeCpus) {
  EXPECT_EQ(cpus_of_cpu_max("200000 100000\n"), 2U);
  EXPECT_EQ(cpus_of_cpu_max("150000 100000\n"), 2U);
  EXPECT_EQ(cpus_of_cpu_max("100001 100000"), 2U);
  EXPECT_EQ(cpus_of_cpu_max("1000 100000"), 1U);
}

TEST(CpuMax, IsNoLimitWhenItSaysMaxOrMakesNoSense) {
  for (const char* text :
       {"max 100000", "", "\n", "100000", "x y", "100000 0", "-1 100000", "1 2 3", "99999999999999999999 1"}) {
    EXPECT_EQ(cpus_of_cpu_max(text), std::nullopt) << text;
  }
}

TEST(CpuMax, StaysInRangeForAbsurdNumbers) {
  EXPECT_EQ(cpus_of_cpu_max("9223372036854775807 1"), 65535U);
  EXPECT_EQ(cpus_of_cpu_max("1 9223372036854775807"), 1U);
}

TEST(CfsQuota, RoundsUpAndKnowsNoLimit) {
  EXPECT_EQ(cpus_of_cfs("250000\n", "100000\n"), 3U);
  EXPECT_EQ(cpus_of_cfs("-1\n", "100000\n"), std::nullopt);
  EXPECT_EQ(cpus_of_cfs("", ""), std::nullopt);
}

TEST(OwnCgroup, IsFoundInTheUnifiedHierarchy) {
  EXPECT_EQ(unified_cgroup("0::/user.slice/session-1.scope\n"), "/user.slice/session-1.scope");
  EXPECT_EQ(unified_cgroup("5:cpu,cpuacct:/a\n0::/b\n"), "/b");
  EXPECT_EQ(unified_cgroup("5:cpu,cpuacct:/a\n"), std::nullopt);
}

TEST(OwnCgroup, IsFoundWhereCpuIsControlled) {
  EXPECT_EQ(cpu_cgroup("7:cpuset:/x\n5:cpu,cpuacct:/a/b\n0::/\n"), "/a/b");
  EXPECT_EQ(cpu_cgroup("5:cpuacct,cpu:/a"), "/a");
  EXPECT_EQ(cpu_cgroup("7:cpuset:/x\n"), std::nullopt);
}

TEST(OwnCgroup, IsNotFoundInBrokenTextOrOutsideTheRoot) {
  for (const char* text : {"", "\n\n", "0", "0:", "0::", "0::relative", "0::/../../etc", "nonsense\n"}) {
    EXPECT_EQ(unified_cgroup(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pp
