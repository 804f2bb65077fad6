"""What commands take that print a table."""

from __future__ import annotations

import argparse


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--columns`` and ``--verbose``."""
    parser.add_argument(
        "--columns",
        metavar="A,B",
        help="columns of the printed table and of table.tex, like iou,cd: metrics of the protocol, n, seeds, "
        "failed, params, train, speed, memory (default: the protocol's headline)",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="print all tables, with every test and definition, before the one that fits a screen; the files "
        "have them anyway",
    )
