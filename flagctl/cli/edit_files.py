"""Commands that look at whole files and whole environments: `fmt`, `promote`, `compare`."""
