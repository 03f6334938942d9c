"""What every statement rests on: its level, the fewest seeds that it takes, and which differences are judged together."""

ALPHA = 0.05  # of all differences of one family together
LEVEL = 1 - ALPHA
FEWEST = 3  # seeds: two agree by chance too often, accuracies being counts
FLAT = 1e-12  # accuracies are counts over n: a smaller sd is the rounding of float64, not variance
TOGETHER = ("test", "gap")  # one family; every other metric is a family of its own
