# All compile flags live on this one interface target.
add_library(clary_flags INTERFACE)
target_compile_features(clary_flags INTERFACE cxx_std_20)
target_include_directories(clary_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
target_compile_options(clary_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror -fno-omit-frame-pointer -pthread)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives of these inside libstdc++ and coroutine frames at -O3.
  target_compile_options(clary_flags INTERFACE -fcoroutines -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
                                               -Wno-array-bounds -Wno-stringop-overread -Wno-mismatched-new-delete)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(clary_flags INTERFACE -Wthread-safety)  # checks the annotations of base/mutex.h
endif()
target_compile_definitions(clary_flags INTERFACE SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB _FILE_OFFSET_BITS=64)
if(CLARY_SANITIZE)
  # -O1 and line tables: a tenth less to compile than -O2 -g, and the reports say as much.
  target_compile_options(clary_flags INTERFACE -O1 -g1 -fsanitize=${CLARY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(clary_flags INTERFACE -fsanitize=${CLARY_SANITIZE})
  target_compile_definitions(clary_flags INTERFACE CLARY_SANITIZED)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # clang 14 cannot put UBSan's function-type prologue before coroutines ("Cannot represent a difference across sections").
    target_compile_options(clary_flags INTERFACE -fno-sanitize=function)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CLARY_SANITIZE MATCHES "thread")
    # Asio puts fences around handlers, which the sanitizer does not understand. Nothing relies on them alone: Asio's queues are
    # behind mutexes.
    target_compile_options(clary_flags INTERFACE -Wno-tsan)
  endif()
endif()
if(CLARY_COVERAGE)
  target_compile_options(clary_flags INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(clary_flags INTERFACE --coverage)
endif()
if(CLARY_FUZZ)
  target_compile_options(clary_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Unit tests: half the compile time of -O3, or under a sanitizer of -O1, and nothing that they measure. Which of their own
# branches a fuzzer could reach is of no interest.
add_library(clary_test_flags INTERFACE)
target_link_libraries(clary_test_flags INTERFACE clary_flags)
if(CLARY_UNIT_TESTS)
  target_link_libraries(clary_test_flags INTERFACE GTest::gtest GTest::gmock)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(clary_test_flags INTERFACE -O1)
elseif(CLARY_SANITIZE)
  target_compile_options(clary_test_flags INTERFACE -O0)
endif()
if(CLARY_FUZZ)
  target_compile_options(clary_test_flags INTERFACE -fno-sanitize=fuzzer-no-link)
endif()
