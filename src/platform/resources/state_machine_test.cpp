// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/state_machine.h"

#include <gtest/gtest.h>

namespace clary::resources {
namespace {

enum class Door { kOpen, kClosed, kBricked };

constexpr auto kDoor = state_machine<Door>({
    {Door::kOpen, Door::kClosed},
    {Door::kClosed, Door::kOpen},
    {Door::kClosed, Door::kBricked},
});
static_assert(kDoor.is_terminal(Door::kBricked), "a table can be checked by the compiler");

TEST(StateMachine, AllowsTheMovesOfItsTableAndNoOther) {
  EXPECT_TRUE(kDoor.can_move(Door::kOpen, Door::kClosed));
  EXPECT_FALSE(kDoor.can_move(Door::kOpen, Door::kBricked));
  EXPECT_FALSE(kDoor.can_move(Door::kOpen, Door::kOpen));
}

TEST(StateMachine, AStateThatNoMoveLeavesIsTerminal) {
  EXPECT_FALSE(kDoor.is_terminal(Door::kClosed));
  EXPECT_TRUE(kDoor.is_terminal(Door::kBricked));
}

}  // namespace
}  // namespace clary::resources
