# What users get: the library pp::client, its headers, the two programs, and a CMake package for find_package(pp).
#
# There is no shared libpp: a worker is the user's own program, so pp travels inside it, and a static library is what keeps a
# program that was shipped to a node independent of what is installed there. BUILD_SHARED_LIBS is therefore not looked at.
include(CMakePackageConfigHelpers)

# Everything but ppserver, folded into one archive, so that users link one thing and never learn our folders.
add_library(pp_client_library STATIC)
add_library(pp::client ALIAS pp_client_library)
foreach(component base wire auth net code discovery worker ppclient)
  target_sources(pp_client_library PRIVATE $<TARGET_OBJECTS:pp_${component}>)
endforeach()
set_target_properties(pp_client_library PROPERTIES OUTPUT_NAME pp EXPORT_NAME client LINKER_LANGUAGE CXX
                                                   VERIFY_INTERFACE_HEADER_SETS ON)
target_compile_features(pp_client_library PUBLIC cxx_std_20)
target_sources(pp_client_library PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${PP_PUBLIC_HEADERS})

# System libraries by name and not by path, so that the linker takes the static ones in a program linked with -static.
# cereal is all that <pp/…> includes besides the standard library.
target_link_libraries(pp_client_library INTERFACE cereal::cereal ssl crypto zstd Threads::Threads ${CMAKE_DL_LIBS})
if(PP_SANITIZE)
  # A program in this build that links an instrumented library must be instrumented too.
  target_compile_options(pp_client_library INTERFACE $<BUILD_INTERFACE:-fsanitize=${PP_SANITIZE}>
                                                     $<BUILD_INTERFACE:-fno-sanitize-recover=all>)
  target_link_options(pp_client_library INTERFACE $<BUILD_INTERFACE:-fsanitize=${PP_SANITIZE}>)
endif()

if(PROJECT_IS_TOP_LEVEL)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pp)
  install(TARGETS pp_client_library EXPORT pp-targets FILE_SET HEADERS)
  install(EXPORT pp-targets NAMESPACE pp:: DESTINATION ${package_dir})
  configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/pp-config.cmake.in ${PROJECT_BINARY_DIR}/pp-config.cmake
                                INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/pp-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/pp-config.cmake ${PROJECT_BINARY_DIR}/pp-config-version.cmake
          DESTINATION ${package_dir})
endif()
