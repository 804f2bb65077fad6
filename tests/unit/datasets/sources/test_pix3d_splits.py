"""Which of Pix3D's photographs train, validate and test; and index files that are not what they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datasets import DataError, Item
from datasets.prepare import open_dataset
from datasets.sources.pix3d import Pix3D, Pix3DConfig
from datasets.store.leaks import find_leaks
from zoo.config import ConfigError

MODELS = [f"sofa/S{n:03d}" for n in range(300)]


def row(name: str, model: str, pose: str = "", **flags: Any) -> dict[str, Any]:
    return {
        "img": f"img/{name}",
        "category": name.partition("/")[0],
        "model": f"model/{model}/model{pose}.obj",
        "voxel": f"model/{model}/voxel{pose}.mat",
        **dict.fromkeys(("truncated", "occluded", "slightly_occluded"), False),
        **flags,
    }


ROWS = [
    row("chair/0001.jpg", "chair/A"),
    row("chair/0002.png", "chair/A", truncated=True),
    row("chair/0003.jpg", "chair/B", "_-0.375894284877_0.0105080306113", occluded=True),
    row("chair/0004.tiff", "chair/B", "_1.25_-0.5"),
    row("chair/0005.jpg", "chair/B", "_2.5e-05_0.1", slightly_occluded=True),
    row("table/0001.jpg", "table/T"),
    *(row(f"sofa/{n:04d}.jpg", model) for n, model in enumerate(MODELS)),
    *(row(f"sofa/{n + 5000:04d}.jpg", model, occluded=n % 3 == 0) for n, model in enumerate(MODELS)),
]


def coco(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = sorted({r["category"] for r in rows})
    return {
        "images": [
            {"id": n, "file_name": f"./{r['img']}", "width": 9, "height": 9} for n, r in enumerate(rows)
        ],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [
            {"image_id": n, "category_id": names.index(r["category"]), "model": f"./{r['model']}"}
            | {"segmentation": "m.png", "voxel": r["voxel"]}
            for n, r in enumerate(rows)
        ],
    }


@pytest.fixture
def root(tmp_path) -> Path:
    """Nothing but the release's index."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "pix3d.json").write_text(json.dumps(ROWS), encoding="utf-8")
    return folder


@pytest.fixture
def bare(tmp_path) -> Path:
    """Nothing but Mesh R-CNN's files: random photographs in s1, disjoint models in s2."""
    folder = tmp_path / "bare"
    folder.mkdir()
    parts = {
        "s1_train": ROWS[::2],
        "s1_test": ROWS[1::2],
        "s2_train": ROWS[:5] + ROWS[6:],
        "s2_test": ROWS[5:6],
    }
    for name, rows in parts.items():
        (folder / f"pix3d_{name}.json").write_text(json.dumps(coco(rows)), encoding="utf-8")
    return folder


def items(root: Path, **config) -> list[Item]:
    return list(Pix3D(Pix3DConfig(**config), root).items())


def parts(found: list[Item]) -> dict[str, set[str]]:
    return {split: {i.id for i in found if i.split == split} for split in ("train", "val", "test")}


def test_chairs_of_the_published_list(root):
    found = items(root)
    assert [(i.id, i.category, i.split) for i in found] == [
        ("img/chair/0001.jpg", "chair", "test"),
        ("img/chair/0004.tiff", "chair", "test"),
    ]


def test_flags_may_be_words(root):
    words = [r | {"truncated": "false", "occluded": "true" if r["occluded"] else "false"} for r in ROWS]
    (root / "pix3d.json").write_text(json.dumps(words), encoding="utf-8")
    assert [i.id for i in items(root)] == ["img/chair/0001.jpg", "img/chair/0002.png", "img/chair/0004.tiff"]


def test_poses_of_a_chair_are_one_shape(root):
    shapes = {i.id: i.shape for i in items(root, split="shapes")}
    assert {shapes[f"img/chair/{name}"] for name in ("0003.jpg", "0004.tiff", "0005.jpg")} == {
        "model/chair/B/model"
    }
    assert shapes["img/chair/0001.jpg"] == "model/chair/A/model"


def test_split_by_shapes(root):
    found = items(root, split="shapes")
    assert len(found) == len(ROWS)
    by_shape: dict[str, set[str]] = {}
    for item in found:
        by_shape.setdefault(item.shape, set()).add(item.split)
    assert all(len(splits) == 1 for splits in by_shape.values())
    assert find_leaks(found, [b"%d" % n for n in range(len(found))]) == {}
    counts = {
        split: sum(splits == {split} for splits in by_shape.values()) for split in ("train", "val", "test")
    }
    # 303 shapes at .7, .1, .2: five standard deviations are 40, 26 and 35
    assert abs(counts["train"] - 212) < 40 and abs(counts["val"] - 30) < 26 and abs(counts["test"] - 61) < 35


