"""YAML and JSON that may come from anybody: bombs, circles, keys that stand twice. Each ends in our error."""

from __future__ import annotations

import json

import pytest
import yaml

from benchmarks.records.schema import ResultError
from benchmarks.records.storage import load
from benchmarks.request.settings import settings
from benchmarks.run import main as benchmark
from benchmarks.tables.published import PublishedError, load_published
from zoo.__main__ import main as zoo
from zoo.config import ConfigError, load_config, load_preset, parse_overrides, read_yaml
from zoo.training.checkpoint import CheckpointError, load_config_of


def powers(first: str, line: str, count: int = 40) -> str:
    """Lines of which each stands for several of the one before: a0, a1, ..."""
    lines = [first, *(line.replace("N", str(k)).replace("M", str(k - 1)) for k in range(1, count))]
    return "\n".join(lines)


MANY, DEEP, LONG = "more than 20,000 values", "more than 64 levels", "characters, which is the most"
BOMBS = {
    "lists of lists": (powers("a0: &a0 [x, x]", "aN: &aN [*aM, *aM, *aM]"), MANY),
    "mappings": (powers("a0: &a0 {x: 1}", "aN: &aN {p: *aM, q: *aM}"), MANY),
    "merge keys": (powers("a0: &a0 {x: 1}", "aN: &aN {<<: [*aM, *aM, *aM]}"), MANY),
    "merges of merges": (powers("a0: &a0 {x: 1}", "aN: &aN {<<: *aM, kN: 1, lN: *aM}"), MANY),
    "mixed": (powers("a0: &a0 {x: [1, 1]}", "aN: &aN [{k: *aM}, *aM]"), MANY),
    "a chain of aliases": (powers("a0: &a0 [1]", "aN: &aN [*aM]", 3000), DEEP),
    "a chain of merges": (powers("a0: &a0 {x: 1}", "aN: &aN {<<: *aM, kN: 1}", 3000), DEEP),
    "brackets": ("a: " + "[" * 300_000, DEEP),
    "braces": ("{a: " * 100_000, DEEP),
    "both": ("a: " + "[{b: " * 100_000, DEEP),
    "indents": ("\n".join(" " * k + "a:" for k in range(1300)), DEEP),
    "dashes": ("- " * 300_000, DEEP),
    "questions": ("? " * 300_000, DEEP),
    "a flat list": ("a: [" + "1, " * 300_000 + "1]", MANY),
    "many keys": ("\n".join(f"k{k}: 1" for k in range(80_000)), MANY),
    "many anchors": ("a: [" + ", ".join(f"&a{k} 1" for k in range(80_000)) + "]", MANY),
    "a long text": ("a: " + "x" * 900_000, LONG),
    "a long block": ("a: |\n" + "  x\n" * 200_000, LONG),
    "a long key": ("? " + "x" * 900_000 + "\n: 1", LONG),
    "many digits": ("a: " + "9" * 900_000, "more than 100 characters"),
    "base 60": ("a: 1" + ":59" * 300_000, "more than 100 characters"),
    "fractions of base 60": ("a: 1" + ":59" * 300_000 + ".5", "more than 100 characters"),
    "a large file": ("# " + "x" * 2_000_000, "more than 1,000,000"),
}
CIRCLES = {
    "a list": "a: &a [1, *a]",
    "a mapping": "&a {b: *a}",
    "a merge": "&a {<<: *a}",
    "in a merge": "a: &a {<<: [{b: 1}, *a]}",
    "a value": "a: &a {b: {c: *a}}",
    "through two": "a: &a {b: &b [*a, *b]}",
    "deeper": "a: &a\n  - b:\n    - c: *a",
}
FAULTS = {
    "twice": ("train: {steps: 1, steps: 2}", "line 1: the key 'steps' stands twice, first in line 1"),
    "twice below": ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands twice, first in line 1"),
    "twice in quotes": ("a: 1\n'a': 2", "line 2: the key 'a' stands twice"),
    "two merges": ("a: &a {x: 1}\nb: {<<: *a, <<: *a}", "line 2: the key '<<' stands twice"),
    "a number": ("1: x", "line 1: '1' as a key; keys are texts, put it into quotes"),
    "yes": ("a: {yes: x}", "line 1: 'yes' as a key"),
    "nothing": ("{null: x}", "line 1: 'null' as a key"),
    "a list": ("? [a]\n: 1", "line 1: what is no text as a key"),
    "a date": ("a: 2024-13-45", "a value does not fit its tag"),
    "a tag": ("a: !!int x", "a value does not fit its tag"),
    "an empty tag": ("a: !!int ''", "a value does not fit its tag"),
    "a time": ("a: !!timestamp x", "a value does not fit its tag"),
    "a truth": ("a: !!bool perhaps", "a value does not fit its tag"),
    "code": ("a: !!python/object/apply:os.system [ls]", "not valid YAML: could not determine a constructor"),
    "no anchor": ("a: *b", "not valid YAML: found undefined alias 'b' (line 1"),
    "two documents": ("a: 1\n---\nb: 1", "not valid YAML: expected a single document"),
    "a null character": ("a: \0", "not valid YAML: unacceptable character #x0000"),
    "a merge of a text": ("{<<: x}", "not valid YAML: while constructing a mapping, expected a mapping"),
}
REFUSED = (
    {f"bomb of {name}": case for name, case in BOMBS.items()}
    | {f"circle in {name}": (text, "line 1: contains itself") for name, text in CIRCLES.items()}
    | {f"fault: {name}": case for name, case in FAULTS.items()}
)


