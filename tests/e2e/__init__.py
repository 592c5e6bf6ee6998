"""The services as processes, from HTTP to the journal."""
