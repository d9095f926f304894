"""One package per environment: configuration, parameters, state, dynamics."""
