"""Messages reach real servers, or their failure is known in time; the URL stays a secret."""

import email
import logging
import time
from email.header import decode_header, make_header

from orchestration.alerts.delivery import Delivered, deliver

LIMITS = {"variable": "EQUIPOISE_ALERT_TEST", "attempts": 3, "timeout_seconds": 2.0, "pause_seconds": 0.01}


def test_a_webhook_gets_title_and_text(webhook):
    assert deliver(webhook.url, "shop: 1 opened", "checkout: mixed", **LIMITS) == Delivered(True, 1)
    assert [(post["title"], post["message"]) for post in webhook.posted] == [("shop: 1 opened", "checkout: mixed")]


def test_a_mail_server_gets_subject_and_text(mail_server):
    outcome = deliver(mail_server.url, "shop: 1 opened", "checkout: mixed\nsince: 2026-10-08", **LIMITS)

    assert outcome == Delivered(True, 1)
    message = email.message_from_string(mail_server.messages[0])
    assert str(make_header(decode_header(message["Subject"]))) == "shop: 1 opened"
    assert "ana@example.com" in message["To"]
    assert "checkout: mixed" in "".join(
        part.get_payload(decode=True).decode() for part in message.walk() if not part.is_multipart()
    )


def test_a_webhook_that_fails_twice_gets_the_message_the_third_time(webhook):
    webhook.answers = [500, 503]

    assert deliver(webhook.url, "title", "text", **LIMITS) == Delivered(True, 3)
    assert len(webhook.posted) == 1


def test_a_webhook_that_goes_on_failing_is_given_up(webhook):
    webhook.answers = [500] * 3

    outcome = deliver(webhook.url, "title", "text", **LIMITS)

    assert (outcome.is_delivered, outcome.attempts) == (False, 3)
    assert "500" in outcome.error


def test_a_webhook_that_never_answers_holds_nobody_up(webhook):
    webhook.seconds = 30.0
    started = time.monotonic()

    outcome = deliver(webhook.url, "title", "text", **LIMITS | {"attempts": 2, "timeout_seconds": 0.3})

    assert (outcome.is_delivered, outcome.attempts) == (False, 2)
    assert outcome.error
    assert time.monotonic() - started < 2 * (0.3 + 2.0) + 1.0  # two attempts, each with its grace


def test_nothing_of_the_url_is_logged_or_returned(webhook, caplog):
    webhook.answers = [500, 404]
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    logging.getLogger("apprise").setLevel(logging.DEBUG)

    failed = deliver(webhook.url, "title", "text", **LIMITS | {"attempts": 2})
    unreachable = deliver("json://user:pa55word@127.0.0.1:1/s3cr3t-t0k3n", "title", "text", **LIMITS | {"attempts": 1})
    unknown = deliver("nonsense://s3cr3t-t0k3n", "title", "text", **LIMITS)

    assert not (failed.is_delivered or unreachable.is_delivered or unknown.is_delivered)
    said = caplog.text + failed.error + unreachable.error + unknown.error
    assert not [secret for secret in ("s3cr3t", "t0k3n", "pa55word") if secret in said]


def test_a_url_that_is_not_there_or_not_understood_says_which_variable():
    assert deliver(None, "title", "text", **LIMITS) == Delivered(
        False, 0, "the environment variable EQUIPOISE_ALERT_TEST is not set"
    )
    outcome = deliver("nonsense://s3cr3t-t0k3n", "title", "text", **LIMITS)
    assert outcome == Delivered(False, 1, "EQUIPOISE_ALERT_TEST: holds no URL that Apprise understands")
