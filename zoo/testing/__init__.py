"""The contract of every part as checks, and the smallest models to try them on."""
