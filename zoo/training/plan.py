"""How many steps a budget of time holds, on this machine and now.

A copy of the model takes the first steps of each stage, which is timed; then the training begins anew with a
number of steps that stays. So a budget decides the length alone: schedules, stages and resuming go by steps,
and the same number of steps trains the same weights again.
"""

from collections.abc import Sequence
from time import perf_counter

import torch

from zoo.config import ModelConfig, StageConfig
from zoo.seeding import derive
from zoo.training.sampler import batches
from zoo.training.stages import Stage
from zoo.training.updates import Updates
from zoo.training.validation import Validation
from zoo.types import Source

WARM, LEAST = 2, 3
"""Steps of a trial that are not timed, and those that are at the least."""
SHARE = 0.03
"""Share of the budget that the trials of all stages take at most, but for the steps at the least."""


def plan_steps(
    config: ModelConfig, source: Source, validation: Validation | None, *, seed: int, device: torch.device
) -> list[int]:
    """The step after which each stage ends, so that all of the training takes `config.train.minutes`.

    Raises:
        ContractError: as `Updates`.
    """
    train = config.train
    assert train.minutes is not None
    budget, began = 60 * train.minutes, perf_counter()
    shares = [stage.share / sum(s.share for s in train.stages) for stage in train.stages]
    trial = Updates(config, source, seed=seed, device=device)
    per_step = [
        _seconds_per_step(trial, source, stage, SHARE * share * budget)
        for stage, share in zip(train.stages, shares, strict=True)
    ]
    if validation is not None:
        started = perf_counter()
        validation(trial.model)
        budget -= train.validations * (perf_counter() - started)
    budget -= perf_counter() - began
    return ends_within(budget, shares, per_step)


def ends_within(budget: float, shares: Sequence[float], per_step: Sequence[float]) -> list[int]:
    """Steps at which stages end that share a budget of seconds; every stage has one step at least."""
    ends, done = [], 0
    for share, seconds in zip(shares, per_step, strict=True):
        done += max(1, int(max(budget, 0.0) * share / seconds))
        ends.append(done)
    return ends


def stages_of(stages: Sequence[StageConfig], ends: Sequence[int]) -> list[Stage]:
    """Stages between the steps at which they end."""
    firsts = [0, *ends[:-1]]
    return [Stage(config, first, last) for config, first, last in zip(stages, firsts, ends, strict=True)]


def _seconds_per_step(trial: Updates, source: Source, config: StageConfig, seconds: float) -> float:
    """Time of a step of a stage, by steps that take some seconds."""
    train, stage = trial.config.train, Stage(config, 0, 2**31)
    trial.enter(stage)
    trial.done, timed, started = 0, 0, 0.0
    stream = batches(
        source,
        batch_size=train.batch_size,
        views=train.views,
        first=0,
        last=stage.last,
        seed=derive(trial.seed, "data"),
        device=trial.device,
        extra_views=train.extra_views,
    )
    for batch in stream:
        trial.step(batch, stage)
        if trial.device.type == "cuda":
            torch.cuda.synchronize()
        trial.done += 1
        timed = trial.done - WARM
        if timed == 0:
            started = perf_counter()
        if timed >= LEAST and perf_counter() - started >= seconds:
            break
    stream.close()
    trial.pending.clear()
    return (perf_counter() - started) / timed
