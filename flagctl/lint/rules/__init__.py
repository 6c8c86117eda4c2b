"""One rule a module: `INFO` documents it, `check` finds what it is about."""
