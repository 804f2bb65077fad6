"""What is measured: one model with one seed, or one control, on one data set under one protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.config import ModelConfig

if TYPE_CHECKING:
    from benchmarks.controls import Control


@dataclass(frozen=True, eq=False)
class ModelCell:
    """One model with one seed.

    Attributes:
        hash: names the result; run_dir: of the training, which other results may share.
        code: digest of the code of each part when the command was started; see `zoo.system.source`.
    """

    config: ModelConfig
    seed: int
    hash: str
    run_dir: Path
    code: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and seed, for messages."""
        return f"{self.config.name} (seed {self.seed})"


@dataclass(frozen=True, eq=False)
class ControlCell:
    """One control."""

    control: Control
    hash: str

    @property
    def label(self) -> str:
        """Name, for messages."""
        return self.control.name


Cell = ModelCell | ControlCell
