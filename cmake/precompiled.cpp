// SPDX-License-Identifier: Apache-2.0
// The source of the precompiled headers (precompiled.cmake): CMake needs one to compile them with.
