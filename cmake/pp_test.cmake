# pp_test_program(NAME LABEL label TIMEOUT seconds [PROCESSORS n] [PREFIX text] [LINK target…])
#
# One GoogleTest program from the files that ./sources.txt lists, one a line; every TEST becomes a ctest of its own. The list is
# a file so that adding a test is a one-line change that merges well.
include(GoogleTest)

function(pp_test_program name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT;PROCESSORS" "LINK" ${ARGN})
  set(list_file ${CMAKE_CURRENT_SOURCE_DIR}/sources.txt)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list_file})
  file(STRINGS ${list_file} sources REGEX "^[^#]")
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE pp_test_support ${ARG_LINK})
  target_compile_definitions(${name} PRIVATE PP_TEST_DATA="${PROJECT_SOURCE_DIR}/tests" PP_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             PP_BINARY_DIR="${PROJECT_BINARY_DIR}")
  pp_precompile(${name} TEST <gmock/gmock.h> <gtest/gtest.h> ${PROJECT_SOURCE_DIR}/include/pp/pp.hpp
                ${PROJECT_SOURCE_DIR}/net/asio.hpp)
  if(NOT ARG_PROCESSORS)
    set(ARG_PROCESSORS 1)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_PREFIX ${ARG_LABEL}.
                       PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} PROCESSORS ${ARG_PROCESSORS})
endfunction()

# pp_test_again(NAME LABEL label TIMEOUT seconds PROCESSORS n PREFIX text FILTER gtest-filter ENVIRONMENT NAME=value…)
#
# Some tests of a program once more in another environment.
function(pp_test_again name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT;PROCESSORS;PREFIX;FILTER" "ENVIRONMENT" ${ARGN})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 TEST_PREFIX ${ARG_PREFIX}.
                       TEST_FILTER ${ARG_FILTER} TEST_LIST ${name}_${ARG_LABEL}_again
                       PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} PROCESSORS ${ARG_PROCESSORS}
                                  ENVIRONMENT "${ARG_ENVIRONMENT}")
endfunction()
