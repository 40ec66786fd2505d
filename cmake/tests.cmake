# SPDX-License-Identifier: Apache-2.0
# tests/<area>/test_<name>.c is a cmocka program, tests/<area>/<name>.sh a script (exit 77: skipped); each is one ctest "<area>.<name>".
# A file tests/<area>/helpers.c is linked into every program of its area, in tests/kern the check_*.c too.
pkg_check_modules(CMOCKA REQUIRED cmocka)
file(GLOB INTACT_TESTS_C CONFIGURE_DEPENDS tests/*/test_*.c)
set(INTACT_TEST_ENV "INTACT_BIN=$<IF:$<TARGET_EXISTS:intact_cli>,${CMAKE_CURRENT_BINARY_DIR}/intact,>"
    "INTACT_SOURCE=${CMAKE_CURRENT_SOURCE_DIR}" "INTACT_BUILD=${CMAKE_CURRENT_BINARY_DIR}" "OMP_NUM_THREADS=1"
    "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/tests/tsan.supp")
function(test_flags target)
  target_include_directories(${target} PRIVATE src include tests ${GEN} ${CMOCKA_INCLUDE_DIRS} ${PROTOBUF_C_INCLUDE_DIRS})
  target_compile_options(${target} PRIVATE -Wno-missing-prototypes -UNDEBUG)
endfunction()
foreach(src ${INTACT_TESTS_C})
  get_filename_component(dir ${src} DIRECTORY)
  get_filename_component(area ${dir} NAME)
  get_filename_component(name ${src} NAME_WE)
  string(REGEX REPLACE "^test_" "" short ${name})
  set(shared)
  file(GLOB helpers CONFIGURE_DEPENDS ${dir}/helpers.c ${dir}/check_*.c) # check_<kernel>.c: one a kernel, see kern_list.h
  if(helpers)
    set(shared ${area}_helpers)
    if(NOT TARGET ${shared}) # compiled once for all programs of the area
      add_library(${shared} OBJECT ${helpers})
      test_flags(${shared})
      add_dependencies(${shared} intact_onnx_proto)
    endif()
  endif()
  add_executable(${area}_${name} ${src})
  test_flags(${area}_${name})
  target_link_libraries(${area}_${name} PRIVATE ${shared} intact ${CMOCKA_LIBRARIES})
  add_test(NAME ${area}.${short} COMMAND ${area}_${name})
  set_tests_properties(${area}.${short} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT "${INTACT_TEST_ENV}" TIMEOUT 600)
endforeach()
file(GLOB INTACT_TESTS_SH CONFIGURE_DEPENDS tests/*/*.sh)
foreach(src ${INTACT_TESTS_SH})
  get_filename_component(dir ${src} DIRECTORY)
  get_filename_component(area ${dir} NAME)
  get_filename_component(name ${src} NAME_WE)
  if(NOT name MATCHES "^lib")
    add_test(NAME ${area}.${name} COMMAND bash ${src})
    set_tests_properties(${area}.${name} PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT "${INTACT_TEST_ENV}" TIMEOUT 900)
    # Networks at full size, searches of many trials: once, in the release build.
    if(area STREQUAL "accuracy" OR "${area}.${name}" MATCHES "^(cli\\.(new|search|gate|fallback|readme)|report\\.search)$")
      set_tests_properties(${area}.${name} PROPERTIES LABELS slow)
    endif()
  endif()
endforeach()
# The longest begin first, so that no processor waits for them at the end.
foreach(test accuracy.imagenet accuracy.cifar cli.new cli.search cli.gate cli.fallback cli.end_to_end report.search kern.kern cross.old_cpus
        train.step train.overfit run.views run.threads run.load cli.peak_memory arch.arch)
  if(TEST ${test})
    set_tests_properties(${test} PROPERTIES COST 100)
  endif()
endforeach()
