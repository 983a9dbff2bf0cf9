"""Faults of single experiments: each has units of its own, and begins on the 15th unless it says otherwise."""

from collections.abc import Callable
from pathlib import Path

from tests.fault_injection import injections as do
from tests.fault_injection.fault import ANYBODY, FIRST_FAULTY, OLD, Fault, Incident


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    """Put one text in the place of another in a file of the configuration."""

    def edits(configs: Path) -> None:
        path = configs / file
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{file} holds {old!r} {text.count(old)} times")
        path.write_text(text.replace(old, new), encoding="utf-8")

    return edits


def also(*all_edits: Callable[[Path], None]) -> Callable[[Path], None]:
    """One after the other."""

    def edits(configs: Path) -> None:
        for one in all_edits:
            one(configs)

    return edits


def change_accepted(name: str) -> Callable[[Path], None]:
    """Accept that an experiment's definition has changed once."""

    def edits(configs: Path) -> None:
        with (configs / f"experiments/{name}.yaml").open("a", encoding="utf-8") as file:
            file.write("health: {definition_changes: 1}\n")

    return edits


def misspelt(name: str, right: str, wrong: str, message: str, file: str = "experiments") -> Fault:
    """A mistake in the YAML of an experiment that has run for days, or of its own metrics."""
    path = f"{file}/{name}.yaml"
    metric = f"- {{id: {name}, type: mean, source: orders, event: purchase, aggregate: sum, measure: amount"
    where = "its YAML" if file == "experiments" else "a metric of its own"
    return Fault(
        injects=f"`{wrong}` in the place of `{right}` in {where}",
        incidents=(Incident("configuration", 15, says=message),),
        start=OLD,
        edits=replaced(path, right, wrong),
        mends=replaced(path, wrong, right),
        metrics=metric + ", window: {end_days: 1}}\n" if file == "metrics" else "",
        secondary=(name,) if file == "metrics" else (),
        decision="invalid",
    )


EARLIER = """\
id: carried_over_earlier
owner: carried_over@example.com
start: 2026-09-12
end: 2026-09-13
exposure_source: web
variants: [{id: x, weight: 0.5, baseline: true}, {id: y, weight: 0.5}]
metrics: {primary: [revenue]}
analysis: {minimum_days: 1, minimum_units: 50}
"""
SRM, MATURED = "sample_ratio_mismatch", "sample_ratio_mismatch_matured"
LOST = do.exposures_lost("b", 0.8)

