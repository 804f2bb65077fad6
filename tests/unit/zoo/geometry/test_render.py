"""The renderer against closed forms, a ray caster written here, and `Camera.project`."""

import math

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from zoo.geometry.camera import Camera
from zoo.geometry.mesh import FAR, Mesh
from zoo.geometry.rasterize import NEAR
from zoo.geometry.render import Light, render
from zoo.geometry.surface import marching_cubes

SQUARE = np.array([[0, 1, 2], [0, 2, 3]])
VIEWS = [Camera(0, 0, 1.6), Camera(30, 25, 1.3), Camera(215, -40, 1.9, 20), Camera(90, 89, 1.5, fov=60)]


def as_mesh(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(shape.vertices, shape.faces)


def l_shape(resolution: int = 16) -> np.ndarray:
    """Three arms of different lengths, so that no axis or sign can be mixed up unseen."""
    grid = np.zeros((resolution,) * 3, bool)
    grid[3:14, 3:6, 3:6] = grid[3:6, 3:11, 3:6] = grid[3:6, 3:6, 3:9] = True
    return grid


def cast_rays(mesh: Mesh, camera: Camera, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Depth along the axis and number of the first face at every pixel centre (Moller-Trumbore)."""
    height, width = size
    v, u = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    focal = camera.focal(size)
    rays = np.stack([(u - width / 2) / focal, (v - height / 2) / focal, np.ones_like(u)], -1).reshape(-1, 3)
    matrix = camera.matrix()
    a, b, c = np.moveaxis(mesh.triangles @ matrix[:3, :3].T + matrix[:3, 3], 1, 0)
    p = np.cross(rays[:, None], c - a)
    with np.errstate(divide="ignore", invalid="ignore"):  # faces seen edge-on
        inverse = 1 / (p * (b - a)).sum(-1)
        wb = (p * -a).sum(-1) * inverse
        q = np.cross(-a, b - a)
        wc = (q * rays[:, None]).sum(-1) * inverse
        depth = (q * (c - a)).sum(-1) * inverse  # ray z is 1: the ray's length is the depth
        hit = (wb >= 0) & (wc >= 0) & (wb + wc <= 1) & (depth > NEAR)
    depth = np.where(hit, depth, np.inf)
    return depth.min(1).reshape(size), depth.argmin(1).reshape(size)


@pytest.mark.parametrize("camera", VIEWS)
@pytest.mark.parametrize("size", [(40, 56), (56, 40)])
def test_equals_ray_casting(camera, size):
    rng = np.random.default_rng(0)
    soup = Mesh(rng.uniform(-0.5, 0.5, (90, 3)), np.arange(90).reshape(30, 3))
    for mesh in (marching_cubes(l_shape(), 0.5), soup):
        depth, face = cast_rays(mesh, camera, size)
        colors = rng.random((len(mesh.faces), 3))
        flat = Light(ambient=1, diffuse=0)
        picture = render(mesh, camera, size, supersample=1, face_colors=colors, light=flat)
        assert (picture.mask != np.isfinite(depth)).mean() < 1e-3  # samples on a silhouette edge
        both = picture.mask & np.isfinite(depth)
        assert both.sum() > 80
        assert np.quantile(np.abs(picture.depth[both] - depth[both]), 0.998) < 1e-6
        expected = np.rint(255 * colors[face])
        assert (np.abs(picture.rgba[..., :3] - expected)[both].max(-1) <= 1).mean() > 0.995


@pytest.mark.parametrize("distance", [0.95, 1.4, 1.66])
def test_sphere_in_closed_form(distance):
    radius, size = 0.4, (200, 200)
    ball = as_mesh(trimesh.creation.icosphere(5, radius))
    camera = Camera(20, 30, distance, fov=90)
    picture = render(ball, camera, size, supersample=3)
    # the tangent cone has sine r / d: its circle in the image
    circle = camera.focal(size) * math.tan(math.asin(radius / distance))
    assert picture.rgba[..., 3].sum() / 255 == pytest.approx(math.pi * circle**2, rel=2e-3)
    rows, columns = np.nonzero(picture.mask)
    assert rows.mean() + 0.5 == pytest.approx(100, abs=0.02)
    assert columns.mean() + 0.5 == pytest.approx(100, abs=0.02)
    # one sample per pixel, at its centre: the point that the depth gives lies on the ball, and the normal
    # points away from the ball's centre
    picture = render(ball, camera, size, supersample=1)
    assert picture.depth.min() == pytest.approx(distance - radius, abs=1e-3)
    np.testing.assert_allclose(picture.normals[100, 100], [0, 0, -1], atol=0.05)
    rows, columns = np.nonzero(picture.mask)
    x = (columns + 0.5 - 100) / camera.focal(size)
    y = (rows + 0.5 - 100) / camera.focal(size)
    points = picture.depth[picture.mask][:, None] * np.stack([x, y, np.ones_like(x)], 1) - [0, 0, distance]
    inner = (x**2 + y**2) < (0.9 * circle / camera.focal(size)) ** 2
    np.testing.assert_allclose(np.linalg.norm(points[inner], axis=1), radius, atol=5e-4)
    cosine = (points * picture.normals[picture.mask]).sum(1) / np.linalg.norm(points, axis=1)
    assert cosine[inner].min() > 0.995


@pytest.mark.parametrize("camera", VIEWS)
@pytest.mark.parametrize("size", [(64, 64), (48, 100)])
def test_small_things_appear_where_they_are_projected(camera, size):
    for centre in np.random.default_rng(1).uniform(-0.25, 0.25, (12, 3)):
        dot = trimesh.creation.icosphere(1, 0.03)
        picture = render(Mesh(dot.vertices + centre, dot.faces), camera, size, supersample=4)
        (uv,), (depth,) = camera.project(centre[None], size)
        weight = picture.rgba[..., 3].astype(float)
        rows, columns = np.indices(size) + 0.5
        found = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
        assert np.abs(found - uv).max() < 0.1
        assert picture.depth.min() == pytest.approx(depth - 0.03, abs=4e-3)


@pytest.mark.parametrize("camera", VIEWS)
@pytest.mark.parametrize("size", [(160, 160), (150, 200)])
def test_silhouette_is_the_projection_of_the_voxels(camera, size):
    """Voxels -> mesh -> picture against the cells' own projection, for a shape without symmetry."""
    grid = l_shape()
    mask = render(marching_cubes(grid, 0.5), camera, size, supersample=1).mask

    def splat(points: np.ndarray) -> np.ndarray:
        (u, v), drawn = np.floor(camera.project(points, size)[0].T).astype(int), np.zeros(size, bool)
        seen = (u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0])
        drawn[v[seen], u[seen]] = True
        return drawn

    centres = (np.argwhere(grid) + 0.5) / 16 - 0.5
    assert mask[splat(centres)].all()
    step = (np.arange(14) + 0.5) / 14 / 16 - 1 / 32
    inside = np.stack(np.meshgrid(step, step, step), -1).reshape(-1, 3)
    filled = splat((centres[:, None] + inside).reshape(-1, 3))
    # pixels that the cells touch enclose the mask; the mesh bevels the cells' edges by up to .36 cells
    assert filled[mask].mean() > 0.999
    cell = camera.focal(size) / camera.distance / 16
    core = ndimage.binary_erosion(filled, np.ones((3, 3)), iterations=2 + round(0.36 * cell))
    assert core.sum() > 0.25 * mask.sum()
    assert mask[core].all()


def test_ground_plane_through_the_camera():
    """Faces that reach behind the camera are cut: all below the horizon is covered, at the right depth."""
    plane = Mesh(np.array([[-9, -0.5, -9], [9, -0.5, -9], [9, -0.5, 9], [-9, -0.5, 9]]), SQUARE)
    camera, size = Camera(0, 0, 1.5), (64, 64)
    picture = render(plane, camera, size, supersample=1)
    rows = np.arange(64) + 0.5 - 32
    expected = 0.5 * camera.focal(size) / np.where(rows > 0, rows, np.nan)  # depth of height -0.5
    covered = expected < 1.5 + 9 * 0.99
    for row in np.nonzero(covered)[0]:
        # the far corner rows are not full: stay inside the half width there
        half = min(32, int(camera.focal(size) * 9 / expected[row]))
        line = picture.depth[row, 32 - half : 32 + half]
        np.testing.assert_allclose(line, expected[row], rtol=1e-5)
    assert not picture.mask[:32].any()
    assert covered.sum() > 25
    np.testing.assert_allclose(picture.normals[60, 10], [0, -1, 0], atol=1e-6)  # up, seen from above


def test_what_is_behind_or_too_near_is_not_drawn():
    triangle = np.array([[0, -0.4, -0.4], [0, -0.4, 0.4], [0, 0.5, 0]])
    for x in (1.2, 1.0, 1.0 - NEAR / 2):
        picture = render(
            Mesh(triangle + np.array([x, 0, 0]), np.array([[0, 1, 2]])), Camera(0, 0, 1), (32, 32)
        )
        assert not picture.rgba.any() and np.isinf(picture.depth).all() and not picture.normals.any()
    assert render(
        Mesh(triangle + np.array([0.9, 0, 0]), np.array([[0, 1, 2]])), Camera(0, 0, 1), (32, 32)
    ).mask.any()


def test_inside_a_box_every_pixel_sees_a_wall():
    box = as_mesh(trimesh.creation.box((1, 1, 1)))
    for camera in (Camera(17, 33, 0.2), Camera(250, -60, 0.3, fov=100)):
        picture = render(box, camera, (48, 64))
        assert (picture.rgba[..., 3] == 255).all()
        assert picture.depth.max() < math.sqrt(3)


def test_neighbouring_faces_leave_no_cracks():
    ball = as_mesh(trimesh.creation.icosphere(4, 0.45))
    picture = render(ball, Camera(10, 10, 0.8), (150, 150), supersample=2)
    rows, columns = np.indices((150, 150)) + 0.5 - 75
    inner = np.hypot(rows, columns) < 70
    assert (picture.rgba[..., 3][inner] == 255).all()


def test_alpha_is_straight_and_coverage_is_exact():
    # a red square facing the camera: covers u in [24.4, 39.6], v in [30, 34] of 64 x 64 pixels
    camera, focal = Camera(0, 0, 1), 70
    z, y = 7.6 / focal, 2 / focal
    corners = np.array([[0, -y, -z], [0, -y, z], [0, y, z], [0, y, -z]])
    light = Light(direction=(0, 0, -1), ambient=0.25, diffuse=0.5)
    picture = render(
        Mesh(corners, SQUARE), camera, (64, 64), supersample=10, base_color=(1.0, 0.2, 0.0), light=light
    )
    drawn = picture.rgba[..., 3] > 0
    assert (picture.rgba[drawn][:, :3] == [191, 38, 0]).all()  # 0.75 x colour, at the rim too
    alpha = picture.rgba[32, :, 3] / 255
    np.testing.assert_allclose(alpha[25:39], 1)
    np.testing.assert_allclose(alpha[[24, 39]], 0.6, atol=0.003)
    assert not picture.rgba[~drawn].any()
    assert picture.rgba[..., 3].sum() / 255 == pytest.approx(15.2 * 4, rel=1e-3)


@pytest.mark.parametrize("supersample", [1, 2, 3, 5])
def test_mask_depth_and_normals_agree(supersample):
    picture = render(marching_cubes(l_shape(), 0.5), VIEWS[1], (50, 40), supersample)
    levels = np.floor(255 * np.arange(supersample**2 + 1) / supersample**2 + 0.5)
    assert set(np.unique(picture.rgba[..., 3])) <= set(levels)
    np.testing.assert_array_equal(picture.mask, picture.rgba[..., 3] >= 128)
    np.testing.assert_array_equal(picture.mask, np.isfinite(picture.depth))
    lengths = np.linalg.norm(picture.normals, axis=-1)
    np.testing.assert_allclose(lengths, picture.mask, atol=1e-6)
    assert picture.rgba.dtype == np.uint8 and picture.depth.dtype == picture.normals.dtype == np.float32


def test_depth_is_that_of_the_nearest_sample():
    """Half a pixel shows a near square, the other half a far one: depth and normal are the near one's."""
    near = np.array([[0.5, -0.4, -0.4], [0.5, -0.4, 0], [0.5, 0.4, 0], [0.5, 0.4, -0.4]])
    far = np.array([[0, -1, -1], [0, -1, 1], [0, 1, 1], [0, 1, -1]])
    mesh = Mesh.concatenate([Mesh(far, SQUARE), Mesh(near, SQUARE)])
    picture = render(mesh, Camera(0, 0, 1.5), (33, 33), supersample=2)  # column 16 is cut in the middle
    assert picture.depth[16, 16] == pytest.approx(1.0)
    assert picture.depth[16, 15] == pytest.approx(1.5) and picture.depth[16, 17] == pytest.approx(1.0)


def test_both_sides_are_lit_alike():
    mesh = marching_cubes(l_shape(), 0.5)
    flipped = Mesh(mesh.vertices, mesh.faces[:, ::-1])
    for smooth in (False, True):
        a, b = (render(m, VIEWS[1], (48, 48), smooth=smooth) for m in (mesh, flipped))
        np.testing.assert_array_equal(a.rgba, b.rgba)
        # two samples of a pixel may be equally near
        assert (np.abs(a.normals - b.normals).max(-1) < 1e-6).mean() > 0.99
        camera_rays = np.indices((48, 48))[::-1].transpose(1, 2, 0) + 0.5 - 24
        rays = np.concatenate([camera_rays / VIEWS[1].focal((48, 48)), np.ones((48, 48, 1))], -1)
        assert (rays * a.normals).sum(-1).max() < 0.05  # turned towards the camera


@pytest.mark.parametrize("fronts_first", [True, False])
def test_of_faces_in_one_place_the_one_is_seen_that_looks_at_the_camera(fronts_first):
    # every face is drawn on both sides: red fronts, blue backs, vertices and corners in another order
    ball = as_mesh(trimesh.creation.icosphere(subdivisions=3)).normalized()
    count = len(ball.vertices)
    fronts, backs = ball.faces, np.roll(ball.faces[:, ::-1], 1, axis=1) + count
    faces = np.concatenate([fronts, backs] if fronts_first else [backs, fronts])
    doubled = Mesh(np.concatenate([ball.vertices, ball.vertices]), faces)
    red = (faces < count).all(1)
    colors = np.where(red[:, None], [1.0, 0, 0], [0, 0, 1.0])
    plain = render(ball, Camera(30, 20, 2.0), (64, 64))
    drawn = render(doubled, Camera(30, 20, 2.0), (64, 64), face_colors=colors)
    assert drawn.mask.sum() > 900 and not drawn.rgba[..., 1:3].any()
    np.testing.assert_array_equal(drawn.rgba[..., 3], plain.rgba[..., 3])
    np.testing.assert_array_equal(drawn.depth, plain.depth)
    inside = render(doubled, Camera(30, 20, 0.1), (64, 64), face_colors=colors)
    assert inside.mask.all() and not inside.rgba[..., :2].any()


def test_light_follows_lambert_and_the_camera():
    corners = np.array([[0, -0.4, -0.4], [0, -0.4, 0.4], [0, 0.4, 0.4], [0, 0.4, -0.4]])
    mesh = Mesh(corners, SQUARE)
    light = Light(direction=(0, 0, -2), ambient=0.2, diffuse=0.6)
    for azimuth in (0, 30, 60, -45, 150):
        picture = render(mesh, Camera(azimuth, 0, 1.5), (32, 32), base_color=(0.5, 0.5, 0.5), light=light)
        expected = 255 * 0.5 * (0.2 + 0.6 * abs(math.cos(math.radians(azimuth))))
        assert picture.rgba[16, 16, 0] == pytest.approx(expected, abs=1)
    behind = Light(direction=(0, 0, 1), ambient=0.2, diffuse=0.6)
    dark = render(mesh, Camera(0, 0, 1.5), (32, 32), base_color=(0.5, 0.5, 0.5), light=behind)
    assert dark.rgba[16, 16, 0] == pytest.approx(255 * 0.1, abs=1)


def test_smooth_normals_come_closer_to_the_ball():
    radius, size, camera = 0.4, (80, 80), Camera(0, 0, 1.4)
    ball = as_mesh(trimesh.creation.icosphere(2, radius))
    errors = []
    for smooth in (False, True):
        picture = render(ball, camera, size, supersample=1, smooth=smooth)
        rows, columns = np.nonzero(picture.mask)
        rays = np.stack([columns + 0.5 - 40, rows + 0.5 - 40, np.full(len(rows), camera.focal(size))], 1)
        points = rays * (picture.depth[picture.mask] / camera.focal(size))[:, None] - [0, 0, 1.4]
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        cosine = (points * picture.normals[picture.mask]).sum(1).clip(-1, 1)
        errors.append(np.degrees(np.arccos(cosine)).mean())
    assert errors[0] > 3 and errors[1] < 1


def test_azimuth_shows_the_right_side():
    """One colour per side of a cube: which one each view shows, from the frame's definition alone."""
    box = as_mesh(trimesh.creation.box((0.6, 0.6, 0.6)))
    a, b, c = np.moveaxis(box.triangles, 1, 0)
    normals = np.rint(np.cross(b - a, c - a) / 0.36)
    colors = (normals + 1) / 2  # +x is (1, .5, .5), -z is (.5, .5, 0) ...
    ambient = Light(ambient=1, diffuse=0)
    for camera, side in [
        (Camera(0, 0, 1.5), (1, 0, 0)),
        (Camera(90, 0, 1.5), (0, 0, -1)),
        (Camera(180, 0, 1.5), (-1, 0, 0)),
        (Camera(270, 0, 1.5), (0, 0, 1)),
        (Camera(0, 90, 1.5), (0, 1, 0)),
        (Camera(0, -90, 1.5), (0, -1, 0)),
    ]:
        picture = render(box, camera, (33, 33), face_colors=colors, light=ambient)
        np.testing.assert_allclose(picture.rgba[16, 16, :3] / 255, (np.array(side) + 1) / 2, atol=0.003)


@pytest.mark.parametrize("smooth", [False, True])
def test_empty_and_flat_meshes_give_an_empty_picture(smooth):
    camera, none = Camera(0, 0, 1), np.zeros((0, 3), int)
    for mesh in (
        Mesh(np.zeros((0, 3)), none),
        Mesh(np.eye(3), none),  # vertices, no face
        Mesh(np.array([[0, 0, 0], [0, 0.1, 0], [0, 0.2, 0]]), np.array([[0, 1, 2]])),  # a needle
        Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]])),  # a point
        Mesh(np.eye(3), np.array([[0, 1, 1], [2, 2, 2]])),  # an edge and a corner, twice
    ):
        colors = np.full((len(mesh.faces), 3), 0.5)
        picture = render(mesh, camera, (8, 12), face_colors=colors, smooth=smooth)
        assert picture.rgba.shape == (8, 12, 4) and not picture.rgba.any() and not picture.mask.any()
        assert np.isinf(picture.depth).all() and not picture.normals.any()


