"""The real training tasks that a study repeats: one pure function from settings and seed to an outcome each."""
