// SPDX-License-Identifier: Apache-2.0
// The table of all resources and how it came to its present form.
#pragma once

#include "platform/store/database.h"

namespace clary::resources {

/// Brings the table up to date, and takes over what version 0.1.0 kept in a table a kind; nothing when that is done.
void create_tables(store::Database& database);

}  // namespace clary::resources
