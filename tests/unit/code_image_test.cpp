#include "code/image.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "code/loaded.hpp"
#include "code/module_file.hpp"
#include "code/modules.hpp"
#include "pp/error.hpp"
#include "tests/support/temporary_directory.hpp"

namespace pp::code {
namespace {

using test::read_file;
using test::temporary_directory;
using test::write_file;
using testing::HasSubstr;

int some_function(int x) { return x + 1; }
int some_data = 1;

const void* address_of_some_function() { return reinterpret_cast<const void*>(&some_function); }

bytes whole(const image& i, std::size_t module) {
  bytes out(i.contents().modules[module].size);
  i.read(module, 0, out);
  return out;
}

/// A small real shared object to play with: a copy of libgcc_s, which is loaded in every C++ program.
std::string library_bytes() {
  for (const auto& m : loaded_modules()) {
    if (m.name == "libgcc_s.so.1") return read_file(m.path);
  }
  return {};
}

/// The same without a build id.
std::string library_without_build_id() {
  auto file = library_bytes();
  const auto note = file.find(std::string("\x03\0\0\0GNU\0", 8));  // type NT_GNU_BUILD_ID and the name behind it
  file[note] = 0x77;
  return file;
}

class plugin {
 public:
  explicit plugin(const std::filesystem::path& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(::dlerror());
  }
  plugin(const plugin&) = delete;
  plugin& operator=(const plugin&) = delete;
  ~plugin() { close(); }
  void close() {
    if (handle_ != nullptr) ::dlclose(std::exchange(handle_, nullptr));
  }
  const void* function() const { return ::dlsym(handle_, "__popcountdi2"); }

 private:
  void* handle_;
};

std::vector<std::string> names_of(const image& i) {
  std::vector<std::string> out;
  for (const auto& m : i.contents().modules) out.push_back(m.name);
  return out;
}

std::string refusal() {
  try {
    image::snapshot();
  } catch (const error& e) {
    EXPECT_EQ(e.code(), errc::not_shippable);
    return e.what();
  }
  return "no refusal";
}

TEST(Image, BeginsWithTheProgramAndHasNoSystemLibrary) {
  const auto i = image::snapshot();
  const auto& modules = i->contents().modules;
  const auto own = std::filesystem::read_symlink("/proc/self/exe").filename().string();
  EXPECT_EQ(modules[0].name, own);
  for (const auto& m : modules) EXPECT_FALSE(m.name.starts_with("libc.") || m.name.starts_with("libstdc++")) << m.name;
}

TEST(Image, IdIsTheSameInEverySnapshot) {
  const auto a = image::snapshot();
  const auto b = image::snapshot();
  EXPECT_EQ(a->id(), b->id());
  EXPECT_EQ(a->id(), id_of(a->encoded()));
  EXPECT_EQ(decode_manifest(a->encoded()).value(), a->contents());
}

TEST(Image, WhatIsReadHasTheAnnouncedHash) {
  const auto i = image::snapshot();
  const auto file = whole(*i, 0);
  EXPECT_EQ(auth::sha256(file), i->contents().modules[0].content);
  bytes middle(1000);
  i->read(0, 12345, middle);
  EXPECT_EQ(0, std::memcmp(middle.data(), file.data() + 12345, middle.size()));
  bytes inside_header(7);
  i->read(0, 37, inside_header);
  EXPECT_EQ(0, std::memcmp(inside_header.data(), file.data() + 37, inside_header.size()));
}

TEST(Image, LeavesOutDebugSectionsAndNamesNoSections) {
  const auto i = image::snapshot();
  const auto file = whole(*i, 0);
  Elf64_Ehdr header{};
  std::memcpy(&header, file.data(), sizeof header);
  EXPECT_EQ(header.e_shoff, 0U);
  EXPECT_EQ(header.e_shnum, 0U);
  EXPECT_EQ(header.e_shstrndx, 0U);
  struct stat s {};
  ASSERT_EQ(::stat("/proc/self/exe", &s), 0);
  EXPECT_LT(file.size(), static_cast<std::size_t>(s.st_size));  // at least the section table itself is left out
}

TEST(Image, ReadingBeyondTheEndIsAnError) {
  const auto i = image::snapshot();
  bytes piece(2);
  EXPECT_THROW(i->read(0, i->contents().modules[0].size - 1, piece), error);
}

TEST(Image, LocatesFunctionsOfTheProgram) {
  const auto i = image::snapshot();
  const auto l = i->locate(address_of_some_function());
  ASSERT_TRUE(l.has_value());
  EXPECT_EQ(module_of(*l), 0);
}

TEST(Image, LocatesNothingOutsideItsModules) {
  const auto i = image::snapshot();
  int on_the_stack = 0;
  EXPECT_EQ(i->locate(&on_the_stack), std::nullopt);
  EXPECT_EQ(i->locate(nullptr), std::nullopt);
  EXPECT_EQ(i->locate(::dlsym(RTLD_DEFAULT, "sqrt")), std::nullopt);
}

TEST(Image, LocateIsSafeFromManyThreads) {
  const auto i = image::snapshot();
  const auto expected = i->locate(address_of_some_function());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n) ASSERT_EQ(i->locate(address_of_some_function()), expected);
    });
  }
  for (auto& t : threads) t.join();
}

