"""Whether a system can learn eight shapes by heart."""