EXPERIMENT_FAULTS = {
    "srm": Fault(
        "four fifths of b's exposures are lost",
        (
            Incident(SRM, 15, says=r"exposed units: a [\d,]+ \(8\d.*expected 50.*sequential p"),
            Incident(MATURED, 16, says=r"matured units: a [\d,]+ \(8\d"),
        ),
        units=2_500, breaks=LOST, decision="invalid",
    ),
    "srm_seen_at_the_end": Fault(
        "45 % of b's exposures are lost of an experiment too small for the sequential test",
        (
            Incident(SRM, 16, says="at the planned end χ²"),
            Incident(MATURED, 17, says="at the planned end χ²"),
        ),
        units=500, breaks=do.exposures_lost("b", 0.45), decision="invalid",
    ),
    "srm_in_segments": Fault(
        "four fifths of b are lost on phones, and of a on laptops: in all the ratio is right",
        (
            Incident(f"{SRM}_segment", 15, "warning", r"device phone: a [\d,]+ \(8", "device phone"),
            Incident(f"{SRM}_segment", 15, "warning", r"device laptop: a [\d,]+ \(1", "device laptop"),
        ),
        units=5_000, experiment="segments: [device]",
        breaks=do.both(do.exposures_lost("b", 0.8, "phone"), do.exposures_lost("a", 0.8, "laptop")),
    ),
    "srm_in_an_epoch": Fault(
        "b's new units of the second allocation epoch are lost, four fifths of them",
        (
            Incident(SRM, 16, says="sequential p"),
            Incident(f"{SRM}_epoch", 16, "warning", "epoch 1: a", "epoch 1"),
            Incident(MATURED, 17),
        ),
        units=5_000, breaks=do.exposures_lost("b", 0.8, since=16), decision="invalid",
        experiment="allocation:\n  - {from: 2026-09-15, weights: {a: 0.5, b: 0.5}}\n"
        "  - {from: 2026-09-16, weights: {a: 0.5, b: 0.5}}",
    ),
    "arm_of_no_weight": Fault(
        "three units in a variant that has the weight 0",
        (Incident(SRM, 16, says=r"c 3 \("), Incident(MATURED, 17, says=r"c 3 \(")),
        weights=(("a", 0.5), ("b", 0.5), ("c", 0.0)), is_hashed=False, breaks=do.exposed_as_well("c", 3, 16),
        decision="invalid",
    ),
    "some_mixed": Fault(
        "5 % of the units see both variants",
        (Incident("mixed_exposures", 15, "warning", r"units were seen in several variants \([1-9]\.\d\d%"),),
        units=800, breaks=do.seen_in_both(0.05),
    ),
    "many_mixed": Fault(
        "a fifth of the units see both variants",
        (Incident("mixed_exposures", 15, says="fails from 10%"),),
        breaks=do.seen_in_both(0.2), decision="invalid",
    ),
    "unevenly_mixed": Fault(
        "12 % of the units that see b first see a next, and none the other way round",
        (Incident("mixed_exposures", 15, says=r"by first variant: a 0, b \d+.*not split as configured"),),
        units=2_000, breaks=do.seen_in_both(0.12, ("b",)), decision="invalid",
    ),
    "arm_without_units": Fault(
        "no exposure of b is logged",
        (
            Incident("no_exposures", 15, says=r"no unit in b among \d+"),
            Incident(SRM, 16, says=r"b 0 \(0.00%"),
            Incident(MATURED, 17, says=r"b 0 \(0.00%"),
        ),
        breaks=do.exposures_lost("b", 1.0), decision="invalid",
    ),
    "nobody_exposed": Fault(
        "no exposure is logged at all",
        (Incident("no_exposures", 15, says="no unit has been exposed"),),
        breaks=do.nobody_exposed, decision="invalid",
    ),
    "arm_late_to_start": Fault(
        "the few first exposures of b are lost, later ones are not",
        (Incident("no_exposures", 15, "warning", r"no unit in b among \d \(chance", gone=16),),
        units=12, breaks=do.log_lost("b", 1.0, 15), decision="review", after_mending="review",
    ),
    "unknown_variant": Fault(
        "5 % of the units are logged in a variant that is not configured",
        (Incident("unknown_variants", 15, "warning", r"\d+ unknown_variant"),),
        breaks=do.logged_as("treatment", 0.05),
    ),
    "variant_missing": Fault(
        "5 % of the exposures name no variant",
        (Incident("unknown_variants", 15, "warning", r"\d+ missing_variant_id"),),
        breaks=do.logged_as(None, 0.05),
    ),
    "exposures_come_late": Fault(
        "5 % of the exposures are three days old when they are logged",
        (Incident("refused_exposures", 15, "warning", r"\d+ late"),),
        breaks=do.exposures_moved(0.05, -3),
    ),
    "exposures_of_tomorrow": Fault(
        "5 % of the exposures bear an instant two days ahead",
        (Incident("refused_exposures", 15, "warning", r"\d+ future"),),
        breaks=do.exposures_moved(0.05, 2),
    ),
    "exposed_before_start": Fault(
        "a third of the units are exposed the day before the start",
        (Incident("exposures_outside_period", 15, "warning", "exposure rows are from before the start"),),
        breaks=do.exposed_before(15, 0.33),
    ),
    "overrides": Fault(
        "0.4 % of the units are in the other arm than their hash gives",
        (Incident("assignment_integrity", 15, "warning", r"of [\d,]+ units were first logged in another variant"),),
        units=2_000, breaks=do.swapped(0.004),
    ),
    "assigned_otherwise": Fault(
        "5 % of the units are in the other arm than their hash gives",
        (Incident("assignment_integrity", 15, says=r"\(\d+\.\d\d%, warns above 0.10%, fails above 1.00%"),),
        breaks=do.swapped(0.05), decision="invalid",
    ),
    "unjoined": Fault(
        "events bear unit ids that the exposures do not know",
        (Incident("no_events", 16, "warning", r"0 of [\d,]+ units have an event of orders"),),
        units=2_600, breaks=do.unjoined, decision="review",
    ),
    "b_loses_events": Fault(
        "six tenths of b's units lose their events",
        (Incident("event_loss", 16, says="units without an event of orders .* of b"),),
        units=1_200, breaks=do.events_lost("b", 0.6), decision="invalid",
    ),
    "b_loses_few_events": Fault(
        "9 % of b's units lose their events",
        (Incident("event_loss", 16, "warning", "units without an event of orders .* of b"),),
        units=5_000, breaks=do.events_lost("b", 0.09),
    ),
    "unlike_before": Fault(
        "all of b's units had ordered something before they were exposed",
        (Incident("pre_exposure_imbalance", 16, says="before exposure revenue was"),),
        units=5_000, breaks=do.spent_before("b", 12, 20.0), decision="invalid",
    ),
    "one_fortune": Fault(
        "one unit of b orders for 900,000",
        (Incident("outlier_dominance", 16, "warning", "revenue in b: one of"),),
        units=5_000, breaks=do.one_order_of(900_000.0, "b", 15), decision="stop",
    ),
    "amounts_inflated": Fault(
        "the log of one day has every amount 2.4 times as large",
        (Incident("metric_level_jump", 16, "warning", r"revenue of the baseline's latest \d+ units", gone=17),),
        units=8_000, start=OLD, breaks=do.amounts_times(2.4, 15),
    ),
    "cap_of_zero": Fault(
        "a metric of its own is capped at a quantile of units that have none",
        (Incident("capped_to_zero", 16, "warning", "cap_of_zero in .: the cap of 0 takes 100.0%"),),
        metrics="- {id: cap_of_zero, type: mean, source: orders, event: error, aggregate: count,\n"
        "   window: {end_days: 1}, cap: {upper_quantile: 0.3}}\n",
        secondary=("cap_of_zero",),
        mends=also(replaced("metrics/cap_of_zero.yaml", "0.3", "0.999"), change_accepted("cap_of_zero")),
    ),
    "carried_over": Fault(
        "65 % of b's units and 35 % of a's had been in one arm of an earlier experiment",
        (Incident("carry_over", 15, "warning", r"carried_over_earlier"),),
        units=2_500, experiment="health: {carry_over_days: 14}", earlier=EARLIER,
        prepares=do.in_an_earlier_experiment("carried_over_earlier", FIRST_FAULTY, share_of_a=0.5, share_of_b=0.5),
        breaks=do.in_an_earlier_experiment("carried_over_earlier", FIRST_FAULTY, share_of_a=0.35, share_of_b=0.65),
    ),
    "bots_in_b": Fault(
        "a tenth of b's units have 25 more events in one day",
        (Incident("bots", 16, "warning", r"units of b .*had more than 20 events in a day.*arms differ, sequential p"),),
        units=2_000, experiment="health: {bot_daily_events: 20}", breaks=do.visited_by_bots("b", 0.1, 25),
    ),
    "currencies_mixed": Fault(
        "5 % of the amounts in a log of euros are dollars",
        (Incident("amount_units", 16, "warning", r"revenue_currencies_mixed", gate="incomplete"),),
        units=1_500, source="orders", measure=", unit: EUR, unit_column: currency",
        prepares=do.in_currencies(), breaks=do.in_currencies(0.05), decision="review",
    ),
    "redefined": Fault(
        "a metric's window becomes shorter while the experiment runs, until that is accepted",
        (
            Incident(
                "definition_changed", 16, "warning", r"until as-of 2026-09-15 .*end_days: 2, now 1", since=15
            ),
        ),
        start=OLD, metrics="- {id: redefined, type: mean, source: orders, event: error, aggregate: count,\n"
        "   window: {end_days: 2}}\n",
        secondary=("redefined",), edits=replaced("metrics/redefined.yaml", "end_days: 2", "end_days: 1"),
        edited_on=16, mends=change_accepted("redefined"),
    ),
    "slice_lost": Fault(
        "the log of one day has a tenth of b's exposures",
        (
            Incident("log_anomalies", 15, "warning", r"web: slice_ratio is 0\.\d+ for slice_lost/b", gone=16),
            Incident(
                "day_is_complete", 15, "warning", "slice_ratio.*slice_lost/b", kind="check", subject="ingest/web",
                gone=16, recipient=ANYBODY,
            ),
        ),
        units=1_500, start=1, breaks=do.log_lost("b", 0.9, 15),
    ),
    "more_errors": Fault(
        "b has an error with every purchase: its guardrail is harmed",
        (Incident("rollback", 16, "critical", "errors", "b", "rollback", gate="rollback"),),
        units=5_000, is_guarded=True, breaks=do.fails_as_well("b"), decision="rollback",
    ),
    "less_revenue": Fault(
        "b spends a third of what a does: its goal is harmed",
        (Incident("rollback", 16, "critical", "revenue", "b", "rollback", gate="rollback"),),
        units=5_000, breaks=do.spends_times(0.111, "b"), decision="rollback",
    ),
    "unknown_metric": misspelt("unknown_metric", "[revenue]", "[revenu]", "unknown metric 'revenu'"),
    "unknown_source": misspelt("unknown_source", "source: web", "source: wep", "unknown exposure source 'wep'"),
    "no_yaml": misspelt("no_yaml", "variants:", "variants: [", "isn't valid YAML"),
    "unknown_measure": misspelt(
        "unknown_measure", "measure: amount", "measure: amuont", "has no measure 'amuont'", "metrics"
    ),
}  # fmt: skip

