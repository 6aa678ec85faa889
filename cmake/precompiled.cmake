# Headers that most sources need, parsed once: JSON and the standard library cost 2 s of every object's 3, Asio 3 of 5.
# Three sets, because a compiler takes a precompiled header only under the same flags. -DCLARY_PRECOMPILED=OFF does without
# and so shows when a source forgets an include.
#
# ccache must ignore the time macros and the definitions seen in a precompiled header: they don't matter here. GCC's header
# itself comes out of the cache byte for byte, so that a clone in another folder finds its objects too. Clang's names the
# files that it was made of, by absolute paths that must exist: each clone makes its own, and ccache goes by a checksum of
# what those files hold (cmake/compile_with_checksum).
option(CLARY_PRECOMPILED "Parse the most used headers once" ON)
if(CLARY_PRECOMPILED AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/cmake/compile_with_checksum env CCACHE_PCH_EXTSUM=1
        ${CMAKE_CXX_COMPILER_LAUNCHER})
  endif()
  # As CMake has it, less an absolute path behind -Xclang, which ccache would not make relative.
  set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -include-pch <PCH_FILE>)
endif()

# Libraries whose sources are built on Asio.
set(CLARY_ASIO_LIBRARIES http aws s3 serving runtime server shell)

function(clary_precompiled_set name)
  if(CLARY_PRECOMPILED)
    add_library(clary_pch_${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cpp)
    target_link_libraries(clary_pch_${name} PRIVATE clary_flags)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")  # out of the cache it fits a fresh checkout, whose files have other times
      target_compile_options(clary_pch_${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    endif()
    target_precompile_headers(clary_pch_${name} PRIVATE
      <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <filesystem> <functional> <map> <memory> <mutex>
      <optional> <set> <span> <sstream> <string> <string_view> <thread> <utility> <variant> <vector> <nlohmann/json.hpp>
      ${ARGN})
  endif()
endfunction()

clary_precompiled_set(core)
clary_precompiled_set(asio ${PROJECT_SOURCE_DIR}/src/http/asio.h)
if(CLARY_PRECOMPILED)
  find_package(Boost 1.74 REQUIRED)
  target_link_libraries(clary_pch_asio PRIVATE Boost::headers)  # its definitions must be the same too
endif()
if(CLARY_UNIT_TESTS AND CLARY_PRECOMPILED)
  clary_precompiled_set(test <gmock/gmock.h> <gtest/gtest.h>)
  target_link_libraries(clary_pch_test PRIVATE clary_test_flags)
endif()

# clary_reuse_precompiled(target set)
function(clary_reuse_precompiled target set)
  if(CLARY_PRECOMPILED)
    target_precompile_headers(${target} REUSE_FROM clary_pch_${set})
  endif()
endfunction()

# clary_use_precompiled(target name link...): picks the set; OpenMP's flag fits none.
function(clary_use_precompiled target name)
  if("${ARGN}" MATCHES "OpenMP")
    return()
  endif()
  if(name IN_LIST CLARY_ASIO_LIBRARIES)
    clary_reuse_precompiled(${target} asio)
  else()
    clary_reuse_precompiled(${target} core)
  endif()
endfunction()
