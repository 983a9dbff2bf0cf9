"""What can be done to the rows of an experiment's units. Every function makes one: from logs to broken logs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from tests.fault_injection.fault import Logs, day

Breaks = Callable[[Logs], Logs]
HOUR = pd.Timedelta(hours=1)


def chosen(units: pd.Series, share: float, salt: str = "") -> np.ndarray:
    """Whether each unit is among a share of them, by a hash: all rows of a unit, or none."""
    return pd.util.hash_array((salt + units).to_numpy(dtype=object)) < share * 2.0**64


def both(*all_breaks: Breaks) -> Breaks:
    """One after the other."""

    def breaks(logs: Logs) -> Logs:
        for one in all_breaks:
            logs = one(logs)
        return logs

    return breaks


def exposures_lost(variant: str, share: float, device: str | None = None, since: int = 1) -> Breaks:
    """Units of an arm whose exposures never reach the log, those of a device, or first seen from a day on."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        first_seen = rows.groupby("unit")["at"].transform("min")
        is_lost = (rows["variant"] == variant) & chosen(rows["unit"], share) & (first_seen >= pd.Timestamp(day(since)))
        if device is not None:
            is_lost &= rows["device"] == device
        return replace(logs, exposures=rows[~is_lost])

    return breaks


def log_lost(variant: str, share: float, on: int) -> Breaks:
    """Rows of an arm that one day's log lacks."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        is_lost = (rows["variant"] == variant) & chosen(rows["unit"], share) & (rows["log_date"] == day(on))
        return replace(logs, exposures=rows[~is_lost])

    return breaks


def seen_in_both(share: float, variants: tuple[str, ...] = ("a", "b")) -> Breaks:
    """Units, first in one of these variants, that see the other one a minute later."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        again = rows[chosen(rows["unit"], share) & rows["variant"].isin(variants)].drop_duplicates("unit")
        # In the same second log, or the mixture would be known a day later.
        other = again["variant"].map({"a": "b", "b": "a"})
        again = again.assign(variant=other, at=again["at"] + pd.Timedelta(minutes=1))
        return replace(logs, exposures=pd.concat([rows, again], ignore_index=True))

    return breaks


def logged_as(variant: str | None, share: float) -> Breaks:
    """Units that are logged in another variant, or in none."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        return replace(
            logs,
            exposures=rows.assign(variant=rows["variant"].mask(chosen(rows["unit"], share, variant or ""), variant)),
        )

    return breaks


def swapped(share: float) -> Breaks:
    """Units that see the other arm than their hash gives them, from the first time on."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        other = rows["variant"].map({"a": "b", "b": "a"})
        return replace(logs, exposures=rows.assign(variant=rows["variant"].mask(chosen(rows["unit"], share), other)))

    return breaks


def exposures_moved(share: float, days: int) -> Breaks:
    """Rows whose instant lies so many days from that of their log."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        moved = rows["at"] + pd.Timedelta(days=days)
        is_moved = chosen(rows["unit"], share, str(days))
        return replace(logs, exposures=rows.assign(at=rows["at"].mask(is_moved, moved)))

    return breaks


def exposed_before(start: int, share: float) -> Breaks:
    """Units that were exposed a day before the start as well."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        early = rows[chosen(rows["unit"], share)].drop_duplicates("unit")
        early = early.assign(at=pd.Timestamp(day(start - 1)) + 9 * HOUR, log_date=day(start - 1))
        return replace(logs, exposures=pd.concat([early, rows], ignore_index=True))

    return breaks


def exposed_as_well(variant: str, units: int, on: int) -> Breaks:
    """Units in a variant that nobody should be in."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        more = (
            rows.head(1)
            .loc[[rows.index[0]] * units]
            .assign(
                unit=[f"visitor-{number}" for number in range(units)],
                variant=variant,
                at=pd.Timestamp(day(on)) + 9 * HOUR,
                log_date=day(on),
            )
        )
        return replace(logs, exposures=pd.concat([rows, more], ignore_index=True))

    return breaks


def nobody_exposed(logs: Logs) -> Logs:
    """No exposure at all."""
    return replace(logs, exposures=logs.exposures.iloc[:0])


def unjoined(logs: Logs) -> Logs:
    """Events bear ids that the exposures do not know."""
    return replace(logs, orders=logs.orders.assign(unit="x" + logs.orders["unit"]))


def events_lost(variant: str, share: float) -> Breaks:
    """Units of an arm without any event from their first exposure on."""

    def breaks(logs: Logs) -> Logs:
        is_lost = _in_arm(logs, variant) & chosen(logs.orders["unit"], share, "lost") & _since_start(logs)
        return replace(logs, orders=logs.orders[~is_lost])

    return breaks


def spent_before(variant: str, on: int, amount: float) -> Breaks:
    """Units of an arm have ordered something before they were exposed."""

    def breaks(logs: Logs) -> Logs:
        units = logs.exposures.loc[logs.exposures["variant"] == variant, "unit"].drop_duplicates()
        return replace(logs, orders=_with_orders(logs, units, "before", on, amount))

    return breaks


def one_order_of(amount: float, variant: str, on: int) -> Breaks:
    """One unit of an arm orders for a fortune."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures
        exposed = rows[(rows["variant"] == variant) & (rows["at"].dt.date == day(on)) & (rows["log_date"] == day(on))]
        return replace(logs, orders=_with_orders(logs, exposed["unit"].head(1), "fortune", on, amount, hour=23.9))

    return breaks