TEST(Image, SnapshotsFromManyThreadsAgree) {
  const auto expected = image::snapshot()->id();
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] { EXPECT_EQ(image::snapshot()->id(), expected); });
  }
  for (auto& t : threads) t.join();
}

TEST(Image, AFunctionOfASystemLibraryIsRefusedWithAdvice) {
  const auto why = describe_stranger(::dlsym(RTLD_DEFAULT, "sqrt"));
  EXPECT_THAT(why, HasSubstr("the function sqrt"));  // or another name of the same function
  EXPECT_THAT(why, HasSubstr(" lies in the system library libm.so.6"));
  EXPECT_THAT(why, HasSubstr("wrap the call in a lambda"));
  EXPECT_THAT(describe_stranger(::dlsym(RTLD_DEFAULT, "_Unwind_Backtrace")), HasSubstr("libgcc_s.so.1"));
}

TEST(Image, AnAddressInNoFileIsToldApart) {
  int on_the_stack = 0;
  EXPECT_THAT(describe_stranger(&on_the_stack), HasSubstr("no loaded file"));
  EXPECT_EQ(describe_stranger(address_of_some_function()), "");
}

TEST(Image, AnOpenedPluginIsShipped) {
  temporary_directory dir;
  write_file(dir / "plugin.so", library_bytes());
  const plugin opened(dir / "plugin.so");
  EXPECT_EQ(describe_stranger(opened.function()), "");
  const auto i = image::snapshot();
  EXPECT_THAT(names_of(*i), testing::ElementsAre(testing::_, "plugin.so"));
  EXPECT_EQ(module_of(i->locate(opened.function()).value()), 1);
  EXPECT_EQ(i->as_launchable()->library_path, dir.path().string());
}

TEST(Image, APluginThatTheUserClosesStaysWhereTheImageSaysItIs) {
  temporary_directory dir;
  write_file(dir / "plugin.so", library_bytes());
  plugin opened(dir / "plugin.so");
  auto i = image::snapshot();
  opened.close();
  EXPECT_EQ(loaded_modules().back().name, "plugin.so");
  i.reset();
  EXPECT_NE(loaded_modules().back().name, "plugin.so");
}

TEST(Image, APluginOpenedByARelativeNameIsFound) {
  temporary_directory dir;
  write_file(dir / "plugin.so", library_bytes());
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  const plugin opened("./plugin.so");
  std::filesystem::current_path(before);
  EXPECT_THAT(names_of(*image::snapshot()), testing::Contains("plugin.so"));
}

TEST(Image, AReplacedSharedObjectIsNoticedByItsBuildId) {
  temporary_directory dir;
  auto file = library_bytes();
  write_file(dir / "plugin.so", file);
  const plugin opened(dir / "plugin.so");
  std::filesystem::remove(dir / "plugin.so");
  write_file(dir / "plugin.so", library_without_build_id());
  EXPECT_THAT(refusal(), HasSubstr("plugin.so was replaced on disk"));
  std::filesystem::remove(dir / "plugin.so");
  EXPECT_THAT(refusal(), HasSubstr("cannot read"));
}

TEST(Image, AReplacedSharedObjectWithoutBuildIdIsNoticedByItsCode) {
  temporary_directory dir;
  auto file = library_without_build_id();
  write_file(dir / "plugin.so", file);
  const plugin opened(dir / "plugin.so");
  EXPECT_THAT(names_of(*image::snapshot()), testing::Contains("plugin.so"));
  const auto facts = read_elf(elf_in_memory(as_bytes(file))).value();
  for (const auto& s : facts.segments) {
    if (s.p_type == PT_LOAD && (s.p_flags & PF_X) != 0) file[s.p_offset + s.p_filesz / 2] ^= 1;
  }
  std::filesystem::remove(dir / "plugin.so");
  write_file(dir / "plugin.so", file);
  EXPECT_THAT(refusal(), HasSubstr("plugin.so was replaced on disk"));
}

TEST(Image, TwoFilesOfOneNameAreRefused) {
  temporary_directory one, two;
  write_file(one / "plugin.so", library_bytes());
  write_file(two / "plugin.so", library_without_build_id());
  const plugin a(one / "plugin.so");
  const plugin b(two / "plugin.so");
  EXPECT_THAT(refusal(), HasSubstr("two files of this program are called plugin.so"));
}

TEST(Image, LaunchableIsThisVeryProgram) {
  const auto i = image::snapshot();
  const auto l = i->as_launchable();
  EXPECT_EQ(l->kind, "self");
  EXPECT_EQ(l->id, i->id());
  EXPECT_EQ(l->encoded, i->encoded());
  EXPECT_EQ(l->library_path, "");
  EXPECT_NE(::fcntl(l->program, F_GETFD) & FD_CLOEXEC, 0);
  struct stat ours {
  }, theirs{};
  ASSERT_EQ(::stat("/proc/self/exe", &ours), 0);
  ASSERT_EQ(::fstat(l->program, &theirs), 0);
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
}

