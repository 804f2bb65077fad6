"""How fast training samples come off the disk, by layout."""
