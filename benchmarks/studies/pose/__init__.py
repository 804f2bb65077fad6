"""How well models with a viewpoint head know the camera."""
