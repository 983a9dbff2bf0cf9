"""The end of a run that hangs: an alarm of the kernel's, which goes off whatever the process is doing."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG


@contextmanager
def ended_in_time(seconds: float | None) -> Iterator[None]:
    """Have the kernel end this process when the block takes longer; None: never.

    Dagster's run monitoring marks a run as failed and asks its process to stop; one that spins within a library never
    hears that, and would keep the writer lock. SIGALRM's own action needs no Python, and a dead process holds no lock.
    """
    if seconds is None:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def longest_seconds(instance: dg.DagsterInstance | None, run: dg.DagsterRun | None) -> float | None:
    """How long a run's process may live: what run monitoring allows, and its time to stop by itself; None: for ever."""
    if instance is None or run is None or not instance.run_monitoring_enabled:
        return None
    try:
        allowed = float(run.tags.get(MAX_RUNTIME_SECONDS_TAG) or instance.run_monitoring_max_runtime_seconds or 0)
    except ValueError:  # run monitoring ignores such a tag, too
        allowed = 0.0
    return allowed + instance.run_monitoring_cancel_timeout_seconds if allowed > 0 else None
