"""The main command from end to end, at the smallest size that still goes through everything."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants
from PIL import Image

from benchmarks.cells import work
from benchmarks.cells.session import _kind_of
from benchmarks.protocols import PROTOCOLS
from benchmarks.records.storage import load
from benchmarks.request.settings import build_protocol, settings
from benchmarks.run import main
from benchmarks.scoring.score import Scores, score
from datasets import BadItem
from datasets.sources.procedural import ProceduralSource
from datasets.store import Store
from zoo.config import list_presets
from zoo.registry import RegistryError
from zoo.training.interrupt import Interrupted
from zoo.training.trainer import NonFiniteLoss

AS_PUBLISHED = [
    *("--workers", "0", "--executor", "inline", "--device", "cpu"),
    *("--categories", "chair,table", "--set", "data.train=3", "--set", "data.val=1"),
    *("--set", "data.test=2", "--set", "prepare.views=2", "--set", "prepare.points=1024"),
    *("--set", "train.steps=2", "--set", "train.batch_size=2"),
]
TINY = [*AS_PUBLISHED, "--set", "protocol.points=1024"]


@pytest.fixture(scope="module", autouse=True)
def no_weights(tmp_path_factory):
    """Whatever weights this machine has are not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished run of one model: its output folder and data root."""
    folder = tmp_path_factory.mktemp("run")
    out, data = folder / "out", folder / "data"
    assert main(["--models", "vae_gan_baseline", "--out", str(out), "--data-root", str(data), *TINY]) == 0
    return out, data


def again(finished, *models, extra=()):
    out, data = finished
    return main(["--models", ",".join(models), "--out", str(out), "--data-root", str(data), *TINY, *extra])


def store_of(finished):
    (path,) = finished[1].glob("procedural-*")
    return Store.open(path)


def results_of(finished):
    return json.loads((finished[0] / "results.json").read_text(encoding="utf-8"))


@pytest.fixture
def nothing_is_made(monkeypatch):
    """Neither data nor weights nor numbers."""

    def refuse(*args, **kwargs):
        raise AssertionError("prepared, trained or measured")

    monkeypatch.setattr("datasets.prepare._build", refuse)
    monkeypatch.setattr(work, "train", refuse)
    monkeypatch.setattr("benchmarks.cells.work.score", refuse)


def test_writes_everything(finished):
    out, _ = finished
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    names = [row["name"] for row in results["rows"]]
    assert names[0] == "vae_gan_baseline"
    assert {"floor", "ceiling", "mean_shape", "category_mean", "image_retrieval", "oracle", "empty"} <= set(
        names
    )
    assert results["dataset"]["n"] == 4
    assert (out / "table.md").read_text(encoding="utf-8").startswith("vae\\_gan\\_baseline has IoU")
    (kept,) = (out / "tables").iterdir()
    assert kept.name.startswith("vae_gan_baseline-procedural-quick-r3d-v1-")
    for file in ("table.md", "report.html", "table.bib", "plots/training.png"):
        assert (kept / file).read_bytes() == (out / file).read_bytes()
    assert "vae_gan_baseline" in (out / "table.csv").read_text(encoding="utf-8")
    assert "VAE-GAN baseline" in (out / "table.tex").read_text(encoding="utf-8")
    with Image.open(out / "gallery.png") as picture:
        assert picture.width > 400
    report = (out / "report.html").read_text(encoding="utf-8")
    head = json.loads(re.search(r'id="gallery">(.*?)</script>', report)[1])
    tags = {tuple(tag) for case in head["cases"] for tag in case["tags"]}
    assert tags >= {(c, g) for c in ("", "chair", "table") for g in ("best", "worst")}
    assert head["models"] == [
        ["vae_gan_baseline", "vae_gan_baseline"],
        ["image_retrieval", "nearest training image"],
    ]
    assert {path.stem for path in (out / "plots").iterdir()} >= {"iou-threshold", "training"}


def test_controls_stand_where_they_must(finished):
    rows = {
        r["name"]: r for r in json.loads((finished[0] / "results.json").read_text(encoding="utf-8"))["rows"]
    }
    iou = {name: row["instance_mean"]["iou@val"]["mean"] for name, row in rows.items()}
    cd = {name: row["instance_mean"]["cd"]["mean"] for name, row in rows.items()}
    assert iou["floor"] == iou["ceiling"] == 1.0
    assert iou["empty"] == 0.0
    assert cd["empty"] == pytest.approx(2 * 3**0.5)
    assert cd["floor"] == min(cd.values())
    assert iou["oracle"] >= iou["image_retrieval"]
    assert rows["empty"]["n_failed"] == 4


def test_recognition_by_the_models_own_latent_is_a_control(finished):
    results = json.loads((finished[0] / "results.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in results["rows"]}
    for name in ("retrieval[vae_gan_baseline]", "clusters[vae_gan_baseline]"):
        assert rows[name]["kind"] == "control"
        [record] = rows[name]["records"]
        assert record["config"]["feature"] == {"latent": rows["vae_gan_baseline"]["records"][0]["cell"]}
        assert record["seed"] is None and (record["threshold"] is None) == name.startswith("retrieval")
    assert results["reference"] == "vae_gan_baseline"
    assert not any("[" in pair["row"] for pair in results["paired"])  # shown, neither ranked nor compared
    table = (finished[0] / "table.md").read_text(encoding="utf-8")
    assert "nearest training image, latent of vae\\_gan\\_baseline: training shape with the nearest" in table
    assert "Left out: recognition by a pretrained backbone; the weights of resnet18.a1\\_in1k" in table


def test_a_latent_whose_weights_are_gone_is_found_again_or_said_to_be_left_out(finished, tmp_path, capsys):
    out, data = tmp_path / "out", finished[1]
    shutil.copytree(finished[0], out)
    shutil.rmtree(out / "runs")
    assert again((out, data), "vae_gan_baseline", extra=["--format", "json"]) == 0
    names = {row["name"] for row in json.loads((out / "results.json").read_text(encoding="utf-8"))["rows"]}
    assert "retrieval[vae_gan_baseline]" in names
    for folder in (out / "cells").iterdir():
        if "[vae_gan_baseline]" in json.loads((folder / "record.json").read_text(encoding="utf-8"))["name"]:
            shutil.rmtree(folder)
    assert again((out, data), "vae_gan_baseline", extra=["--format", "md"]) == 0
    table = (out / "table.md").read_text(encoding="utf-8")
    assert "nearest training image, latent" not in table
    assert re.search(r"Left out: recognition by the latent of .*, whose weights are not in .*--force", table)
    assert again((out, data), "vae_gan_baseline", extra=["--format", "md", "--force"]) == 0
    assert "nearest training image, latent" in (out / "table.md").read_text(encoding="utf-8")


def _flip(run: Path) -> None:
    (weights,) = run.glob("step-*/model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)


WEIGHTS_GONE = {
    "run folder": (shutil.rmtree, r"its weights are not in \S+, --force trains it again"),
    "checkpoints": (
        lambda run: [shutil.rmtree(path) for path in run.glob("step-*")],
        r"its weights are not in \S+, --force trains it again",
    ),
    "all but an empty folder": (
        lambda run: [(shutil.rmtree(path), path.mkdir()) for path in run.glob("step-*")],
        r"config\.json: cannot be read",
    ),
    "half": (
        lambda run: [path.unlink() for path in run.glob("step-*/model.safetensors")],
        r"model\.safetensors: cannot be read",
    ),
    "a bit": (_flip, r"model\.safetensors: cannot be read: its SHA-256"),
}


@pytest.mark.parametrize(("harm", "said"), WEIGHTS_GONE.values(), ids=WEIGHTS_GONE)
def test_a_result_is_shown_without_its_weights_and_the_gallery_says_why_not(
    finished, tmp_path, monkeypatch, harm, said
):
    out, data = tmp_path / "out", finished[1]
    shutil.copytree(finished[0], out)
    (run,) = (out / "runs").glob("vae_gan_baseline-*/")
    harm(run)
    captions = []
    monkeypatch.setattr(
        "benchmarks.gallery.cases.gallery", lambda *args, caption, **others: captions.append(caption)
    )
    assert again((out, data), "vae_gan_baseline") == 0
    rows = json.loads((out / "results.json").read_text(encoding="utf-8"))["rows"]
    assert rows == results_of(finished)["rows"]
    assert re.search(rf"; vae_gan_baseline is not shown: .*{said}", captions[0])
    assert (out / "report.html").exists()


def test_a_second_run_trains_and_measures_nothing(finished, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise AssertionError("trained or measured again")

    before = (finished[0] / "results.json").read_bytes()
    monkeypatch.setattr(work, "train", refuse)
    monkeypatch.setattr("benchmarks.cells.work.score", refuse)
    assert again(finished, "vae_gan_baseline") == 0
    assert "measured already" in capsys.readouterr().out
    assert (finished[0] / "results.json").read_bytes() == before


def test_only_the_formats_that_are_asked_for(finished, capsys):
    out, _ = finished
    kept = {name: (out / name).read_bytes() for name in ("gallery.png", "report.html", "table.csv")}
    for name in ("gallery.png", "report.html", "table.md"):
        (out / name).unlink()
    assert again(finished, "vae_gan_baseline", extra=["--format", "md,csv"]) == 0
    assert "controls, not ranked" not in capsys.readouterr().out
    assert (out / "table.md").exists() and not (out / "report.html").exists()
    assert (out / "gallery.png").read_bytes() == kept["gallery.png"]  # whether or not there is a report
    assert again(finished, "vae_gan_baseline", extra=["--format", "html,rich"]) == 0
    assert "controls, not ranked" in capsys.readouterr().out
    assert {name: (out / name).read_bytes() for name in kept} == kept


def test_shapes_that_training_holds_are_not_measured_on(finished, monkeypatch, capsys):
    shape = store_of(finished).split("test").ids[0]
    leak = {"id": shape, "category": "chair", "split": "test", "reason": "the grid of chair/0 of train"}
    early = leak | {"id": "chair/4", "split": "val"}
    monkeypatch.setattr(Store, "leaks", property(lambda store: [leak, early]))
    assert again(finished, "vae_gan_baseline") == 2
    said = capsys.readouterr().err
    assert "1 of the 4 test instances show a shape that training or validation holds too" in said
    assert "manifest.json names them" in said and "--set prepare.leaks=drop" in said
    assert again(finished, "vae_gan_baseline", extra=["--allow-leaks"]) == 0
    assert again(finished, "vae_gan_baseline") == 2
    monkeypatch.setattr(Store, "leaks", property(lambda store: [early]))
    assert again(finished, "vae_gan_baseline") == 0


def test_only_an_added_model_is_trained(finished, monkeypatch):
    trained, train = [], work.train

    def noted(config, *args, **options):
        trained.append(config.name)
        return train(config, *args, **options)

    monkeypatch.setattr(work, "train", noted)
    assert again(finished, "vae_gan_baseline", "r3d") == 0
    assert trained == ["r3d"]


def test_the_same_command_elsewhere_gives_the_same_numbers(finished, tmp_path):
    assert again((tmp_path / "out", tmp_path / "data"), "vae_gan_baseline") == 0
    values = [
        json.loads((out / "results.json").read_text(encoding="utf-8"))["values"]["vae_gan_baseline"]
        for out in (finished[0], tmp_path / "out")
    ]
    assert values[0] == values[1]


def test_a_run_that_is_stopped_says_how_to_go_on(finished, monkeypatch, capsys):
    def stopped(config, source, run_dir, **options):
        raise Interrupted(run_dir, 1, 2)

    monkeypatch.setattr(work, "train", stopped)
    assert again(finished, "r3d", extra=["--set", "losses.kl.weight=0.5"]) == 130
    text = " ".join(capsys.readouterr().out.split())
    assert "stopped; the state is saved in" in text and "same command goes on" in text


def test_a_model_that_fails_is_reported_and_the_others_finish(finished, monkeypatch, capsys):
    train = work.train

    def broken(config, *args, **options):
        if config.name == "r3d":
            raise NonFiniteLoss("the loss is nan at step 1")
        return train(config, *args, **options)

    monkeypatch.setattr(work, "train", broken)
    status = again(finished, "vae_gan_baseline", "r3d", extra=["--set", "losses.kl.weight=0.25"])
    text = " ".join(capsys.readouterr().out.split())
    assert status == 1
    assert "failed r3d (seed 0): NonFiniteLoss: the loss is nan at step 1" in text
    assert "vae_gan_baseline" in text.split("failed r3d")[1]
    assert "r3d (missing)" in text and results_of(finished)["absent"] == ["r3d"]


def test_a_model_that_kills_the_process_which_measures_it_costs_itself_alone(finished, monkeypatch, capsys):
    def deadly(predictions, *args, **options):
        (name,) = predictions
        asked.append(name)
        if len(asked) == 2:  # models in the order of the command, then controls
            return Scores(died={name: "the process died"})
        return score(predictions, *args, **options)

    asked = []
    weight = ["--set", "losses.kl.weight=0.125", "--format", "rich,json"]
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.cells.work.score", deadly)
        assert again(finished, "vae_gan_baseline", "r3d", extra=weight) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "failed r3d (seed 0): CellDied: the process died" in text and "r3d (missing)" in text
    assert "vae_gan_baseline" in {row["name"] for row in results_of(finished)["rows"]}
    assert again(finished, "vae_gan_baseline", "r3d", extra=weight) == 0
    assert {"r3d", "vae_gan_baseline"} <= {row["name"] for row in results_of(finished)["rows"]}


def test_only_cache_shows_what_is_there_and_names_what_is_not(finished, nothing_is_made, capsys):
    extra = ["--only-cache", "--seeds", "2"]
    out = finished[0]
    (out / "gallery.png").unlink(missing_ok=True)
    assert again(finished, "vae_gan_baseline", "r3d_linear", extra=extra) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert re.search(r"3 of \d+ results are not there; the same command without --only-cache", text)
    assert "vae_gan_baseline (incomplete)" in text and "1 of 2" in text and "r3d_linear (missing)" in text
    found = results_of(finished)
    assert found["absent"] == ["r3d_linear"] and found["rows"][0]["absent_seeds"] == [1]
    assert found["paired"] == []
    assert not (out / "gallery.png").exists()  # every model would have to predict
    assert again(finished, "vae_gan_baseline", extra=["--only-cache", "--format", "html"]) == 0
    assert (out / "gallery.png").exists()


def test_a_damaged_result_of_a_control_is_made_again_by_force(finished, capsys):
    cells = (finished[0] / "cells").iterdir()
    (floor,) = (path for path in cells if load(path)[0].name == "floor" and load(path)[0].n == 4)
    rows = (floor / "rows.csv").read_bytes()
    (floor / "rows.csv").write_bytes(rows + b" ")
    assert again(finished, "vae_gan_baseline") == 2
    assert "run again with --force" in capsys.readouterr().err
    assert again(finished, "vae_gan_baseline", extra=["--force", "--format", "json"]) == 0
    assert (floor / "rows.csv").read_bytes() == rows


def test_only_cache_without_a_result_or_without_data_says_how_to_get_them(
    finished, nothing_is_made, tmp_path, capsys
):
    assert again(finished, "r3d_linear", extra=["--only-cache"]) == 2
    said = capsys.readouterr().err
    assert "cells holds no result of r3d_linear with exactly these settings" in said
    assert "the same command without --only-cache" in said
    assert again((finished[0], tmp_path / "none"), "vae_gan_baseline", extra=["--only-cache"]) == 2
    said = capsys.readouterr().err
    assert f"there is no {tmp_path / 'none'}" in said and "the same command without --only-cache" in said
    with pytest.raises(SystemExit) as stopped:
        again(finished, "vae_gan_baseline", extra=["--only-cache", "--force"])
    assert stopped.value.code == 2 and "not allowed with" in capsys.readouterr().err


def test_a_limit_measures_some_of_the_same_numbers_and_keeps_them_apart(finished, monkeypatch, capsys):
    def numbers(results):
        return {
            (row, one["id"]): {metric: values[0][k] for metric, values in metrics.items()}
            for row, metrics in results["values"].items()
            for k, one in enumerate(results["instances"])
        }

    out = finished[0]
    assert again(finished, "vae_gan_baseline", extra=["--format", "json"]) == 0
    whole, before = results_of(finished), {path.name for path in (out / "cells").iterdir()}
    trainings = {path.name for path in (out / "runs").iterdir()}
    assert again(finished, "vae_gan_baseline", extra=["--limit", "2"]) == 0
    limited, cells = results_of(finished), {path.name for path in (out / "cells").iterdir()}
    assert before < cells and len(cells) - len(before) == len(limited["rows"])
    assert {path.name for path in (out / "runs").iterdir()} == trainings  # the same weights
    assert (limited["dataset"]["n"], limited["dataset"]["whole"]) == (2, 4)
    assert sorted(one["category"] for one in limited["instances"]) == ["chair", "table"]
    some, everything = numbers(limited), numbers(whole)
    for name, values in some.items():
        assert values == everything[name]  # to the last bit, by the same blocks: on every processor
    text = " ".join(capsys.readouterr().out.split())
    assert "limited to 2 of 4 instances (not for publication)" in text
    assert "<dd>limited to 2 of 4 instances (not for publication)</dd>" in (out / "report.html").read_text(
        encoding="utf-8"
    )

    assert again(finished, "vae_gan_baseline", extra=["--limit", "1"]) == 0
    estimates = results_of(finished)["rows"][0]["instance_mean"]
    assert {e["low"] for e in estimates.values() if e is not None} == {None}  # of one shape nobody knows any

    def refuse(*args, **kwargs):
        raise AssertionError("measured again")

    monkeypatch.setattr("benchmarks.cells.work.score", refuse)
    assert again(finished, "vae_gan_baseline", extra=["--limit", "2", "--format", "json"]) == 0
    assert results_of(finished) == limited
    assert again(finished, "vae_gan_baseline", extra=["--limit", "4", "--format", "json"]) == 0  # all of them
    assert results_of(finished) == whole


@pytest.mark.parametrize("name", [name for name in PROTOCOLS.names() if name != "r3d-v1"])
def test_every_published_protocol_measures_the_trained_models_as_published(finished, name):
    """The preset's number of points is r3d-v1's alone."""
    out, data = finished
    trainings = {path.name for path in (out / "runs").iterdir()}
    words = ["--models", "vae_gan_baseline", "--out", str(out), "--data-root", str(data), *AS_PUBLISHED]
    assert main([*words, "--protocol", name, "--limit", "1", "--format", "json"]) == 0
    assert {path.name for path in (out / "runs").iterdir()} == trainings
    found = results_of(finished)
    protocol = build_protocol(name, {})
    assert found["protocol"]["id"] == protocol.id
    assert set(found["rows"][0]["instance_mean"]) == {column.name for column in protocol.columns}


@pytest.mark.parametrize("preset", list_presets())
def test_presets_leave_published_protocols_alone(preset):
    chosen = settings(preset, "procedural", [])
    for name in PROTOCOLS.names():
        published = build_protocol(name, {}).settings
        points = {
            "points": {"quick": 10_000, "overfit": 10_000, "standard": 30_000, "paper": 100_000}[preset]
        }
        assert chosen.protocol(name).settings == (published | points if name == "r3d-v1" else published)


def test_a_preset_with_an_unknown_protocol_is_refused(monkeypatch, tmp_path):
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets/mine.yaml").write_text("protocols: {r3d_v1: {points: 2000}}", encoding="utf-8")
    monkeypatch.setenv("R3D_CONFIGS", str(tmp_path))
    with pytest.raises(RegistryError, match=r"unknown protocol 'r3d_v1'. Did you mean 'r3d-v1'"):
        settings("mine", "procedural", [])


def test_fine_tuning_on_each_picture_measures_the_same_weights_again(finished, capsys):
    out = finished[0]
    assert again(finished, "vae_gan_baseline", extra=["--format", "json"]) == 0
    plain, trainings = results_of(finished), list((out / "runs").glob("*/*/model.safetensors"))
    ages = [path.stat().st_mtime_ns for path in trainings]
    refine = ["refine.steps=2", "refine.losses=[kl]", "refine.trains=[encoder]", "refine.optimizer.lr=0.1"]
    options = [word for setting in refine for word in ("--set", setting)]
    assert again(finished, "vae_gan_baseline", extra=[*options, "--format", "json"]) == 0
    refined = results_of(finished)
    assert trainings == list((out / "runs").glob("*/*/model.safetensors"))
    assert ages == [path.stat().st_mtime_ns for path in trainings]
    name = "vae_gan_baseline"
    assert refined["values"][name]["cd"] != plain["values"][name]["cd"]
    assert refined["rows"][0]["name"] == plain["rows"][0]["name"] == name
    assert (
        again(finished, name, extra=["--format", "json"]) == 0
    )  # a cell of its own: the plain one is still there
    assert results_of(finished) == plain


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "r3dd"], r"unknown model 'r3dd'. Did you mean 'r3d'"),
        (["--models", ","], r"no models given"),
        (["--dataset", "procedual"], r"unknown dataset 'procedual'. Did you mean 'procedural'\?"),
        (["--preset", "quik"], r"unknown preset 'quik'. Did you mean 'quick'\?"),
        (["--protocol", "r3dv1"], r"unknown protocol 'r3dv1'. Did you mean 'r3d-v1'\?"),
        (["--set", "train.stpes=3"], r"r3d.yaml: train.stpes: unknown key. Did you mean 'steps'"),
        (["--set", "train.steps=many"], r"train.steps: .*got 'many'"),
        (["--set", "data.trian=3"], r"trian.*Did you mean 'train'\?"),
        (["--set", "prepare.vews=3"], r"prepare.vews: unknown key. Did you mean 'views'\?"),
        (["--set", "protocol.point=3"], r"protocol.point: unknown key. Did you mean 'points'\?"),
        (["--set", "steps"], r"--set steps: expected key.path=value"),
        (["--reference", "r2n2"], r"--reference 'r2n2' is not among the models"),
        (["--format", "htlm"], r"unknown --format 'htlm'. Did you mean 'html'"),
        (
            ["--executor", "local", "--jobs", "0"],
            r"--jobs must be at least 1, got 0; .* use --executor inline",
        ),
        (["--jobs", "2"], r"--jobs 2 is for --executor local; --executor inline trains one after the other"),
        (["--seeds", "0"], r"--seeds must be at least 1, got 0"),
        (["--retrieval-backbone", "resnet81"], r"unknown timm backbone 'resnet81'. Did you mean 'resnet"),
        (["--limit", "0"], r"--limit must be at least 1, got 0"),
        (["--plugin", "no_such_module"], r"plugin 'no_such_module' failed to import: ModuleNotFoundError"),
        (["--device", "abacus"], r"unknown device 'abacus'"),
        (
            ["--set", "decoder.resolution=64"],
            r"model 'r3d' makes 64\^3 voxels, the prepared 'procedural' holds",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(words, message, tmp_path, finished, capsys):
    _, data = finished
    assert main(["--models", "r3d", "--out", str(tmp_path), "--data-root", str(data), *TINY, *words]) == 2
    error = capsys.readouterr().err.strip()
    assert re.search(message, error), error
    assert error.startswith("error: ") and "Traceback" not in error


def test_missing_data_say_where_they_were_looked_for(tmp_path, capsys):
    missing = tmp_path / "nowhere"
    assert (
        main(["--models", "r3d", "--dataset", "r2n2", "--data-root", str(missing), "--out", str(tmp_path)])
        == 2
    )
    assert str(missing) in capsys.readouterr().err


def test_missing_items_stop_the_run_unless_allowed_and_then_stand_under_the_table(
    monkeypatch, capsys, tmp_path
):
    real = ProceduralSource.build

    def build(self, item, options):
        if item.id == "chair/train/00001":
            raise BadItem("/data/chair.obj: no faces")
        return real(self, item, options)

    monkeypatch.setattr(ProceduralSource, "build", build)
    words = ["--models", "vae_gan_baseline", "--out", str(tmp_path / "out"), *TINY]
    words += ["--data-root", str(tmp_path / "data")]
    assert main(words) == 2
    assert "1 of 12 items could not be read; first chair/train/00001" in capsys.readouterr().err
    assert not (tmp_path / "out" / "results.json").exists()
    assert main([*words, "--allow-missing"]) == 0
    note = "--allow-missing was given: 1 of the data set's items (1 no faces)."
    assert note in (tmp_path / "out" / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("not there: /data/a/model.obj and /data/b.binvox", "not there"),
        ("/data/a/00.png: corrupt image: broken data stream", "broken data stream"),
        ("same grid as 03001627/ab of train", "same grid"),
        ("known bad item: its mesh is empty", "its mesh is empty"),
        ("/data/a.obj", "/data/a.obj"),
    ],
)
def test_equal_reasons_are_counted_together(reason, kind):
    assert _kind_of(reason) == kind


def test_list_names_every_model(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    for path in Path("configs").glob("*.yaml"):
        assert path.stem in listed
