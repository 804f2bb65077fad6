"""Score anybody's predictions: folders of shapes against a folder of true shapes, by any protocol.

Shapes are obj, off, ply, stl, glb, gltf (meshes), ply, npz, npy (points) and npz, npy, binvox, mat (voxels).
They are paired by name: the path below the folder without its extension. A folder that holds one shape
alone, like <id>/model.obj, goes by the name <id> too, and letter case does not matter where nothing else is
meant. Everything is measured in the frame and units of the files, which prediction and truth must share. A
grid fills the unit cube around the origin, whatever a binvox header says, so that meshes and points that are
compared with it must lie there too.

What is missing, cannot be read or is empty counts as a failure with the protocol's worst values; nothing is
dropped. The numbers are those that the same shapes would get as a model's in benchmarks.run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.request.evaluate_options import parser
from zoo.cli.command import leave, run_command

if TYPE_CHECKING:
    from benchmarks.cells.events import Tell
    from benchmarks.request.evaluate_request import EvaluateRequest
    from benchmarks.statistics.comparison import Comparison


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit status 0, 1 when a row could not be measured, 2 for bad input, 130 interrupted."""
    command_line = parser(__doc__)
    args = command_line.parse_args(argv)
    if args.config is None and not {"pred", "gt"} <= vars(args).keys():
        command_line.error("the following arguments are required: --pred, --gt")

    def body() -> int:
        from benchmarks.driver.terminal import evaluate_in_terminal
        from benchmarks.request.evaluate_request import EvaluateRequest
        from benchmarks.request.filling import fill

        return evaluate_in_terminal(fill(EvaluateRequest, args))

    return run_command(body)


class _Callable(ModuleType):
    """This module, which is called too: `benchmarks.evaluate(pred=..., gt=...)`."""

    def __call__(
        self, request: EvaluateRequest | None = None, progress: Tell | None = None, **asked: Any
    ) -> Comparison:
        """See `benchmarks.driver.evaluation.evaluate`."""
        from benchmarks.driver.evaluation import evaluate

        return evaluate(request, progress, **asked)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    leave(main())
