"""Units of published distances: the worked numbers, and the same points measured both ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.conversions import (
    cd_bound,
    cd_of_occnet,
    cd_sq_of_bounding_box,
    cd_sq_of_gt10,
    cd_sq_of_occnet,
    occnet_of_cd,
)
from zoo.metrics.chamfer import chamfer


@pytest.mark.parametrize(
    ("printed", "cd"), [(0.278, 0.056), (0.215, 0.043), (0.216, 0.043), (0.175, 0.035), (0.194, 0.039)]
)
@pytest.mark.sceptic(27)
def test_the_table_of_occupancy_networks(printed, cd):
    """Chamfer-L1 x 10 of its five rows, and the same as eq. (1) of the R3D report."""
    assert round(cd_of_occnet(printed), 3) == pytest.approx(cd)


@pytest.mark.sceptic(27)
def test_worked_numbers():
    assert occnet_of_cd(0.119) == pytest.approx(0.595)  # Pix3D's best row, as that paper would print it
    assert cd_sq_of_gt10(0.1712) == pytest.approx(0.00171, abs=5e-6)
    assert cd_bound(cd_sq_of_gt10(0.1712)) == pytest.approx(0.0585, abs=5e-5)
    assert cd_bound(0.052) == pytest.approx(0.32, abs=0.005)
    assert cd_sq_of_bounding_box(1.35) == pytest.approx(1.35e-3 / 4)


@settings(deadline=None)  # the first one compiles
@given(st.integers(0, 10_000))
def test_on_points(seed):
    """Each unit computed from scaled clouds, as its authors do, comes back to the one of this benchmark."""
    rng = np.random.default_rng(seed)
    a, b = rng.random((rng.integers(1, 40), 3)), rng.random((rng.integers(1, 40), 3))
    plain = chamfer(a, b)
    assert cd_of_occnet(10 * (plain.accuracy + plain.completeness) / 2) == pytest.approx(plain.cd)
    assert cd_of_occnet(occnet_of_cd(plain.cd)) == pytest.approx(plain.cd)
    assert cd_sq_of_occnet(plain.cd_sq / 2) == pytest.approx(plain.cd_sq)
    assert cd_sq_of_gt10(chamfer(10 * a, 10 * b).cd_sq) == pytest.approx(plain.cd_sq)
    assert cd_sq_of_bounding_box(1000 * chamfer(2 * a, 2 * b).cd_sq) == pytest.approx(plain.cd_sq)
    assert plain.cd <= cd_bound(plain.cd_sq) * (1 + 1e-12)


def test_the_bound_is_reached():
    """Two points at a distance d: cd = 2 d, cd_sq = 2 d^2."""
    result = chamfer(np.zeros((1, 3)), np.array([[0.3, 0, 0]]))
    assert cd_bound(result.cd_sq) == pytest.approx(result.cd) == pytest.approx(0.6)
