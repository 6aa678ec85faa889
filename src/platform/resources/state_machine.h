// SPDX-License-Identifier: Apache-2.0
// The states of one kind of thing as a table of allowed moves: code that changes a state checks the move first, and a
// static_assert can. A state that no move leaves is terminal.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace clary::resources {

template <class State>
struct Move {
  State from, to;
};

/// @tparam State  an enum, or std::string_view where the states are AWS's words
template <class State, std::size_t kMoves>
class StateMachine {
 public:
  constexpr explicit StateMachine(const std::array<Move<State>, kMoves>& moves) : moves_(moves) {}

  constexpr bool can_move(State from, State to) const {
    return std::any_of(moves_.begin(), moves_.end(),
                       [&](const Move<State>& move) { return move.from == from && move.to == to; });
  }

  constexpr bool is_terminal(State state) const {
    return std::none_of(moves_.begin(), moves_.end(), [&](const Move<State>& move) { return move.from == state; });
  }

 private:
  std::array<Move<State>, kMoves> moves_;
};

/// state_machine<State>({{from, to}, ...})
template <class State, std::size_t kMoves>
constexpr StateMachine<State, kMoves> state_machine(const Move<State> (&moves)[kMoves]) {
  return StateMachine<State, kMoves>(std::to_array(moves));
}

}  // namespace clary::resources
