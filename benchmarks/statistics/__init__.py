"""Intervals, paired tests and what may stand in one table."""
