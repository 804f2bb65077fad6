"""Vertices and faces told apart by where they are, not by number: is a mesh closed, which faces repeat."""

from __future__ import annotations

from typing import no_type_check

import numpy as np

from zoo.system.compiled import njit


def vertex_names(vertices: np.ndarray) -> np.ndarray:
    """A 64-bit hash (V,) of each position."""
    return _hash_rows((vertices + 0.0).view(np.uint64))  # + 0.0 turns -0.0 into 0.0


def is_closed(names: np.ndarray, faces: np.ndarray) -> bool:
    """Whether every edge is run through as often one way as the other, so that a winding number exists."""
    return bool(_boundary(names, faces) == 0)


def distinct_faces(names: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Number of the first face on each triple of positions, whichever way it is turned; ascending."""
    return np.sort(np.unique(_face_names(names, faces), return_index=True)[1])


@njit
@no_type_check
def _mix(value):
    """Finaliser of splitmix64: a bijection whose output looks random."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit
@no_type_check
def _hash_rows(rows):
    names = np.empty(rows.shape[0], np.uint64)
    for i in range(rows.shape[0]):
        names[i] = np.uint64(0x9E3779B97F4A7C15)
        for d in range(rows.shape[1]):
            names[i] = _mix(names[i] + rows[i, d])
    return names


@njit
@no_type_check
def _face_names(names, faces):
    """A hash (F,) of each face's corners that does not depend on their order."""
    out = np.empty(faces.shape[0], np.uint64)
    for f in range(faces.shape[0]):
        a, b, c = names[faces[f, 0]], names[faces[f, 1]], names[faces[f, 2]]
        low, high = min(a, b, c), max(a, b, c)
        out[f] = _mix(_mix(_mix(low) + (a ^ b ^ c ^ low ^ high)) + high)
    return out


@njit
@no_type_check
def _boundary(names, faces):
    """Hash of the boundary, 0 when there is none.

    Every directed edge adds a hash that its reverse subtracts; no sorting is needed, and 64 bits leave no
    room for accidents.
    """
    total = np.uint64(0)
    for f in range(faces.shape[0]):
        for i in range(3):
            a, b = names[faces[f, i]], names[faces[f, (i + 1) % 3]]
            if a < b:
                total += _mix(_mix(a) + b)
            elif b < a:
                total -= _mix(_mix(b) + a)
    return total
