"""How long voxelisers take for meshes, and how good the solids of damaged ones are."""
