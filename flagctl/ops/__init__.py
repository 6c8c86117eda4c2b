"""Use cases, one module per verb: they take options, return results, and never print."""
