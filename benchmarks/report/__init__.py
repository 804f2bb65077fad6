"""`report.html`: everything that a comparison measured on one page that opens without a network.

The verdict, tables that sort, charts with intervals, the shapes in three dimensions, the pictures of every
test instance, cards of the models and of the metrics. The file holds its style, its script, three.js
(`vendor/`) and its data; it asks nothing of anybody. The charts lie beside it as PNG, for papers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from markupsafe import Markup

from benchmarks.gallery.cases import Cases, columns_of
from benchmarks.report import card, gallery, html, thumbnails
from benchmarks.report.drawing import Plot, png
from benchmarks.report.models import model_cards
from benchmarks.report.plots import every_plot
from benchmarks.report.training import Curve
from benchmarks.statistics.comparison import Comparison
from benchmarks.tables.blocks import (
    category_block,
    costs_block,
    main_block,
    metrics_block,
    paired_block,
    published_block,
    way_block,
)
from benchmarks.tables.json import to_json
from benchmarks.tables.published import Published, load_published
from benchmarks.tables.verdict import listed, verdict
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


def charts(written: Iterable[Path]) -> list[Path]:
    """The charts that were drawn with the report among written files; those of an older one are left out."""
    return sorted(
        path
        for page in written
        if page.name == REPORT
        for path in (page.parent / PLOTS).glob("*.png")
        if path.stat().st_mtime_ns >= page.stat().st_mtime_ns
    )


def _page(comparison: Comparison, cases: Cases, drawn: Sequence[Plot], published: Published) -> str:
    head, packed = gallery.pack_cases(cases, columns_of(cases, comparison))
    places = {case["id"]: k for k, case in enumerate(head["cases"])}
    whole, info, cards = to_json(comparison, published), comparison.dataset, model_cards(comparison)
    models = listed([row.name for row in comparison.models])
    return html.render(
        "page.html",
        title=f"{models} on {info.name}, {info.split} split",
        verdict=verdict(comparison),
        summary=f"{len(comparison.models)} models and {len(comparison.controls)} controls by "
        f"{comparison.protocol.id}; {comparison.extent} in {len(comparison.categories)} categories; preset "
        f"{comparison.preset}, data {info.fingerprint[:16]}.",
        main=main_block(comparison),
        anchors={model.name: model.anchor for model in cards},
        costs=costs_block(comparison),
        metrics=metrics_block(comparison),
        compared=[b for b in (paired_block(comparison), way_block(comparison)) if b is not None],
        plots=drawn,
        chosen=cases.chosen,
        head=head,
        pictured=thumbnails.said(cases.pictures, comparison),
        thumbnails=thumbnails.groups(cases.pictures, comparison, places),
        categories=[category_block(comparison, metric) for metric in comparison.primary],
        models=cards,
        published=[
            published_block(published, published.table(name)) for name in comparison.protocol.published
        ],
        facts=card.facts(comparison),
        runs=card.runs_block(comparison),
        failures=card.failures_block(comparison),
        protocol=comparison.protocol.describe(),
        islands=[
            html.island("comparison", {k: v for k, v in whole.items() if k not in LEFT_OUT}),
            html.island("gallery", head),
            *(html.island(f"case-{k}", case) for k, case in enumerate(packed)),
        ],
        style=_read("style.css"),
        three=_read("vendor/three.min.js") if packed else "",
        script=_read("report.js"),
    )


def _read(name: str) -> Markup:
    """A file of ours, which goes into the page as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))
