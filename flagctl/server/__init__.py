"""HTTP servers: flag evaluation for other languages, and the admin web UI."""
