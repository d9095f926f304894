"""Studies: what users ask of the simulators, from input files to a report."""
