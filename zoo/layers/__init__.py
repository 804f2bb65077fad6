"""Blocks that several encoders and decoders share."""
