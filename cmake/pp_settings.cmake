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

# Everything compiled here links this; it is never exported.
add_library(pp_private INTERFACE)
target_compile_features(pp_private INTERFACE cxx_std_20)
target_compile_options(pp_private INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(PP_WARNINGS_AS_ERRORS)
  target_compile_options(pp_private INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 warns falsely inside libstdc++ and coroutine frames at -O2 (GCC bugs 105562, 98675).
  target_compile_options(pp_private INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
                                             -Wno-array-bounds -Wno-stringop-overread -Wno-dangling-pointer)
endif()
target_include_directories(pp_private INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(pp_private INTERFACE PP_VERSION="${PROJECT_VERSION}")

# Hardening as docs/security.md lists it; fortify needs optimisation, and sanitizers bring their own checks.
target_compile_options(pp_private INTERFACE -fstack-protector-strong -fcf-protection -fPIC)
if(PP_SANITIZE)
  target_compile_options(pp_private INTERFACE -fsanitize=${PP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(pp_private INTERFACE -fsanitize=${PP_SANITIZE})
else()
  target_compile_definitions(pp_private INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2> _GLIBCXX_ASSERTIONS)
  target_link_options(pp_private INTERFACE -Wl,-z,relro,-z,now)
endif()
