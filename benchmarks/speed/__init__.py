"""Speed benchmarks: ratios against the alternative, measured in the same run."""
