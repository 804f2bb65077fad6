"""The unit of work: one model, trained on one data set with one seed, measured under one protocol."""

from dataclasses import dataclass, field
from pathlib import Path

from zoo.config import ModelConfig


@dataclass(frozen=True, eq=False)
class ModelCell:
    """One model with one seed."""

    config: ModelConfig
    seed: int
    hash: str
    run_dir: Path
    code: dict[str, str] = field(default_factory=dict)
    """Digest of the code of each part when the command was started; see `zoo.system.source`."""

    @property
    def label(self) -> str:
        """Name and seed, for messages."""
        return f"{self.config.name} (seed {self.seed})"
