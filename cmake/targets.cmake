# clary_library(name SOURCES a.cpp ... LINK x y [PRIVATE_LINK z] [TESTS a_test.cpp ...] [TEST_LINK ...])
#   one folder = one library `clary_<name>` plus one unit-test program `<name>_test` (CTest label "unit").
# clary_algorithm(name LINK x y)
#   one algorithm = the program `<name>` from main.cpp, and its description beside it.
# Sources are listed, not globbed.
#
# The target `programs` is what people run: the server and every algorithm. (`all` builds the tests too.)
add_custom_target(programs)

# The target `sanitized` is what bin/test builds under a sanitizer, and the CTest label of the unit tests in it. With
# AddressSanitizer and UBSan: the fuzzers (which reach the algorithms' parsers), and the folders that parse foreign bytes or start
# processes. With ThreadSanitizer:
# the server, and the folders whose code its threads and those of an algorithm's server run.
add_custom_target(sanitized)
set(CLARY_SANITIZED_TESTS agent artifact aws base catalog contract executors formats http hyper knn_core logs objects resources
                          metric_store runtime s3 sandbox serving shell store telemetry training vision)
set(CLARY_THREAD_TESTS agent aws base catalog executors http logs metric_store objects resources runtime s3 sandbox serving
                       shell store telemetry training)
if(CLARY_SANITIZE MATCHES thread)
  set(CLARY_SANITIZED_TESTS ${CLARY_THREAD_TESTS})
endif()

add_library(clary_test_support STATIC EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/support/paths.cpp)
target_link_libraries(clary_test_support PUBLIC clary_flags)
target_include_directories(clary_test_support PUBLIC ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(clary_test_support PRIVATE CLARY_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                           CLARY_BINARY_DIR="${PROJECT_BINARY_DIR}")

# clary_vector_sources(a.cpp ...): Highway's lowest target with vectors; AVX2 and AVX-512 are chosen at run time. Other flags
# than the precompiled headers have.
function(clary_vector_sources)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "-mssse3" SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()

function(clary_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK;PRIVATE_LINK;TESTS;TEST_LINK" ${ARGN})
  if(A_SOURCES)
    add_library(clary_${name} STATIC ${A_SOURCES})
    target_link_libraries(clary_${name} PUBLIC clary_flags ${A_LINK})
    target_link_libraries(clary_${name} PRIVATE ${A_PRIVATE_LINK})
    clary_use_precompiled(clary_${name} ${name} ${A_PRIVATE_LINK})
  else()
    add_library(clary_${name} INTERFACE)
    target_link_libraries(clary_${name} INTERFACE clary_flags ${A_LINK})
  endif()
  if(A_TESTS)
    clary_test(${name} SOURCES ${A_TESTS} LINK clary_${name} ${A_TEST_LINK})
  endif()
endfunction()

function(clary_algorithm name)
  cmake_parse_arguments(A "" "" "LINK" ${ARGN})
  add_executable(${name} main.cpp)
  target_link_libraries(${name} PRIVATE ${A_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/libexec/clary/algorithms)
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM
    COMMAND sh -c "\"$1\" describe > \"$1.json.tmp\" && mv \"$1.json.tmp\" \"$1.json\"" -- $<TARGET_FILE:${name}>)
  add_dependencies(programs ${name})
endfunction()

function(clary_test name)
  if(NOT CLARY_UNIT_TESTS)
    return()
  endif()
  cmake_parse_arguments(A "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT A_LABEL)
    set(A_LABEL unit)
  endif()
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  add_executable(${name}_test ${A_SOURCES})
  target_link_libraries(${name}_test PRIVATE ${A_LINK} clary_test_support clary_test_flags GTest::gtest_main)
  clary_reuse_precompiled(${name}_test test)
  add_test(NAME ${A_LABEL}.${name} COMMAND ${name}_test --gtest_brief=1 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${A_LABEL}.${name} PROPERTIES LABELS ${A_LABEL} TIMEOUT ${A_TIMEOUT})
  if(CLARY_SANITIZE AND name IN_LIST CLARY_SANITIZED_TESTS)
    add_dependencies(sanitized ${name}_test)
    set_tests_properties(${A_LABEL}.${name} PROPERTIES LABELS "${A_LABEL};sanitized" TIMEOUT 600)
  endif()
endfunction()
