"""How long a view of a mesh takes, by our rasteriser and by Embree's rays."""
