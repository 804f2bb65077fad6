"""Work for the processes of a pool that misbehaves as asked. Imported by name in them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from zoo.system.pool import Line


def work(task: str, line: Line, *state: Any) -> Any:
    """What a task says: an action, and after a colon what it is done to."""
    action, _, value = task.partition(":")
    match action:
        case "state":
            return state
        case "ask":
            return line.ask(value)
        case "exit":
            line.at(value)
            os._exit(3)
        case "exit at once":
            os._exit(3)
        case "once":  # killed from outside, and not of its own fault
            if not Path(value).exists():
                Path(value).touch()
                os._exit(9)
        case "hang":
            line.at(value)
            time.sleep(600)
        case "slow":  # more than the limit in all, less at each place
            for place in range(4):
                line.at(place)
                time.sleep(float(value))
        case "ValueError":
            raise ValueError(value)
        case "KeyError":
            raise KeyError(value)
    return task