def error_of(call, kind=ConfigError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_a_yaml_is_refused_with_file_and_reason(tmp_path, name):
    text, message = REFUSED[name]
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    said = error_of(lambda: read_yaml(path))
    assert said.startswith(f"{path}: ") and message in said and "\n" not in said and len(said) < 500
    said = error_of(lambda: load_published(path), PublishedError)
    assert said.startswith(f"{path} cannot be read: ") and message in said


@pytest.mark.parametrize("name", [name for name in REFUSED if "\n" not in REFUSED[name][0]])
def test_a_setting_is_refused_too(name):
    text, message = REFUSED[name]
    said = error_of(lambda: parse_overrides([f"train={text}"]))
    assert said.startswith("--set train=") and message in said and len(said) < 1000


@pytest.mark.parametrize("name", ["bomb of merge keys", "circle in a list", "fault: twice"])
def test_commands_say_it_in_one_line(tmp_path, capsys, monkeypatch, name):
    text, message = REFUSED[name]
    path = tmp_path / "presets" / "quick.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    (tmp_path / "model.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path))
    for command in (
        lambda: zoo(["show", "model"]),
        lambda: benchmark(["--models", str(tmp_path / "model.yaml")]),
        lambda: benchmark(["--models", "model", "--preset", "quick"]),
    ):
        assert command() == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and said.startswith(f"error: {tmp_path}") and message in said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &a [1, 2]\nb: *a", {"a": [1, 2], "b": [1, 2]}),
        ("a: &a {x: 1}\nb: {<<: *a, y: 2}", {"a": {"x": 1}, "b": {"x": 1, "y": 2}}),
        (
            "a: &a {x: 1}\nb: &b {y: 2}\nc: {<<: [*a, *b]}",
            {"a": {"x": 1}, "b": {"y": 2}, "c": {"x": 1, "y": 2}},
        ),
        ("a: &a {x: 1}\nb: {<<: *a, x: 2}", {"a": {"x": 1}, "b": {"x": 2}}),
        ("a: &a x\nb: [*a, *a]", {"a": "x", "b": ["x", "x"]}),
        (powers("a0: &a0 [x, x]", "aN: &aN [*aM, *aM]", 8), None),
        ("a: " + "[" * 60 + "]" * 60, None),
        ("a: 1e3\nb: 1.0e+3\nc: 0x1f", {"a": "1e3", "b": 1000.0, "c": 31}),
        ("'1': x\n\"yes\": y", {"1": "x", "yes": "y"}),
        ("a: " + "x" * 9_000, None),
        ("é: ü # ﬀ", {"é": "ü"}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: [" + "1, " * 9_000 + "1]", None),
    ],
)
def test_what_is_harmless_is_read_as_ever(tmp_path, text, value):
    path = tmp_path / "good.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_yaml(path) == (yaml.safe_load(text) if value is None else value)


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
@pytest.mark.parametrize("key", ["losses.kl.weight", "train.optimizer.lr", "preprocess.crop"])
def test_numbers_that_are_none_are_refused(key, value):
    """JSON has no name for them: a run would train and then be unable to keep its result."""
    assert f"{key}: Input should be" in error_of(lambda: load_config("r3d", overrides=[f"{key}={value}"]))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("model: [1]", "model: Input should be a valid dictionary"),
        ("protocols: 5", "protocols: Input should be a valid dictionary"),
        ("protocols: {r3d-v1: x}", "protocols.r3d-v1: Input should be a valid dictionary"),
        ("datasets: {procedural: [1]}", "datasets.procedural: Input should be a valid dictionary"),
        (
            "datasets: {procedural: {dta: {}}}",
            "datasets.procedural.dta: unknown key. Did you mean 'data'?",
        ),
        ("parts: [encoder.cnn]", "parts: Input should be a valid dictionary"),
        ("parts: {encoder.cnn: 3}", "parts.encoder.cnn: Input should be a valid dictionary"),
        ("data: {resolutions: x}", "prepare.resolutions: Input should be a valid tuple"),
    ],
)
def test_a_preset_of_another_form(tmp_path, monkeypatch, section, message):
    path = tmp_path / "presets" / "quick.yaml"
    path.parent.mkdir()
    path.write_text(section, encoding="utf-8")
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path))
    assert message in error_of(lambda: settings("quick", "procedural", []))


