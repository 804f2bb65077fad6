"""`report.html`: everything that a comparison measured on one page that opens without a network.

Tables that sort, charts with intervals, the shapes in three dimensions, and the metrics card. The file holds
its style, its script, three.js (`vendor/`) and its data; it asks nothing of anybody. The charts lie beside it
as PNG, for papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from benchmarks.gallery.cases import Cases
from benchmarks.report import card, gallery, markup
from benchmarks.report.drawing import Plot, png
from benchmarks.report.plots import every_plot
from benchmarks.report.training import Curve
from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.published import Published, load_published
from benchmarks.tables.table import (
    category_block,
    main_block,
    metrics_block,
    paired_block,
    published_block,
    to_json,
    way_block,
)
from zoo.files import write_atomic

HERE = Path(__file__).parent
REPORT, PLOTS = "report.html", "plots"
"""The page, and the folder of its charts."""
LEFT_OUT = ("values", "instances")
"""Parts of `results.json` that the page does not repeat: a number for every instance."""


def write_report(
    comparison: Comparison,
    cases: Cases,
    out_dir: Path,
    curves: Sequence[Curve] = (),
    published: Published | None = None,
) -> Path:
    """Write `report.html` and `plots/*.png`, each atomically; equal results give equal bytes.

    Args:
        cases: instances to show, with predictions; those of a category may be missing.
        curves: training logs, of `read_curves`.

    Returns:
        The page.
    """
    drawn = every_plot(comparison, curves)
    page = out_dir / REPORT
    write_atomic(page, _page(comparison, cases, drawn, load_published() if published is None else published))
    for plot in drawn:
        write_atomic(out_dir / PLOTS / f"{plot.name}.png", png(plot))
    return page


def _page(comparison: Comparison, cases: Cases, drawn: Sequence[Plot], published: Published) -> str:
    head, packed = gallery.pack_cases(cases, [row.name for row in comparison.models])
    compared = paired_block(comparison), way_block(comparison)
    quoted = [published_block(published, published.table(name)) for name in comparison.protocol.published]
    main, failures = main_block(comparison), card.failures_block(comparison)
    whole = to_json(comparison, published)
    islands = [
        markup.island("comparison", {k: v for k, v in whole.items() if k not in LEFT_OUT}),
        markup.island("gallery", head),
        *(markup.island(f"case-{k}", case) for k, case in enumerate(packed)),
    ]
    info = comparison.dataset
    return Template(_read("template.html")).substitute(
        title=markup.escape(f"{comparison.protocol.id} on {info.name}, {info.split} split"),
        summary=markup.escape(
            f"{len(comparison.models)} models and {len(comparison.controls)} controls on "
            f"{comparison.extent} in {len(comparison.categories)} categories; preset "
            f"{comparison.preset}, data {info.fingerprint[:16]}."
        ),
        style=_read("style.css"),
        main=markup.tables(main, apart=True),
        compared="\n".join(markup.tables(block) for block in compared if block is not None) or "<p>None.</p>",
        metrics=markup.tables(metrics_block(comparison)),
        charts=markup.charts(drawn),
        categories="\n".join(markup.tables(category_block(comparison, m)) for m in comparison.primary),
        chosen=markup.escape(cases.chosen),
        faces=f"{head['faces']:,}",
        points=f"{head['points']:,}",
        published="\n".join(markup.tables(block, apart=True) for block in quoted) or "<p>None.</p>",
        facts="\n".join(map(markup.definitions, card.facts(comparison))),
        runs=markup.tables(card.runs_block(comparison), apart=True),
        failures="<h3>Failures</h3><p>None.</p>" if failures is None else markup.tables(failures),
        protocol=markup.escape(comparison.protocol.describe()),
        islands="\n".join(islands),
        three=_read("vendor/three.min.js") if packed else "",
        script=_read("report.js"),
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