TEST(SystemPath, IsWhatTheDistributionOwns) {
  for (const char* path : {"/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2", "/usr/lib/libz.so",
                           "/usr/lib64/x.so", "/usr/libexec/x.so", "/usr/local/../lib/x.so"}) {
    EXPECT_TRUE(is_system_path(path)) << path;
  }
  for (const char* path : {"/usr/local/lib/x.so", "/opt/app/lib/x.so", "/home/a/x.so", "/library/x.so",
                           "/usr/lib/../../opt/x.so", "lib/x.so"}) {
    EXPECT_FALSE(is_system_path(path)) << path;
  }
}

TEST(LoadedImage, FindsEveryFunctionAgain) {
  temporary_directory dir;
  write_file(dir / "plugin.so", library_bytes());
  const plugin opened(dir / "plugin.so");
  const auto i = image::snapshot();
  const loaded_image here(i->contents());
  EXPECT_EQ(here.problem(), "");
  EXPECT_EQ(here.address_of(i->locate(address_of_some_function()).value()), address_of_some_function());
  EXPECT_EQ(here.address_of(i->locate(opened.function()).value()), opened.function());
}

TEST(LoadedImage, DoesNotDependOnTheOrderOfModules) {
  temporary_directory dir;
  write_file(dir / "a.so", library_bytes());
  write_file(dir / "b.so", library_without_build_id());
  const plugin a(dir / "a.so");
  const plugin b(dir / "b.so");
  auto m = image::snapshot()->contents();
  std::swap(m.modules[1], m.modules[2]);
  const loaded_image here(m);
  EXPECT_EQ(here.problem(), "");
  const auto i = image::snapshot();
  const auto in_a = offset_of(i->locate(a.function()).value());
  const auto a_index = static_cast<std::uint16_t>(m.modules[1].name == "a.so" ? 1 : 2);
  EXPECT_EQ(here.address_of(make_location(a_index, in_a)), a.function());
}

TEST(LoadedImage, GivesNoAddressOutsideExecutableCode) {
  const auto i = image::snapshot();
  const loaded_image here(i->contents());
  EXPECT_EQ(here.address_of(i->locate(&some_data).value()), nullptr);
  EXPECT_EQ(here.address_of(make_location(0, offset_mask)), nullptr);
  EXPECT_EQ(here.address_of(make_location(7, 0x1000)), nullptr);
  EXPECT_EQ(here.address_of(no_location), nullptr);
  EXPECT_EQ(here.address_of(virtual_marker << 48U | 8), nullptr);
}

TEST(LoadedImage, RefusesToBeAnotherProgram) {
  auto m = image::snapshot()->contents();
  m.modules[0].build_id.push_back(1);
  EXPECT_THAT(loaded_image(m).problem(), HasSubstr("another program"));
  m.modules.clear();
  EXPECT_THAT(loaded_image(m).problem(), HasSubstr("another program"));
}

TEST(LoadedImage, TellsALibraryOfTheSameNameButOtherContent) {
  temporary_directory dir;
  write_file(dir / "plugin.so", library_bytes());
  const plugin opened(dir / "plugin.so");
  auto m = image::snapshot()->contents();
  m.modules[1].build_id[0] ^= 1;
  EXPECT_THAT(loaded_image(m).problem(), HasSubstr("plugin.so instead of the client's plugin.so"));
}

TEST(LoadedImage, TellsOtherContentByHashWhereThereIsNoBuildId) {
  temporary_directory dir;
  write_file(dir / "plugin.so", library_without_build_id());
  const plugin opened(dir / "plugin.so");
  auto m = image::snapshot()->contents();
  EXPECT_EQ(loaded_image(m).problem(), "");
  m.modules[1].content[0] ^= 1;
  EXPECT_THAT(loaded_image(m).problem(), HasSubstr("instead of the client's plugin.so"));
}

TEST(LoadedImage, SaysWhichSharedObjectCannotBeOpened) {
  auto m = image::snapshot()->contents();
  m.modules.push_back({"libnowhere.so.7", 1, {}, {1}});
  EXPECT_THAT(loaded_image(m).problem(), HasSubstr("the shared object libnowhere.so.7 cannot be opened: "));
}

TEST(ModuleFile, RefusesWhatIsNoElfFile) {
  temporary_directory dir;
  write_file(dir / "text", "hello");
  EXPECT_THROW(module_file::open(dir / "text"), error);
  EXPECT_THROW(module_file::open(dir / "nothing"), error);
}

TEST(ModuleFile, HashIsThatOfWhatIsRead) {
  temporary_directory dir;
  write_file(dir / "lib.so", library_bytes() + std::string(100000, 'd'));  // as if debug sections followed
  const auto file = module_file::open(dir / "lib.so");
  write_file(dir / "bare.so", library_bytes());
  EXPECT_EQ(file.content_hash(), module_file::open(dir / "bare.so").content_hash());
}

}  // namespace
}  // namespace pp::code
