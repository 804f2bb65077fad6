"""Shapes classified by fixed descriptors: what 3D-GAN's discriminator is worth."""
