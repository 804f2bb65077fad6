"""What one command asks for, before anything is done."""
