"""What tells one cell from another: the hash of exactly what was asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from benchmarks.records.schema import SCHEMA_VERSION, DatasetInfo, ProtocolInfo


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def cell_hash(
    *,
    kind: Literal["model", "control", "files"],
    name: str,
    config: Mapping[str, Any],
    dataset: DatasetInfo,
    protocol: ProtocolInfo,
    preset: str,
    seed: int | None,
) -> str:
    """sha256 (hex) over the canonical JSON of what identifies a cell.

    Counts (`n`, `whole`, `skipped`, `left_out`, `leaks`) follow from the fingerprint and do not enter; nor do
    device, code version and date, which say where a number comes from but not which number was asked for.

    Raises:
        TypeError: the config holds something that is not JSON.
    """
    identity = {
        "schema": SCHEMA_VERSION,
        "kind": kind,
        "name": name,
        "config": dict(config),
        "dataset": dataset.model_dump(mode="json", exclude={"n", "whole", "skipped", "left_out", "leaks"}),
        "protocol": protocol.model_dump(mode="json"),
        "preset": preset,
        "seed": seed,
    }
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()
