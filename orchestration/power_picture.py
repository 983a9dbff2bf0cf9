"""The picture of a plan: the power of each test against the days that units come in."""

from pathlib import Path

import altair as alt
import pandas as pd

from orchestration.history import PlanInputs

FORMATS = (".png", ".svg")
PIXELS_PER_POINT = 2.0


def draw_power(inputs: PlanInputs, path: Path) -> None:
    """Write the power curves, the planned end and each test's planned power to a .png or .svg file.

    Of several treatments each metric shows the one with the least power.
    """
    curves = inputs.power_curves()
    planned_days = (inputs.experiment.end - inputs.experiment.start).days + 1
    base = alt.Chart(_weakest(curves).assign(test=lambda rows: rows["metric_id"] + " (" + rows["role"] + ")"))
    lines = base.mark_line(strokeWidth=2).encode(
        x=alt.X("days:Q", title=f"days of exposure, {inputs.units_per_day:,.0f} new units each"),
        y=alt.Y("power:Q", title="chance to find the planned effect", axis=alt.Axis(format="%")).scale(domain=[0, 1]),
        color=alt.Color("test:N", title=None, legend=alt.Legend(labelLimit=0)),
    )
    wanted = base.mark_rule(strokeDash=[2, 3]).encode(y="planned_power:Q", color="test:N", size=alt.value(1))
    end = alt.Chart(alt.InlineData([{"days": planned_days}])).mark_rule(color="grey").encode(x="days:Q")
    chart = (lines + wanted + end).properties(
        width=640, height=360, title=f"{inputs.experiment.id}: power; planned end after {planned_days} days"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(path), scale_factor=PIXELS_PER_POINT)


def _weakest(curves: pd.DataFrame) -> pd.DataFrame:
    mean = curves.groupby(["metric_id", "variant_id"])["power"].mean()
    chosen = {found[0]: found[1] for found in mean.groupby("metric_id").idxmin()}
    return curves[curves["variant_id"] == curves["metric_id"].map(chosen)]
