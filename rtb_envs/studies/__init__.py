"""Studies: what an advertiser or a market designer asks of the simulators; runs, stores and reports on the host."""
