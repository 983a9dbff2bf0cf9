"""Running a command and measuring it: wall clock, CPU, peak memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessRun:
    """What a process and its descendants took.

    `peak_mb`: the resident memory of the largest of them, or of the process that started them if that is larger.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


class ProcessError(RuntimeError):
    """A measured command failed."""


def timed_process(
    command: Sequence[str], environment: Mapping[str, str] | None = None, accepted: Collection[int] = (0,)
) -> ProcessRun:
    """Run a command to its end and measure it.

    Raises ProcessError, with the end of what it wrote to stderr, unless it exits with an `accepted` status.
    """
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=output, stderr=errors)
        # wait4 says what this child took, where getrusage would mix it with every earlier one.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode()
        if process.returncode not in accepted:
            errors.seek(0)
            end = (errors.read().decode() + printed)[-2000:]
            raise ProcessError(f"{' '.join(command)}: exit status {process.returncode}\n{end}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return ProcessRun(seconds, cpu_seconds, usage.ru_maxrss / unit, printed)
