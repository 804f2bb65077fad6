"""How long scoring takes: metric by metric, and from end to end."""
