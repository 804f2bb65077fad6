"""A comparison as a table: on a terminal, in Markdown, CSV, JSON and LaTeX, beside published numbers."""
