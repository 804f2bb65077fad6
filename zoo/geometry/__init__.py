"""Meshes, voxels, points, cameras and pictures of them. Numpy and numba; nothing here imports torch."""
