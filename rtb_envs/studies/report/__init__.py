"""Reports on runs: what a run's files say, as one HTML page, as pictures, and as tables."""
