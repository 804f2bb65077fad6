"""Processes, locks, compiled kernels, and texts and files that may come from anybody."""
