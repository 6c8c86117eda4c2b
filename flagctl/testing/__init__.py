"""For the tests of applications: a pytest plugin that overrides flags and watches exposures."""
