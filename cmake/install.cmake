# SPDX-License-Identifier: Apache-2.0
# make install: libraries, headers, command, man pages, completion, pkg-config and CMake package files.
include(CMakePackageConfigHelpers)

install(TARGETS intact_run intact_run_shared intact EXPORT intact-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS intact_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/intact DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT intact-targets NAMESPACE intact:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/intact)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/intact-config.cmake
  "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\nfind_dependency(JPEG)\ninclude(\"\${CMAKE_CURRENT_LIST_DIR}/intact-targets.cmake\")\n")
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/intact-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/intact-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/intact-config-version.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/intact)

foreach(lib intact-run intact)
  if(lib STREQUAL "intact-run")
    set(what "Runs integer neural networks, with integers only")
    set(libs "-L\${libdir} -lintact-run -pthread")
    set(requires "")
  else()
    set(what "Makes trained neural networks integer")
    set(libs "-L\${libdir} -lintact -ldnnl -ljpeg -lgomp -lm")
    set(requires "Requires: intact-run libprotobuf-c jansson zlib libpng\n")
  endif()
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${lib}.pc
    "prefix=${CMAKE_INSTALL_PREFIX}\nlibdir=${CMAKE_INSTALL_FULL_LIBDIR}\nincludedir=${CMAKE_INSTALL_FULL_INCLUDEDIR}\n\nName: ${lib}\nDescription: ${what}\nVersion: ${PROJECT_VERSION}\n${requires}Libs: ${libs}\nCflags: -I\${includedir}\n")
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${lib}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

# Man pages and completion come out of the command itself.
if(NOT CMAKE_CROSSCOMPILING)
  set(pages)
  file(GLOB commands RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/src/cli src/cli/cmd_*.c)
  foreach(c "" ${commands})
    string(REGEX REPLACE "^cmd_|[.]c$" "" verb "${c}")
    if(verb)
      set(page ${CMAKE_CURRENT_BINARY_DIR}/man/intact-${verb}.1)
    else()
      set(page ${CMAKE_CURRENT_BINARY_DIR}/man/intact.1)
    endif()
    add_custom_command(OUTPUT ${page} COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/man
      COMMAND intact_cli man ${verb} > ${page} DEPENDS intact_cli VERBATIM)
    list(APPEND pages ${page})
  endforeach()
  set(completion ${CMAKE_CURRENT_BINARY_DIR}/completion/intact)
  add_custom_command(OUTPUT ${completion} COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/completion
    COMMAND intact_cli completion > ${completion} DEPENDS intact_cli VERBATIM)
  add_custom_target(intact_manual ALL DEPENDS ${pages} ${completion})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()