PAIRS = {
    "srm_and_event_loss": Fault(
        "four fifths of b's exposures are lost, and six tenths of b's units lose their events",
        (Incident(SRM, 15), Incident(MATURED, 16), Incident("event_loss", 16)),
        units=2_500, breaks=do.both(LOST, do.events_lost("b", 0.6)), decision="invalid",
    ),
    "misassigned_and_harm": Fault(
        "5 % of the units are in the other arm, and b has an error with every purchase: wrong data rolls nothing back",
        (Incident("assignment_integrity", 15),),
        units=5_000, is_guarded=True, breaks=do.both(do.swapped(0.05), do.fails_as_well("b")), decision="invalid",
    ),
    "mixed_and_unknown": Fault(
        "a fifth of the units see both variants, and 5 % are in one that is not configured",
        (Incident("mixed_exposures", 15), Incident("unknown_variants", 15, "warning")),
        breaks=do.both(do.seen_in_both(0.2), do.logged_as("treatment", 0.05)), decision="invalid",
    ),
    "misassigned_and_early": Fault(
        "5 % of the units are in the other arm than their hash gives, and a third are exposed before the start",
        (Incident("assignment_integrity", 15), Incident("exposures_outside_period", 15, "warning")),
        breaks=do.both(do.swapped(0.05), do.exposed_before(15, 0.33)), decision="invalid",
    ),
    "late_and_of_tomorrow": Fault(
        "5 % of the exposures come too late, and another 5 % from the future: one incident that names both",
        (Incident("refused_exposures", 15, "warning", r"\d+ future, \d+ late"),),
        breaks=do.both(do.exposures_moved(0.05, -3), do.exposures_moved(0.05, 2)),
    ),
    "unknown_variant_then_no_yaml": Fault(
        "5 % of the units are in a variant that is not configured; a day later the YAML breaks, which ends nothing",
        (
            Incident("unknown_variants", 15, "warning", r"\d+ unknown_variant", unseen_from=16),
            Incident("configuration", 16, says="isn't valid YAML"),
        ),
        breaks=do.logged_as("treatment", 0.05), edited_on=16, decision="invalid",
        edits=replaced("experiments/unknown_variant_then_no_yaml.yaml", "variants:", "variants: ["),
        mends=replaced("experiments/unknown_variant_then_no_yaml.yaml", "variants: [", "variants:"),
    ),
}  # fmt: skip

CLEAN = {
    f"clean_{number}": Fault("nothing", (), units=600, start=start, experiment="segments: [device]")
    for number, start in enumerate((1, 1, OLD, OLD, 15, 15))
}

WARD = EXPERIMENT_FAULTS | PAIRS | CLEAN