def amounts_times(factor: float, on: int, variant: str | None = None) -> Breaks:
    """Amounts of one day's log, of one arm or of both."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.orders
        is_wrong = rows["at"].dt.date == day(on)
        if variant is not None:
            is_wrong &= _in_arm(logs, variant)
        return replace(
            logs, orders=rows.assign(amount=rows["amount"].mask(is_wrong, (rows["amount"] * factor).round(2)))
        )

    return breaks


def spends_times(factor: float, variant: str) -> Breaks:
    """What an arm spends from its first exposure on."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.orders
        is_treated = _in_arm(logs, variant) & _since_start(logs)
        amount = rows["amount"].mask(is_treated, (rows["amount"] * factor).round(2))
        return replace(logs, orders=rows.assign(amount=amount))

    return breaks


def fails_as_well(variant: str) -> Breaks:
    """Units of an arm have an error with every purchase."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.orders
        errors = rows[_in_arm(logs, variant) & _since_start(logs) & (rows["name"] == "purchase")]
        errors = errors.assign(id=errors["id"] + "-failed", name="error", amount=np.nan, channel=None)
        return replace(logs, orders=pd.concat([rows, errors], ignore_index=True))

    return breaks


def in_an_earlier_experiment(name: str, on: int, *, share_of_a: float, share_of_b: float) -> Breaks:
    """All units had been in an experiment of that name, the shares of these arms in its variant y, others in x."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.exposures[logs.exposures["experiment"] != name]
        units = rows.drop_duplicates("unit")
        is_y = np.where(
            units["variant"] == "b", chosen(units["unit"], share_of_b, name), chosen(units["unit"], share_of_a, name)
        )
        earlier = units.assign(
            experiment=name, variant=np.where(is_y, "y", "x"), at=pd.Timestamp(day(on)) + 9 * HOUR, log_date=day(on)
        )
        return replace(logs, exposures=pd.concat([earlier.astype(rows.dtypes), rows], ignore_index=True))

    return breaks


def visited_by_bots(variant: str, share: float, events: int) -> Breaks:
    """Units of an arm, among those with events, that have so many more in the hour of their first exposure."""

    def breaks(logs: Logs) -> Logs:
        units = logs.exposures.sort_values("at").drop_duplicates("unit")
        units = units[units["unit"].isin(logs.orders.loc[_since_start(logs), "unit"]) & (units["variant"] == variant)]
        bots = units[chosen(units["unit"], share, "bots")]
        more = bots.loc[bots.index.repeat(events), ["unit", "at", "log_date"]].reset_index(drop=True)
        more = more.assign(
            id=[f"bot-{number}-{unit}" for number, unit in enumerate(more["unit"])],
            name="error",
            amount=np.nan,
            channel=None,
        )
        return replace(logs, orders=pd.concat([logs.orders, more[logs.orders.columns]], ignore_index=True))

    return breaks


def in_currencies(share: float = 0.0) -> Breaks:
    """Amounts with their currency: a share of them in dollars."""

    def breaks(logs: Logs) -> Logs:
        rows = logs.orders
        currency = np.where(chosen(rows["id"], share, "currency"), "USD", "EUR")
        return replace(logs, orders=rows.assign(currency=np.where(rows["amount"].isna(), None, currency)))

    return breaks


def _in_arm(logs: Logs, variant: str) -> pd.Series:
    return logs.orders["unit"].isin(logs.exposures.loc[logs.exposures["variant"] == variant, "unit"])


def _since_start(logs: Logs) -> pd.Series:
    return logs.orders["at"] >= logs.exposures["at"].min()


def _with_orders(logs: Logs, units: pd.Series, name: str, on: int, amount: float, hour: float = 12.0) -> pd.DataFrame:
    more = pd.DataFrame(
        {
            "id": name + "-" + units,
            "unit": units,
            "name": "purchase",
            "at": pd.Timestamp(day(on)) + hour * HOUR,
            "amount": amount,
            "channel": "web",
            "log_date": day(on),
        }
    )
    return pd.concat([logs.orders, more.astype({"at": "datetime64[us]"})], ignore_index=True)
