"""What a user asks of the simulators: a study each, with its command line, its files and its report."""
