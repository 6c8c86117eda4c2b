"""What an app embeds: a client that keeps its flags up to date in the background."""
