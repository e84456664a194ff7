# Every dependency is a Debian 12 package (tools/apt-packages) and is found by find_package only.
set(CMAKE_THREAD_PREFER_PTHREAD ON)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS SSL Crypto)
find_package(cereal REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(zstd 1.5 REQUIRED)
find_package(SQLite3 3.35 REQUIRED) # its header only; the library is loaded by who uses a journal
if(PP_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()

# spdlog without its shared libraries: Debian has no static ones, and a program that uses pp may be linked with -static.
add_library(pp_spdlog INTERFACE)
target_compile_definitions(pp_spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
