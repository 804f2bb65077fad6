"""Before anything is spent: what a request means, whether it can be done, and which cells it consists of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from benchmarks.cells.cell import ControlCell, ModelCell, waited_for
from benchmarks.cells.events import Event, Tell
from benchmarks.cells.executors import Executor, Place, make_executor
from benchmarks.cells.latent import latent_feature
from benchmarks.cells.session import Session
from benchmarks.controls import controls, title_of
from benchmarks.controls.backbone import find_backbone
from benchmarks.controls.features import Feature
from benchmarks.protocols import Protocol
from benchmarks.report.pages import FILES as PAGES
from benchmarks.report.pages import FOLDERS
from benchmarks.request.models import asked_by_name, resolve_models
from benchmarks.request.run_request import RunRequest
from benchmarks.request.settings import Settings, patience, settings
from benchmarks.scoring.score import check_truths
from benchmarks.tables.columns import parse_columns
from benchmarks.tables.kept import TABLES as KEPT
from benchmarks.tables.outputs import FILES, FORMATS, TABLES, parse_formats
from benchmarks.tables.views import FILES as VIEWS
from datasets import DataError
from datasets.prepare import open_dataset
from datasets.store import MANIFEST, Store
from zoo.cli.plugins import load_plugins
from zoo.config import ConfigError, ModelConfig
from zoo.device import describe_device, pick_device
from zoo.errors import UserError
from zoo.files import try_folder
from zoo.model import takes_views
from zoo.registry import RegistryError, did_you_mean
from zoo.system.processes import TookTooLong, time_limit
from zoo.types import ContractError

REFERENCE = "r3d"
"""What the others are compared with where it is among them and nothing else was asked for."""


@dataclass
class Plan:
    """What a request consists of.

    Attributes:
        sessions: one for each number of views, ascending, with the models that it measures.
        controls: cells that are measured beside those of the first session.
        latent_of: whose latent some of them compare pictures by; None where no model's can be.
        backbone: by what network others do; None without weights.
        failed: models that could not be built, by name.
    """

    request: RunRequest
    formats: tuple[str, ...]
    columns: tuple[str, ...] | None
    device: torch.device
    executor: Executor
    settings: Settings
    protocol: Protocol
    sessions: dict[Session, list[ModelCell]]
    controls: list[ControlCell]
    latent_of: ModelCell
    latent: Feature | None
    backbone: Feature | None
    names: list[str]
    failed: dict[str, Exception] = field(default_factory=dict)

    @property
    def session(self) -> Session:
        """The one whose table is the main one."""
        return next(iter(self.sessions))

    @property
    def cells(self) -> list[ModelCell]:
        """Cells of the main table."""
        return self.sessions[self.session]

    @property
    def configs(self) -> list[ModelConfig]:
        """Configs of the models, each once."""
        return list({cell.config.name: cell.config for cell in self.cells}.values())

    @property
    def reference(self) -> str:
        """Whom the others are compared with, where it has a result."""
        return self.request.reference or REFERENCE

    def all_cells(self) -> Iterator[tuple[Session, ModelCell]]:
        """The models' of every session."""
        for session, cells in self.sessions.items():
            for cell in cells:
                yield session, cell


def make_plan(request: RunRequest, tell: Tell) -> Plan:
    """Read, open and check everything that a run needs; prepares the data where they are not there.

    Raises:
        UserError: bad input, or folders that cannot be written.
    """
    limit = patience(request.time_limit)
    load_plugins(request.plugins, request.dataset, request.protocol, request.executor, limit=limit)
    names = resolve_models(",".join(request.models))
    device = pick_device(request.device)
    formats = parse_formats(",".join(request.formats or (TABLES if request.only_cache else FORMATS)))
    place = Place(device, request.plugins, limit, request.workers)
    executor = make_executor(request.executor, place, request.executor_settings)
    torch.set_num_threads(executor.threads)
    chosen = settings(request.preset, request.dataset, request.settings)
    protocol = chosen.protocol(request.protocol)
    columns = parse_columns(",".join(request.columns), protocol) if request.columns else None
    configs = [_config(chosen, name, limit) for name in names]
    labels = [config.name for config in configs]
    _check_names(labels, request.reference)
    _try_folders(request.out, request.only_cache)
    about = (
        f"on {request.dataset}, preset {request.preset}, protocol {protocol.id}, {describe_device(device)}"
    )
    tell(Event("note", ", ".join(labels), about))
    backbone = find_backbone(request.retrieval_backbone, device, download=not request.only_cache)
    tell(Event("data", request.dataset))
    store = _open(request, chosen)
    predictor = executor.predictor()
    sessions = [
        Session(chosen, store, protocol, device, request.out, views, request.limit, predictor, request)
        for views in request.views
    ]
    _check_leaks(sessions[0], request.allow_leaks)
    failed: dict[str, Exception] = {}
    fitting = _fitting(sessions[0], configs, asked_by_name(",".join(request.models)), limit, failed, tell)
    if not request.only_cache:
        check_truths(sessions[0].truths("test"), protocol)
    cells = {each: _model_cells(each, fitting, request.seeds, each is sessions[0]) for each in sessions}
    own = cells[sessions[0]]
    latent_of = next((c for c in own if c.config.name == (request.reference or REFERENCE)), own[0])
    latent = latent_feature(latent_of, device)
    features = [feature for feature in (latent, backbone) if feature is not None]
    return Plan(
        request,
        formats,
        columns,
        device,
        executor,
        chosen,
        protocol,
        cells,
        [sessions[0].control_cell(control) for control in controls(features)],
        latent_of,
        latent,
        backbone,
        labels,
        failed,
    )


