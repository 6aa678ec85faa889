# clary_library(name SOURCES a.cpp ... LINK x y [TESTS a_test.cpp ...] [TEST_LINK ...])
#   one folder = one library `clary_<name>` plus one unit-test program `<name>_test` (CTest label "unit").
# Sources are listed, not globbed.
#
# The target `sanitized` is what bin/test builds under AddressSanitizer and UBSan: the fuzzers, and the unit tests of the folders
# that parse foreign bytes (CTest label "sanitized").
add_custom_target(sanitized)
set(CLARY_SANITIZED_TESTS aws base contract formats http hyper objects s3 serving store)

function(clary_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK;TESTS;TEST_LINK" ${ARGN})
  if(A_SOURCES)
    add_library(clary_${name} STATIC ${A_SOURCES})
    target_link_libraries(clary_${name} PUBLIC clary_flags ${A_LINK})
  else()
    add_library(clary_${name} INTERFACE)
    target_link_libraries(clary_${name} INTERFACE clary_flags ${A_LINK})
  endif()
  if(A_TESTS)
    clary_test(${name} SOURCES ${A_TESTS} LINK clary_${name} ${A_TEST_LINK})
  endif()
endfunction()

function(clary_test name)
  cmake_parse_arguments(A "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name}_test ${A_SOURCES})
  target_link_libraries(${name}_test PRIVATE ${A_LINK} clary_flags GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE CLARY_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                                  CLARY_SHARED_DATA="${PROJECT_SOURCE_DIR}/../shared/data")
  add_test(NAME ${A_LABEL}.${name} COMMAND ${name}_test --gtest_brief=1 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${A_LABEL}.${name} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
  if(CLARY_SANITIZE AND name IN_LIST CLARY_SANITIZED_TESTS)
    add_dependencies(sanitized ${name}_test)
    set_tests_properties(${A_LABEL}.${name} PROPERTIES LABELS "${A_LABEL};sanitized" TIMEOUT 600)
  endif()
endfunction()