def test_a_preset_may_leave_sections_empty(tmp_path, monkeypatch):
    path = tmp_path / "presets" / "quick.yaml"
    path.parent.mkdir()
    path.write_text(
        "summary: x\nmodel:\nparts: {encoder.cnn: }\ndatasets: {procedural: , r2n2: {data: }}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path))
    found = load_preset("quick")
    assert (found["model"], found["parts"], found["protocols"]) == ({}, {"encoder.cnn": {}}, {})
    assert settings("quick", "procedural", []).data_config == {}


@pytest.mark.parametrize("presets", ["[quick]", "5", "{quick: [1]}", "{quick: x}"])
def test_presets_of_a_model_of_another_form(tmp_path, tiny_data, presets):
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump(tiny_data) + f"presets: {presets}\n", encoding="utf-8")
    assert f"{path}: presets" in error_of(lambda: load_config(str(path)))


def test_an_unknown_key_of_one_optimizer_is_named(tiny_config):
    said = error_of(lambda: tiny_config("train.optimizers.decoder.leraning=1"))
    assert said.startswith("tiny: train.optimizers.decoder.leraning: unknown key. Known: name, lr, ")


def test_a_setting_of_endless_depth(tiny_config):
    said = error_of(lambda: parse_overrides([".".join("a" * 5000) + "=1"]))
    assert "expected key.path=value" in said and len(said) < 500


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a": ' * 100_000,
        "[" * 900 + "]" * 900,
        '{"a": ' * 100 + "1" + "}" * 100,
        json.dumps({"encoder": "x"})[:-3],
        "9" * 10_000,
    ],
)
def test_files_of_a_checkpoint_and_of_a_result_are_read_within_limits(tmp_path, text):
    for name in ("config.json", "record.json"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    said = error_of(lambda: load_config_of(tmp_path), CheckpointError)
    assert said.startswith(f"{tmp_path / 'config.json'}")
    said = error_of(lambda: load(tmp_path), ResultError)
    assert said.startswith(f"{tmp_path / 'record.json'} is not JSON (")
