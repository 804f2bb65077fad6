"""Predictions and truths that somebody else wrote, paired by name."""
