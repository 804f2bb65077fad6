"""The one decorator of kernels that numba compiles: kept on disk where that can be, else made anew.

numba keeps machine code in `NUMBA_CACHE_DIR`, else beside the source, else in the user's cache folder, and
refuses to compile where it can write none of them, as in a read-only clone of a user without a home. What is
kept only saves time, so that nothing about it ever ends a command.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
from numba.core.caching import FunctionCache


class _Cache(FunctionCache):
    """numba's cache of one kernel, in which a file that cannot be read or written costs a compilation.

    A disk that is full, a folder taken away, a file that is damaged: such a file is replaced.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What is kept for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # half a pickle may raise anything
            with suppress(OSError):
                self.flush()  # the index, which `save_overload` reads again
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature, where that can be."""
        with suppress(OSError):
            super().save_overload(sig, data)


def njit(function: Callable[..., Any]) -> Any:
    """Compile a function to machine code, without Python in it, when it is first called.

    Kernels are marked @no_type_check below this, for run-time shape checkers must not wrap what numba
    compiles. Coverage leaves out what begins with this decorator's name (setup.cfg): no line of it is traced.
    """
    kernel = numba.njit(function)
    # RuntimeError: no folder can be written; the others: a path that numba misreads, as one with .zip in it
    with suppress(RuntimeError, ValueError, OSError):
        kernel._cache = _Cache(function)
    return kernel
