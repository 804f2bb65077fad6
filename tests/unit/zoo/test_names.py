"""Names: one rule, refused before anything is written; other texts become files of their own."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.evaluate import main as evaluate
from benchmarks.request.named_folders import named_folders
from benchmarks.run import main as benchmark
from benchmarks.studies import planted
from zoo.__main__ import main as zoo
from zoo.config import ConfigError, load_config, load_preset
from zoo.names import BadName, check_name, file_names

BAD = {
    "": "is empty",
    "/tmp/outside": "holds /",
    "../outside": "holds /",
    "a/b": "holds /",
    "a\\b": "holds \\",
    "C:outside": "holds :",
    ".": "begins or ends with a dot or a space",
    "..": "begins or ends with a dot or a space",
    ".hidden": "begins or ends with a dot or a space",
    "name.": "begins or ends with a dot or a space",
    " name": "begins or ends with a dot or a space",
    "name ": "begins or ends with a dot or a space",
    "two\nlines": "holds a line break, or another character that cannot be printed",
    "a\rb": "holds a line break",
    "tab\tbed": "holds a line break",
    "a\u2028b": "holds a line break",
    "a\0b": "holds a line break",
    "\x1b[31mred": "holds a line break",
    "left\u202eright": "holds a line break",  # the rest would be read from the right
    "no\u200bthing": "holds a line break",
    "x" * 101: "has 101 characters",
    "x" * 250: "has 250 characters",
    "模" * 80: "takes 240 bytes, more than 200",
    "con": "is a device of Windows",
    "NUL.txt": "is a device of Windows",
    "Com1": "is a device of Windows",
}
GOOD = [
    *("r3d", "x" * 100, "[bold]", "[x]", "=1+1", "-rf", "a_b", "$x$", "50 %", "{a}", "<b>", "a.b", "nule"),
    *("模型", "é"),
]


@pytest.fixture
def quick_data(tiny_data):
    """The tiny model as it fits the preset 'quick'."""
    encoder = {"name": "cnn", "latent_dim": 8, "widths": [4, 8, 8], "hidden": [16]}
    return tiny_data | {"encoder": encoder}


@pytest.mark.parametrize("name", GOOD)
def test_a_name_may_be(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", BAD)
def test_what_no_name_may_be(name):
    with pytest.raises(BadName) as error:
        check_name(name, "here")
    said = str(error.value)
    assert said.startswith("here: ") and BAD[name] in said and "a name has 1 to 100 printable" in said
    assert said.isprintable() and len(said) < 400


def test_a_name_has_one_form_of_its_characters():
    assert check_name(unicodedata.normalize("NFD", "é")) == "é"


@pytest.mark.parametrize("name", [name for name in BAD if "\0" not in name and "\x1b" not in name])
def test_a_model_is_refused_before_anything_is_written(name, tmp_path, quick_data, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("model.yaml").write_text(yaml.safe_dump(quick_data | {"name": name}), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_config("model.yaml")
    assert str(error.value).startswith("model.yaml: name: ") and BAD[name] in str(error.value)
    for command in (
        lambda: benchmark(["--models", "model.yaml", "--out", "out"]),
        lambda: zoo(["show", "model.yaml"]),
        lambda: zoo(["check", "model.yaml"]),
    ):
        assert command() == 2
        said = capsys.readouterr()
        assert said.err.startswith("error: model.yaml: name: ") and said.err.count("\n") == 1 and not said.out
    assert [path.name for path in tmp_path.iterdir()] == ["model.yaml"]


def test_a_model_is_called_as_its_file_unless_it_says_otherwise(tmp_path, tiny_data):
    del tiny_data["name"]
    path = tmp_path / "a name of\nmine.yaml"
    path.write_text(yaml.safe_dump(tiny_data), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds a line break"):
        load_config(str(path))
    path.write_text(yaml.safe_dump(tiny_data | {"name": "mine"}), encoding="utf-8")
    assert load_config(str(path)).name == "mine"


@pytest.mark.parametrize("name", ["../presets/quick", "/tmp/x", "..", "quick/../quick", ""])
def test_models_and_presets_go_by_names_and_not_by_paths(name):
    with pytest.raises(LookupError, match="unknown preset"):
        load_preset(name)
    with pytest.raises(LookupError, match="unknown model"):
        load_config(f"../configs/{name}")


def test_a_preset_has_a_name_too(tmp_path, monkeypatch):
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "two\nlines.yaml").write_text("model: {}", encoding="utf-8")
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path))
    with pytest.raises(BadName, match="rename the preset: 'two\\\\nlines' holds a line break"):
        load_preset("two\nlines")


@pytest.mark.parametrize("name", [name for name in BAD if name and "\0" not in name])
def test_a_row_is_refused_before_anything_is_measured(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("gt", "pred"):
        Path(folder).mkdir()
        np.savez(Path(folder) / "a.npz", voxels=np.ones((4, 4, 4), bool))
    assert evaluate(["--pred", f"{name}=pred", "--gt", "gt", "--workers", "0"]) == 2
    said = capsys.readouterr().err
    assert BAD[name].split(",")[0] in said and "say NAME=pred" in said and said.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize("folder", [".hidden", "two\nlines", "a:b", "con", "x" * 101, "ends."])
def test_a_folder_that_is_called_as_no_row_may_be(tmp_path, folder):
    path = tmp_path / folder
    path.mkdir()
    with pytest.raises(BadName, match="say NAME="):
        named_folders([str(path)], "floor")
    assert named_folders([f"ours={path}"], "floor") == {"ours": path}


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("same", "same", "--models: the name 'same' is there twice; give a YAML another 'name:'"),
        ("mean_shape", "other", "--models: the name 'mean_shape' is there of a control"),
        ("other", "floor", "--models: the name 'floor' is there of a control"),
        ("e\u0301", "é", "--models: the name 'é' is there twice"),
    ],
)
def test_rows_of_one_name_are_refused(tmp_path, quick_data, monkeypatch, capsys, first, second, message):
    monkeypatch.chdir(tmp_path)
    for file, name in (("a.yaml", first), ("b.yaml", second)):
        Path(file).write_text(yaml.safe_dump(quick_data | {"name": name}), encoding="utf-8")
    assert benchmark(["--models", "a.yaml,b.yaml", "--out", "out", "--device", "cpu"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


TEXTS = [
    *("02691156/abc", "02691156-abc", "02691156/ABC", "../../outside", "/etc/passwd", "..", ".", ""),
    *("two\nlines", "two\\nlines", "con", "NUL", "é", "e\u0301", "x" * 300, "模" * 200, "a:b", "a|b", "=1+1"),
    *("\udce9", "\x1b[2J", "a b", "a ", "a", "A", "*?", "-", "~"),
]


def test_any_text_becomes_a_file_of_its_own():
    found = file_names(TEXTS)
    assert len({name.casefold() for name in found}) == len(TEXTS)
    for name in found:
        assert check_name(name) == name and not set(name) & set('<>:"|?*')
    assert file_names(["02691156/abc", "chair_01", "a b"]) == ["02691156-abc", "chair_01", "a b"]
    assert file_names(["same", "other", "same"]) == ["same", "other", "same"]
    assert sorted(file_names(TEXTS[::-1])) == sorted(found)


def test_planted_faults_stay_below_their_folder(tmp_path, monkeypatch, capsys):
    class Store:
        resolutions = (8,)
        ids, categories = ["../../a", "two\nlines", "a/b", "a-b"], ["..", "[/x]", "c", "c"]

        def split(self, name):
            return self

        def __len__(self):
            return 4

        def voxels(self, which, resolution):
            return np.ones((4, 8, 8, 8), np.float32)

    monkeypatch.setattr(planted, "open_store", lambda args: (None, Store()))
    assert planted.main(["--out", str(tmp_path / "out")]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4 * (1 + len(planted.FAULTS))
    assert all(tmp_path / "out" in path.parents and str(path).isprintable() for path in files)
    assert "4 shapes of 'procedural'" in capsys.readouterr().out
