"""`alerts.yaml`: every error with its line, and never a secret repeated."""

import pytest

from configs.alert_load import alert_problems, load_alerts
from configs.load import load_config
from configs.problems import ConfigError

GOOD = """\
destinations:
  slack: {url_env: EQUIPOISE_ALERT_SLACK}
  pager: {url_env: EQUIPOISE_ALERT_PAGER}
routes:
  - {destinations: [pager], severities: [critical]}
default: [slack]
response_minutes: {critical: 30}
escalation: pager
"""


def problems(tmp_path, text: str) -> list[str]:
    (tmp_path / "alerts.yaml").write_text(text)
    return [str(problem) for problem in alert_problems(tmp_path)]


def test_a_project_may_do_without(tmp_path):
    assert load_alerts(tmp_path) is None


def test_what_is_not_given_has_defaults(tmp_path):
    assert problems(tmp_path, GOOD) == []
    alerts = load_alerts(tmp_path)
    assert alerts is not None
    assert (alerts.attempts, alerts.timeout_seconds, alerts.routes[0].destinations) == (3, 10.0, ("pager",))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("default: [slack]", "default: [slakc]", "alerts.yaml:6: unknown destination 'slakc'; did you mean 'slack'?"),
        ("[pager], sev", "[boss], sev", "alerts.yaml:5: unknown destination 'boss'; known destinations: pager, slack"),
        ("escalation: pager\n", "", "alerts.yaml:7: response times need `escalation`"),
        ("response_minutes: {critical: 30}\n", "", "alerts.yaml:7: never used: give `response_minutes`"),
        ("[critical]", "[fatal]", "alerts.yaml:5: routes.severities: expected one of warning, error, critical"),
        ("default: [slack]", "defualt: [slack]", "alerts.yaml:6: unknown key 'defualt'; did you mean 'default'?"),
        ("default: [slack]", "default: []", "alerts.yaml:6: default: needs at least 1 entry, got 0"),
        ("critical: 30", "critical: 0", "alerts.yaml:7: response_minutes.critical: must be above 0, got 0"),
    ],
)  # fmt: skip
def test_errors_say_what_where_and_what_to_do(tmp_path, old, new, expected):
    (problem,) = problems(tmp_path, GOOD.replace(old, new))
    assert problem.startswith(expected)


def test_a_url_in_place_of_its_variable_is_refused_and_not_repeated(tmp_path):
    (problem,) = problems(tmp_path, GOOD.replace("EQUIPOISE_ALERT_SLACK", "'slack://t0k3n'"))
    assert problem.startswith("alerts.yaml:2: destinations.slack.url_env: must be the name of an environment variable")
    assert "t0k3n" not in problem


def test_validate_reads_it_too(write_config):
    root = write_config()
    (root / "alerts.yaml").write_text(GOOD.replace("default: [slack]", "default: [slakc]"))
    with pytest.raises(ConfigError, match="unknown destination 'slakc'"):
        load_config(root)