def _config(chosen: Settings, name: str, limit: float | None) -> ModelConfig:
    """A model's config; reading it imports whatever registers its parts."""
    with time_limit(limit, f"importing the parts of model '{name}'"):
        return chosen.model(name)


def _check_names(labels: Sequence[str], reference: str | None) -> None:
    """Refuse two rows of one name, and a reference that is none of them."""
    for k, name in enumerate(labels):
        taken = "of a control" if title_of(name) is not None else "twice" if name in labels[:k] else ""
        if taken:
            raise ConfigError(f"--models: the name '{name}' is there {taken}; give a YAML another 'name:'")
    if reference and reference not in labels:
        raise RegistryError(
            f"--reference '{reference}' is not among the models.{did_you_mean(reference, list(labels))} "
            f"Models: {', '.join(labels)}"
        )


def _try_folders(out: Path, only_cache: bool) -> None:
    """Whether what is made can be kept.

    Raises:
        UserError: a folder takes no files, or something stands where a file shall be.
    """
    try_folder(out, [*FILES, *VIEWS, *PAGES])
    for name in (*(() if only_cache else ("cells", "runs")), KEPT, *FOLDERS):
        try_folder(out / name)


def _open(request: RunRequest, chosen: Settings) -> Store:
    return open_dataset(
        request.dataset,
        data_root=request.data_root,
        config_overrides=chosen.data_config,
        options=chosen.options,
        workers=request.workers,
        allow_missing=request.allow_missing,
        build=not request.only_cache,
    )


def _check_leaks(session: Session, allowed: bool) -> None:
    info = session.dataset_info
    if info.leaks and not allowed:
        raise DataError(
            f"{info.leaks:,} of the {info.n:,} test instances show a shape that training or validation holds "
            f"too ({session.store.path / MANIFEST} names them). Leave them out with --set "
            f"prepare.leaks=drop, or measure on them with --allow-leaks"
        )


def _model_cells(
    session: Session, configs: Sequence[ModelConfig], seeds: Sequence[int], main: bool
) -> list[ModelCell]:
    """The cells of a session; those beside the main one are of models that read several views."""
    return [session.cell(config, seed) for config in configs if main or takes_views(config) for seed in seeds]


def _fitting(
    session: Session,
    configs: Sequence[ModelConfig],
    named: set[str],
    limit: float | None,
    failed: dict[str, Exception],
    tell: Tell,
) -> list[ModelConfig]:
    """The models that can be trained on the data set; those that a pattern matched may be left out.

    Args:
        limit: seconds that building one may take.
        failed: what somebody's part raised while it was built, or that it was not built in time.

    Raises:
        ContractError: one that was asked for by name does not fit, or none does.
    """
    fitting = []
    for config in configs:
        try:
            with time_limit(limit, f"building model '{config.name}'"):
                session.check(config)
        except ContractError as error:
            if config.name in named or len(configs) == 1:
                raise
            tell(Event("note", "left out", str(error)))
        except (Exception, SystemExit) as error:
            if isinstance(error, UserError) and not isinstance(error, TookTooLong):
                raise
            failed[config.name] = RuntimeError(f"{type(error).__name__} while it was built: {error}")
        else:
            fitting.append(config)
    if not fitting:
        for name, why in failed.items():
            raise ContractError(f"no model of --models can be trained: {name}: {why}")
        raise ContractError(f"no model of --models can be trained on '{session.store.dataset}'")
    return fitting


def seeds_of(cells: Sequence[ModelCell]) -> dict[str, list[int]]:
    """Model to the seeds that were asked for."""
    found: dict[str, list[int]] = {}
    for cell in cells:
        found.setdefault(cell.config.name, []).append(cell.seed)
    return found


def forget_plan(plan: Plan, since: float, tell: Tell) -> None:
    """Delete the results and the trainings of a plan, and the results of its controls; see `forget`."""
    from benchmarks.cells.forget import forget, forget_results

    def on_wait(folder: Path) -> None:
        tell(Event("waiting", "", waited_for(folder)))

    measured: dict[Path, list[Path]] = {}
    beside: list[Path] = [plan.session.results.folder(cell.hash) for cell in plan.controls]
    for session, cell in plan.all_cells():
        folder = session.results.folder(cell.hash)
        measured.setdefault(cell.run_dir, []).append(folder)
        latent = latent_feature(cell, plan.device)
        features = [feature for feature in (latent, plan.backbone) if feature is not None]
        beside += [session.results.folder(session.control_cell(c).hash) for c in controls(features)]
    forget(measured, since, on_wait)
    forget_results(dict.fromkeys(beside), since, on_wait)
