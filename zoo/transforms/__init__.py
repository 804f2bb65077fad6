"""What happens to pictures and shapes before a network reads them, and after."""
