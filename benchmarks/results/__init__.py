"""Everything that lies in a store, under names that can be typed."""
