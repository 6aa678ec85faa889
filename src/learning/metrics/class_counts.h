// SPDX-License-Identifier: Apache-2.0
// What classifiers are judged by: accuracy, precision, recall, F. Everything follows from three counts a class, which
// add up over batches and hosts. Definitions are scikit-learn's; a ratio whose denominator is 0 is 0.
#pragma once

#include <cstddef>
#include <span>

namespace clary::metrics {

inline double ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

/// One class against all others. Doubles, because that is what hosts sum; exact up to 2^53 rows.
struct ClassCounts {
  double labelled = 0;   // rows of this class
  double predicted = 0;  // rows that were given this class
  double right = 0;      // rows of this class that were given it

  double precision() const { return ratio(right, predicted); }
  double recall() const { return ratio(right, labelled); }
  /// (1 + b^2) P R / (b^2 P + R)
  double f(double beta = 1) const {
    const double b2 = beta * beta;
    return ratio((1 + b2) * right, b2 * labelled + predicted);
  }
};

/// One row into the counts of all classes.
inline void add_row(std::span<ClassCounts> classes, std::size_t label, std::size_t predicted) {
  classes[label].labelled += 1;
  classes[predicted].predicted += 1;
  if (label == predicted) classes[label].right += 1;
}

inline double accuracy(std::span<const ClassCounts> classes) {
  double right = 0, rows = 0;
  for (const ClassCounts& c : classes) right += c.right, rows += c.labelled;
  return ratio(right, rows);
}

/// Means over classes: over all, over those that rows have, or over those that rows have or were given.
enum class Over { kAll, kLabelled, kOccurring };

/// @param value  of one class: [](const ClassCounts&) -> double. @return 0 when there is no such class
template <class Value>
double mean(std::span<const ClassCounts> classes, Over over, Value&& value) {
  double sum = 0, count = 0;
  for (const ClassCounts& c : classes) {
    if (over == Over::kLabelled && c.labelled == 0) continue;
    if (over == Over::kOccurring && c.labelled == 0 && c.predicted == 0) continue;
    sum += value(c), count += 1;
  }
  return ratio(sum, count);
}

/// Mean recall of the classes that rows have.
inline double balanced_accuracy(std::span<const ClassCounts> classes) {
  return mean(classes, Over::kLabelled, [](const ClassCounts& c) { return c.recall(); });
}

}  // namespace clary::metrics
