"""What is kept of every result: its schema, its identity, its files, and where it was made."""
