"""The score before and after, by control, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from defender_remediate.casing import fold
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.forecast import ScoreForecast
from defender_remediate.reports.charts import bar

if TYPE_CHECKING:
    from markupsafe import Markup


_MOST_POINTS = 1_000_000


@attrs.frozen(kw_only=True)
class ScoreRow:
    """The score, or one control: its bar as an image, and the same as text."""

    name: str
    bar: Markup
    text: str


@attrs.frozen(kw_only=True)
class ScoreView:
    """The score and its controls; no rows where it is not known, then the note says why."""

    note: str
    rows: tuple[ScoreRow, ...] = ()
    before_label: str = "before"
    after_label: str = "gained"


def forecast_view(forecast: ScoreForecast, note: str) -> ScoreView:
    """The expected score of a plan or of what a run has changed."""
    rows = [score_row("Secure score", forecast.current, forecast.expected, forecast.max)]
    rows += [
        score_row(one.display_name, one.current, one.expected, one.max) for one in forecast.controls if one.max > 0
    ]
    return ScoreView(note=note, rows=tuple(rows), before_label="now", after_label="expected gain")


def measured_view(
    before: SecureScore,
    after: SecureScore,
    controls_before: Iterable[SecurityControl],
    controls_after: Iterable[SecurityControl],
) -> ScoreView:
    """The score as Defender reported it before and after, with the controls that are in both."""
    rows = [score_row("Secure score", before.current, after.current, after.max)]
    earlier = {fold(control.name): control for control in controls_before}
    found = []
    for control in controls_after:
        known = earlier.get(fold(control.name))
        if known is not None and control.max_score > 0:
            found.append((known.current_score - control.current_score, known, control))
    found.sort(key=lambda item: (round(item[0], 6), fold(item[2].display_name)))
    rows += [score_row(now.display_name, was.current_score, now.current_score, now.max_score) for _, was, now in found]
    return ScoreView(note="As Defender for Cloud reported it before and after the run.", rows=tuple(rows))


def score_row(name: str, before: float, after: float, most: float) -> ScoreRow:
    """The bar of a score or a control, and the same as text."""
    from markupsafe import Markup

    change = f"{before:.2f} → {after:.2f}" if abs(after - before) >= 0.005 else f"{after:.2f}"
    text = f"{change} of {most:g}"
    parts = [("was", min(before, after))]
    moved = abs(after - before)
    if moved >= 0.005:
        parts.append(("gain" if after > before else "loss", moved))
    longest = max(most, before, after)
    if not all(0 <= points <= _MOST_POINTS for points in (before, after, most)) or not longest:
        # Whatever a file or a server says: such points are shown as text, and the bar is empty.
        parts, longest = [("was", 0.0)], 1.0
    image = bar(parts, most=longest, label=f"{name}: {text} points")
    return ScoreRow(name=name, bar=Markup(image), text=text)  # noqa: S704 - pygal's elements and an escaped label
