"""The data sets themselves: one file or folder each, found by the registry."""
