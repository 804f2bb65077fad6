"""Ten thousand damaged files, read by every reader: ``python -m tests.mutate``; some minutes.

Left out of the ordinary suite, which runs a sample of it; ``pytest -m slow tests/slow`` runs it whole.
"""

import pytest

from tests.mutate.__main__ import main

pytest.importorskip("resource")  # it limits the memory of a trial


@pytest.mark.slow
def test_ten_thousand_damaged_files(capsys):
    assert main(["--trials", "10000"]) == 0, capsys.readouterr().out
