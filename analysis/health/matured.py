"""The matured population of each experiment, with the share expected of each arm."""

import pandas as pd

from analysis.health.inputs import HealthInputs
from analysis.periods import as_days, window_days

KEY = ["experiment_id", "as_of_date", "variant_id"]


def matured_streams(inputs: HealthInputs) -> pd.DataFrame:
    """Matured units of each experiment's longest window: a row per as-of date and variant.

    Moments do not say which epoch a unit came in. Over several epochs the expected share is their average,
    weighted by the units exposed one window earlier; pooling strata makes the test conservative.
    """
    longest = {
        experiment.id: max(sorted(experiment.metrics.roles), key=lambda id_: window_days(inputs.metrics[id_]))
        for experiment in inputs.experiments.values()
    }
    windows = {id_: pd.Timedelta(days=window_days(inputs.metrics[metric])) for id_, metric in longest.items()}
    matured = inputs.data.moments
    matured = matured[
        (matured["segment_name"] == "all") & (matured["metric_id"] == matured["experiment_id"].map(longest))
    ]
    grid = _grid(inputs, matured)
    grid["exposed_by"] = as_days(grid["as_of_date"] - grid["experiment_id"].map(windows).astype("timedelta64[us]"))
    streams = pd.merge_asof(
        grid.sort_values("exposed_by", kind="stable"),
        _expected_units(inputs.epoch_counts).sort_values("exposed_by", kind="stable"),
        on="exposed_by",
        by=["experiment_id", "variant_id"],
    ).merge(matured[[*KEY, "n_units"]], how="left", on=KEY)
    return streams.assign(
        units=streams["n_units"].fillna(0),
        weight=streams["expected_units"].fillna(streams["configured_weight"]),
        segment_name="all",
        segment_value="all",
        epoch=0,
    )


def _grid(inputs: HealthInputs, matured: pd.DataFrame) -> pd.DataFrame:
    """Every as-of date that has matured units or is asked for, times every variant of its experiment."""
    asked = [(id_, day) for id_, days in inputs.days.items() for day in days]
    pairs = pd.DataFrame(asked, columns=KEY[:2])
    pairs = pairs.assign(as_of_date=as_days(pairs["as_of_date"]), experiment_id=pairs["experiment_id"].astype("str"))
    variants = pd.DataFrame(
        [(e.id, variant.id, variant.weight) for e in inputs.experiments.values() for variant in e.variants],
        columns=["experiment_id", "variant_id", "configured_weight"],
    ).astype({"experiment_id": "str", "variant_id": "str"})
    return pd.concat([pairs, matured[KEY[:2]]]).drop_duplicates().merge(variants, on="experiment_id")


def _expected_units(epoch_counts: pd.DataFrame) -> pd.DataFrame:
    """Units expected of each variant, summed over epochs, by the date they were exposed."""
    counts = epoch_counts[epoch_counts["segment_name"] == "all"]
    units = counts["n_units"] + counts["n_mixed_excluded"]
    in_epoch = units.groupby([counts[column] for column in (*KEY[:2], "epoch")]).transform("sum")
    # Sums of doubles: the same in the order of epochs, whatever the rows' own.
    expected = counts.assign(expected_units=in_epoch * counts["weight"]).sort_values([*KEY, "epoch"])
    expected = expected.groupby(KEY, as_index=False)["expected_units"].sum()
    # Where nothing was exposed there is no share to expect; an earlier date or the configured weight serves.
    reached = expected.groupby(KEY[:2])["expected_units"].transform("sum") > 0
    return expected[reached].rename(columns={"as_of_date": "exposed_by"})