def test_split_by_shapes_depends_on_seed_and_name_alone(root):
    first = {i.id: i.split for i in items(root, split="shapes")}
    assert {i.id: i.split for i in items(root, split="shapes", categories="chair,table")} == {
        i: split for i, split in first.items() if "sofa" not in i
    }
    other = {i.id: i.split for i in items(root, split="shapes", seed=1)}
    assert sum(first[i] != other[i] for i in first) > 100


@pytest.mark.parametrize("rule", ["s1", "s2"])
def test_mesh_rcnns_splits_with_a_part_for_validation(bare, rule):
    found = items(bare, split=rule)
    split = parts(found)
    tested = {r["img"] for r in (ROWS[1::2] if rule == "s1" else ROWS[5:6])}
    assert split["test"] == tested
    assert split["train"] | split["val"] == {r["img"] for r in ROWS} - tested
    shapes = {name: {i.shape for i in found if i.split == name} for name in split}
    assert shapes["train"].isdisjoint(shapes["val"])
    assert 5 <= len(shapes["val"]) <= 60  # a tenth of about 300
    assert shapes["train"].isdisjoint(shapes["test"]) == (rule == "s2")


def test_one_of_two_files_is_enough_to_look_but_not_to_prepare(bare, tmp_path):
    (bare / "pix3d_s1_test.json").unlink()
    assert parts(items(bare, split="s1"))["test"] == set()
    with pytest.raises(DataError, match="split 'test' is empty"):
        open_dataset(
            "pix3d",
            data_root=bare,
            cache_root=tmp_path / "cache",
            config_overrides={"split": "s1"},
            workers=0,
            progress=False,
        )


def test_excluded_photographs_do_not_train(root):
    every, fewer = (parts(items(root, split="shapes", exclude=e)) for e in ((), "occluded, truncated"))
    flagged = {r["img"] for r in ROWS if r["occluded"] or r["truncated"]}
    assert fewer["test"] == every["test"] and fewer["test"] & flagged
    for split in ("train", "val"):
        assert every[split] & flagged
        assert fewer[split] == every[split] - flagged


def test_flags_of_mesh_rcnns_photographs_come_from_the_release(bare, root):
    with pytest.raises(
        DataError, match=r"nothing says which photographs are truncated.*'exclude' needs pix3d"
    ):
        items(bare, split="s1", exclude="occluded")
    (bare / "pix3d.json").write_text((root / "pix3d.json").read_text(encoding="utf-8"), encoding="utf-8")
    fewer = parts(items(bare, split="s1", exclude="occluded"))
    flagged = {r["img"] for r in ROWS if r["occluded"]}
    assert not (fewer["train"] | fewer["val"]) & flagged and fewer["test"] & flagged


def write_list(path: Path, **splits: list[str]) -> Path:
    path.write_text(
        json.dumps([{"taxonomy_id": "chair", "taxonomy_name": "chair", **splits}]), encoding="utf-8"
    )
    return path


def test_list_in_pix2voxs_form(root, tmp_path):
    path = write_list(tmp_path / "list.json", test=["0001", "0003", "9999"], train=["0005"])
    found = items(root, split=str(path))
    assert [(i.id, i.category, i.split) for i in found] == [
        ("chair/9999", "chair", "test"),
        ("img/chair/0001.jpg", "chair", "test"),
        ("img/chair/0003.jpg", "chair", "test"),
        ("img/chair/0005.jpg", "chair", "train"),
    ]
    source = Pix3D(Pix3DConfig(split=str(path)), root)
    assert source.required() == ["test", "train"]
    assert source.identity()["split"].startswith("sha256:")


def test_what_the_list_names_and_the_index_does_not_is_missing(root, tmp_path):
    path = write_list(tmp_path / "list.json", test=["9999"])
    with pytest.raises(DataError, match=r"chair/9999 is in the list .* and not in the index"):
        open_dataset(
            "pix3d",
            data_root=root,
            cache_root=tmp_path / "cache",
            config_overrides={"split": str(path)},
            workers=0,
            progress=False,
        )