def test_flat_faces_among_others_change_nothing():
    mesh = marching_cubes(l_shape(), 0.5)
    first = mesh.faces[:, [0, 1, 1]]
    expected = render(mesh, VIEWS[1], (40, 40))
    picture = render(Mesh(mesh.vertices, np.concatenate([first, mesh.faces])), VIEWS[1], (40, 40))
    for one, other in zip(vars(picture).values(), vars(expected).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_meshes_as_large_as_they_may_be_are_drawn():
    """A box of 1e6 cube edges around the camera: every pixel sees the wall at its depth."""
    around = as_mesh(trimesh.creation.box((2 * FAR, 2 * FAR, 2 * FAR)))
    picture = render(around, Camera(0, 0, 1.5), (24, 24))
    assert picture.mask.all()
    np.testing.assert_allclose(picture.depth, FAR, rtol=1e-5)
    np.testing.assert_allclose(picture.normals, np.broadcast_to([0, 0, -1], (24, 24, 3)), atol=1e-6)


def test_each_face_has_its_color():
    """One face of each colour beside the other; a single face takes its own colour, not the base colour."""
    squares = [[[0, -0.2, z], [0, 0.2, z], [0, 0.2, z + 0.15], [0, -0.2, z + 0.15]] for z in (-0.3, 0, 0.2)]
    corners, faces = np.array(squares).reshape(-1, 3), np.concatenate([SQUARE, SQUARE + 4, SQUARE + 8])
    colors = np.repeat([[1.0, 0.2, 0], [0, 0.4, 1], [0.6, 0.6, 0]], 2, axis=0)
    light = Light(ambient=1, diffuse=0)
    camera = Camera(0, 0, 1)
    picture = render(Mesh(corners, faces), camera, (60, 60), face_colors=colors, light=light)
    for centre, color in zip((-0.225, 0.075, 0.275), colors[::2], strict=True):
        ((u, v),), _ = camera.project(np.array([[0, 0, centre]]), (60, 60))
        np.testing.assert_array_equal(picture.rgba[int(v), int(u)], [*np.rint(255 * color), 255])
    one = render(Mesh(corners, faces[:1]), camera, (60, 60), face_colors=colors[:1], light=light)
    assert {tuple(p) for p in one.rgba[one.mask][:, :3]} == {(255, 51, 0)}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": (0, 8)}, "at least 1"),
        ({"supersample": 0}, "at least 1"),
        ({"base_color": (200.0, 200.0, 200.0)}, r"in \[0, 1\]"),
        ({"face_colors": np.zeros((2, 3))}, r"shape \(1, 3\), got \(2, 3\)"),
        ({"face_colors": np.full((1, 3), np.nan)}, r"in \[0, 1\]"),
        ({"light": Light(direction=(0, 0, 0))}, "needs a direction"),
    ],
)
def test_bad_input_is_named(options, text):
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]))
    with pytest.raises(ValueError, match=text):
        render(mesh, Camera(0, 0, 2), **{"size": (8, 8)} | options)


def test_meshes_beyond_every_frame_are_refused():
    for size in (1e7, 1e200, 1e308):
        with pytest.raises(ValueError, match=r"cube edges, at most 1e\+06: normalise it first"):
            render(Mesh(size * np.eye(3), np.array([[0, 1, 2]])), Camera(0, 0, 2), (8, 8))
