"""What all commands share, and the commands of the zoo."""
