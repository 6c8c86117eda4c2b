"""Power, sample-ratio checks, statistics and decision rules of experiments: pure numerics."""
