# SPDX-License-Identifier: Apache-2.0
# make install: libraries, headers, command, man pages, completion, pkg-config and CMake package files.
include(CMakePackageConfigHelpers)

set(INTACT_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/intact)
install(TARGETS intact_run intact_run_shared EXPORT intact-run-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT intact-run-targets NAMESPACE intact:: DESTINATION ${INTACT_PACKAGE_DIR})
install(FILES include/intact/run.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/intact)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/intact-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/intact-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/intact-config-version.cmake DESTINATION ${INTACT_PACKAGE_DIR})

# pkg-config files find their prefix from where they lie, so that the installed tree can move.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(INTACT_PC_DIRS "libdir=${CMAKE_INSTALL_FULL_LIBDIR}\nincludedir=${CMAKE_INSTALL_FULL_INCLUDEDIR}\n")
else()
  file(RELATIVE_PATH up "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /p)
  string(REGEX REPLACE "/$" "" up "${up}")
  set(INTACT_PC_DIRS
    "prefix=\${pcfiledir}/${up}\nlibdir=\${prefix}/${CMAKE_INSTALL_LIBDIR}\nincludedir=\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}\n")
endif()
function(intact_pkgconfig name what lines)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc
    "${INTACT_PC_DIRS}\nName: ${name}\nDescription: ${what}\nVersion: ${PROJECT_VERSION}\n${lines}Cflags: -I\${includedir}\n")
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
intact_pkgconfig(intact-run "Runs integer neural networks, with integers only" "Libs: -L\${libdir} -lintact-run -pthread\n")
if(INTACT_RUNTIME_ONLY)
  return()
endif()

install(TARGETS intact EXPORT intact-toolkit-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT intact-toolkit-targets NAMESPACE intact:: DESTINATION ${INTACT_PACKAGE_DIR})
install(TARGETS intact_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES include/intact/intact.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/intact)
if(INTACT_MPI) # what a program that links the toolkit needs then
  install(FILES cmake/intact-mpi.cmake DESTINATION ${INTACT_PACKAGE_DIR})
  set(INTACT_PC_MPI " ompi-c")
endif()
# the toolkit uses what the shared runtime hides: it takes the static one
intact_pkgconfig(intact "Makes trained neural networks integer"
  "Requires: libprotobuf-c jansson zlib libpng libjpeg${INTACT_PC_MPI}\nLibs: -L\${libdir} -lintact -l:libintact-run.a -ldnnl -lgomp -lm -pthread\n")

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
