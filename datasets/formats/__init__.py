"""Readers and writers of the field's file formats, one file each. Hostile input raises `BadItem`."""
