"""Speed, as ratios: every figure of ours stands beside a named baseline measured in the same run."""
