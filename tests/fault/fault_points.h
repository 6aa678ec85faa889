// SPDX-License-Identifier: Apache-2.0
// Failing system calls: this program's own write, pwrite, fsync, fdatasync, syncfs, rename, ftruncate and
// copy_file_range override libc's, also for SQLite. While armed, the n-th such call (counted from 0, over all
// threads) fails.
#pragma once

#include <string>

namespace clary::fault {

/// @param error  errno of the failing call
/// @param lasting  every later call fails, too, as on a full disk
void arm(int n, int error, bool lasting);
/// @return true when a call was made to fail
bool disarm();

/// The names of the calls since arm(), in their order: "fsync rename ".
std::string calls();

}  // namespace clary::fault
