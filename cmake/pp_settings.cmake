# Compiler settings of this project's own targets. Nothing global is set that could leak into a parent project.
if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Kind of build" FORCE)
  endif()
  find_program(PP_CCACHE ccache)
  if(PP_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${PP_CCACHE})
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

# How everything here is compiled, programs that see only <pp/…> included; never exported.
add_library(pp_warnings INTERFACE)
target_compile_features(pp_warnings INTERFACE cxx_std_20)
target_compile_options(pp_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(PP_WARNINGS_AS_ERRORS)
  target_compile_options(pp_warnings INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 warns falsely inside libstdc++ and coroutine frames at -O2 (GCC bugs 105562, 98675).
  target_compile_options(pp_warnings INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
                                               -Wno-array-bounds -Wno-stringop-overread -Wno-dangling-pointer)
endif()

# Hardening as docs/security.md lists it; fortify needs optimisation, and sanitizers bring their own checks.
target_compile_options(pp_warnings INTERFACE -fstack-protector-strong -fPIC)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(pp_warnings INTERFACE -fcf-protection)
endif()
if(PP_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # Asio's fences are around handlers of several threads; every io_context here is run by one.
  target_compile_options(pp_warnings INTERFACE -Wno-tsan)
endif()
if(PP_SANITIZE)
  target_compile_options(pp_warnings INTERFACE -fsanitize=${PP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(pp_warnings INTERFACE -fsanitize=${PP_SANITIZE})
else()
  target_compile_definitions(pp_warnings INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2> _GLIBCXX_ASSERTIONS)
  target_link_options(pp_warnings INTERFACE -Wl,-z,relro,-z,now)
endif()

# The components: the same, and the whole tree may be included (lint.layers says by whom).
add_library(pp_private INTERFACE)
target_link_libraries(pp_private INTERFACE pp_warnings)
target_include_directories(pp_private INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(pp_private INTERFACE PP_VERSION="${PROJECT_VERSION}")

# pp_precompile(TARGET [TEST] header…): what all files of a target include is read once. Of the product in builds with sanitizers
# only, so that the optimised build finds includes that are missing; of tests always: they are most of the time of tools/test.
function(pp_precompile target)
  cmake_parse_arguments(ARG "TEST" "" "" ${ARGN})
  if(PP_SANITIZE OR ARG_TEST)
    target_precompile_headers(${target} PRIVATE <algorithm> <chrono> <functional> <map> <memory> <optional> <string> <vector>
                              ${ARG_UNPARSED_ARGUMENTS})
  endif()
endfunction()
