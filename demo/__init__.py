"""EMQX installations and release packages that look real, made on the spot for demo, tests and benchmarks."""
