"""The one trainer: stages, steps, checkpoints, seeds."""
