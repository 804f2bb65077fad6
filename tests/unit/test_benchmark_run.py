"""The main command from end to end, at the smallest size that still goes through everything."""

import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants
from PIL import Image

from benchmarks import executor
from benchmarks.run import main
from benchmarks.session import _kind_of
from datasets import BadItem
from datasets.procedural import ProceduralSource
from datasets.store import Store
from zoo.training.interrupt import Interrupted
from zoo.training.trainer import NonFiniteLoss

TINY = [
    *("--workers", "0", "--jobs", "0", "--device", "cpu"),
    *("--categories", "chair,table", "--set", "data.train=3", "--set", "data.val=1"),
    *("--set", "data.test=2", "--set", "prepare.views=2", "--set", "prepare.points=1024"),
    *("--set", "protocol.points=1024", "--set", "train.steps=2", "--set", "train.batch_size=2"),
]


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


def test_writes_everything(finished):
    out, _ = finished
    results = json.loads((out / "results.json").read_text())
    names = [row["name"] for row in results["rows"]]
    assert names[0] == "vae_gan_baseline"
    assert {"floor", "ceiling", "mean_shape", "category_mean", "image_retrieval", "oracle", "empty"} <= set(
        names
    )
    assert results["dataset"]["n"] == 4
    assert "VAE-GAN" in (out / "table.md").read_text() or "vae" in (out / "table.md").read_text()
    assert "vae_gan_baseline" in (out / "table.csv").read_text()
    assert "vae\\_gan\\_baseline" in (out / "table.tex").read_text()
    with Image.open(out / "gallery.png") as picture:
        assert picture.width > 400
    report = (out / "report.html").read_text()
    head = json.loads(re.search(r'id="gallery">(.*?)</script>', report)[1])
    tags = {tuple(tag) for case in head["cases"] for tag in case["tags"]}
    assert tags >= {(c, g) for c in ("", "chair", "table") for g in ("best", "worst")}
    assert head["models"] == ["vae_gan_baseline"]
    assert {path.stem for path in (out / "plots").iterdir()} >= {"iou-threshold", "training"}


def test_controls_stand_where_they_must(finished):
    rows = {r["name"]: r for r in json.loads((finished[0] / "results.json").read_text())["rows"]}
    iou = {name: row["instance_mean"]["iou@val"]["mean"] for name, row in rows.items()}
    cd = {name: row["instance_mean"]["cd"]["mean"] for name, row in rows.items()}
    assert iou["floor"] == iou["ceiling"] == 1.0
    assert iou["empty"] == 0.0
    assert cd["empty"] == pytest.approx(2 * 3**0.5)
    assert cd["floor"] == min(cd.values())
    assert iou["oracle"] >= iou["image_retrieval"]
    assert rows["empty"]["n_failed"] == 4


def test_recognition_by_the_models_own_latent_is_a_control(finished):
    results = json.loads((finished[0] / "results.json").read_text())
    rows = {row["name"]: row for row in results["rows"]}
    for name in ("retrieval[vae_gan_baseline]", "clusters[vae_gan_baseline]"):
        assert rows[name]["kind"] == "control"
        [record] = rows[name]["records"]
        assert record["config"]["feature"] == {"latent": rows["vae_gan_baseline"]["records"][0]["cell"]}
        assert record["seed"] is None and (record["threshold"] is None) == name.startswith("retrieval")
    assert results["reference"] == "vae_gan_baseline"
    assert not any("[" in pair["row"] for pair in results["paired"])  # shown, neither ranked nor compared
    table = (finished[0] / "table.md").read_text()
    assert "nearest training image, latent of vae\\_gan\\_baseline: training shape with the nearest" in table
    assert "Left out: recognition by a pretrained backbone; the weights of resnet18.a1\\_in1k" in table


def test_a_latent_whose_weights_are_gone_is_found_again_or_said_to_be_left_out(finished, tmp_path, capsys):
    out, data = tmp_path / "out", finished[1]
    shutil.copytree(finished[0], out)
    shutil.rmtree(out / "runs")
    assert again((out, data), "vae_gan_baseline", extra=["--format", "json"]) == 0
    names = {row["name"] for row in json.loads((out / "results.json").read_text())["rows"]}
    assert "retrieval[vae_gan_baseline]" in names
    for folder in (out / "cells").iterdir():
        if "[vae_gan_baseline]" in json.loads((folder / "record.json").read_text())["name"]:
            shutil.rmtree(folder)
    assert again((out, data), "vae_gan_baseline", extra=["--format", "md"]) == 0
    table = (out / "table.md").read_text()
    assert "nearest training image, latent" not in table
    assert re.search(r"Left out: recognition by the latent of .*, whose weights are not in .*--force", table)
    assert again((out, data), "vae_gan_baseline", extra=["--format", "md", "--force"]) == 0
    assert "nearest training image, latent" in (out / "table.md").read_text()


def test_a_second_run_trains_and_measures_nothing(finished, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise AssertionError("trained or measured again")

    before = (finished[0] / "results.json").read_bytes()
    monkeypatch.setattr(executor, "train", refuse)
    monkeypatch.setattr("benchmarks.session.score", refuse)
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
    leak = {"id": "chair/5", "category": "chair", "split": "test", "reason": "the grid of chair/0 of train"}
    early = leak | {"split": "val"}
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
    trained, train = [], executor.train

    def noted(config, *args, **options):
        trained.append(config.name)
        return train(config, *args, **options)

    monkeypatch.setattr(executor, "train", noted)
    assert again(finished, "vae_gan_baseline", "r3d") == 0
    assert trained == ["r3d"]


def test_the_same_command_elsewhere_gives_the_same_numbers(finished, tmp_path):
    assert again((tmp_path / "out", tmp_path / "data"), "vae_gan_baseline") == 0
    values = [
        json.loads((out / "results.json").read_text())["values"]["vae_gan_baseline"]
        for out in (finished[0], tmp_path / "out")
    ]
    assert values[0] == values[1]


def test_a_run_that_is_stopped_says_how_to_go_on(finished, monkeypatch, capsys):
    def stopped(config, source, run_dir, **options):
        raise Interrupted(run_dir, 1, 2)

    monkeypatch.setattr(executor, "train", stopped)
    assert again(finished, "r3d", extra=["--set", "losses.kl.weight=0.5"]) == 130
    text = " ".join(capsys.readouterr().out.split())
    assert "stopped; the state is saved in" in text and "same command goes on" in text


def test_a_model_that_fails_is_reported_and_the_others_finish(finished, monkeypatch, capsys):
    train = executor.train

    def broken(config, *args, **options):
        if config.name == "r3d":
            raise NonFiniteLoss("the loss is nan at step 1")
        return train(config, *args, **options)

    monkeypatch.setattr(executor, "train", broken)
    status = again(finished, "vae_gan_baseline", "r3d", extra=["--set", "losses.kl.weight=0.25"])
    text = " ".join(capsys.readouterr().out.split())
    assert status == 1
    assert "failed r3d (seed 0): NonFiniteLoss: the loss is nan at step 1" in text
    assert "vae_gan_baseline" in text.split("failed r3d")[1]


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
        (["--jobs", "-1"], r"--jobs must be at least 0, got -1"),
        (["--seeds", "0"], r"--seeds must be at least 1, got 0"),
        (["--retrieval-backbone", "resnet81"], r"unknown timm backbone 'resnet81'. Did you mean 'resnet"),
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
    assert note in (tmp_path / "out" / "table.md").read_text()


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
