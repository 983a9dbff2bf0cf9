"""What a status of a bandit says, in words: a row's `reason`."""

from analysis.bandits.batches import FEWEST_EVENTS
from analysis.statistics.status import REASONS as OF_TWO_ARMS
from analysis.statistics.status import Status

REASONS: dict[Status, str] = OF_TWO_ARMS | {
    Status.NO_UNITS: "an arm has no units in any batch",
    Status.TOO_FEW_UNITS: "no batch has two units of both arms, so there is no variance",
    Status.NOT_COMPUTED: "a moment or a logged propensity is missing",
    Status.FAILED: "propensities do not add up to 1, an arm with propensity 0 has units, a policy plays what was "
    "never played, a variance is negative, or a share is not between 0 and 1",
    Status.ZERO_VARIANCE: "rewards do not vary within batches, or an arm is compared with itself",
    Status.BURN_IN: "an arm has fewer units than the policy's minimum: the starting shares hold",
}

FEW_EVENTS = f"an arm has fewer than {FEWEST_EVENTS:.0f} events: its tests are rough"
