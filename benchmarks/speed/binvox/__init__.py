"""How long readers take for binvox files."""