def test_list_that_may_mean_two_photographs(root, tmp_path):
    (root / "pix3d.json").write_text(json.dumps([*ROWS, row("chair/0001.png", "chair/C")]), encoding="utf-8")
    assert len(items(root, split=str(write_list(tmp_path / "a.json", test=["0003"])))) == 1
    with pytest.raises(DataError, match=r"'chair/0001' may be img/chair/0001.jpg or img/chair/0001.png"):
        items(root, split=str(write_list(tmp_path / "b.json", test=["0001"])))


def test_required_splits(root):
    assert list(Pix3D(Pix3DConfig(), root).required()) == ["test"]
    assert list(Pix3D(Pix3DConfig(split="shapes"), root).required()) == ["train", "val", "test"]


def test_order_of_words_makes_no_other_store():
    one = Pix3DConfig(categories="sofa, bed", exclude="truncated,occluded")
    assert one == Pix3DConfig(categories=("bed", "sofa"), exclude=["occluded", "truncated"])


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"categories": "stool"}, r"split 'chairs2894' has no category 'stool'.* There is chair$"),
        ({"split": "shapes", "categories": "sofaa"}, r"no category 'sofaa'. Did you mean 'sofa'\?"),
        (
            {"split": "s1"},
            r"split 's1' is not there: looked for .*pix3d_s1_train.json and .*pix3d_s1_test.json",
        ),
        ({"split": "/nowhere/list.json"}, "split file /nowhere/list.json: No such file"),
    ],
)
def test_what_is_not_there_is_named(root, config, text):
    with pytest.raises(DataError, match=text):
        items(root, **config)


def test_unknown_split_says_what_it_may_be(root):
    with pytest.raises(
        DataError, match="split 's3' is neither one of chairs2894, s1, s2, shapes nor an exist"
    ):
        open_dataset("pix3d", data_root=root, config_overrides={"split": "s3"})
    with pytest.raises(ConfigError, match="exclude"):
        open_dataset("pix3d", data_root=root, config_overrides={"exclude": "blurred"})


def test_chairs_need_the_flags_of_the_release(bare):
    with pytest.raises(DataError, match=r"'chairs2894' needs .*pix3d\.json, which alone says .*'shapes'"):
        items(bare)
    assert len(items(bare, split="shapes")) == len(ROWS)


def test_missing_root_says_where_it_looked_and_how_to_get_it(tmp_path, root):
    with pytest.raises(DataError) as caught:
        items(tmp_path / "nowhere")
    for part in (str(tmp_path / "nowhere" / "pix3d.json"), "pix3d_s1_train.json", "pix3d.zip", "CC BY 4.0"):
        assert part in str(caught.value)
    with pytest.raises(DataError, match=f"Did you mean {root}"):
        items(root.parent)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "expected a list of photographs, got dict"),
        ("[7]", "entry 0: TypeError"),
        ('[{"category": "chair"}]', "entry 0: KeyError 'img'"),
        (
            json.dumps([ROWS[0] | {"img": "../../x.png"}]),
            r"entry 0: .*'../../x.png' leads out of the data set",
        ),
        (json.dumps([ROWS[0] | {"model": None}]), "entry 0: ValueError None is no path"),
        (json.dumps([ROWS[0] | {"occluded": 2}]), "entry 0: ValueError a flag is true or false, got 2"),
        (json.dumps([ROWS[0], ROWS[0]]), "names 1 photographs twice, first img/chair/0001.jpg"),
    ],
)
def test_odd_index_of_the_release(root, content, text):
    (root / "pix3d.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=text) as caught:
        items(root)
    assert str(root) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: [], "expected 'images', 'categories' and 'annotations'"),
        (lambda c: c | {"images": c["images"][:2]}, "KeyError 2"),
        (lambda c: c | {"categories": []}, "that name each other, as in Mesh R-CNN's files: KeyError"),
        (lambda c: c | {"images": [7]}, "TypeError"),
        (lambda c: c | {"annotations": c["annotations"] + c["annotations"][:1]}, "names 1 photographs twice"),
    ],
)
def test_odd_index_of_mesh_rcnn(bare, change, text):
    path = bare / "pix3d_s2_test.json"
    path.write_text(json.dumps(change(coco(ROWS[:4]))), encoding="utf-8")
    (bare / "pix3d_s2_train.json").unlink()
    with pytest.raises(DataError, match=text):
        items(bare, split="s2")


def test_a_photograph_in_both_of_mesh_rcnns_files(bare):
    (bare / "pix3d_s2_test.json").write_text(json.dumps(coco(ROWS[:2])), encoding="utf-8")
    with pytest.raises(DataError, match="names 2 photographs twice"):
        items(bare, split="s2")
