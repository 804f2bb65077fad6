"""Side experiments, each a command of its own."""
