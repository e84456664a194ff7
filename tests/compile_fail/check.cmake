# Compiles SOURCE with COMPILER and INCLUDES. With a line `// expect: TEXT` it must fail and say TEXT; without one it must succeed.
cmake_minimum_required(VERSION 3.25)

set(flags -std=c++20 -fsyntax-only)
foreach(directory IN LISTS INCLUDES)
  list(APPEND flags -idirafter ${directory})  # -I /usr/include would hide the compiler's own order
endforeach()
execute_process(COMMAND ${COMPILER} ${flags} ${SOURCE} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)

file(STRINGS ${SOURCE} expected REGEX "^// expect: ")
if(NOT expected)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "it must compile, but the compiler said:\n${said}")
  endif()
  return()
endif()

string(REGEX REPLACE "^// expect: " "" expected "${expected}")
if(status EQUAL 0)
  message(FATAL_ERROR "it compiled, but should have been refused with: ${expected}")
endif()
string(FIND "${said}" "${expected}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "it was refused, but not with: ${expected}\nThe compiler said:\n${said}")
endif()
