"""Servers that messages are really sent to: a webhook, and mail."""

import json
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest

from orchestration.workspace import Workspace


class Webhook:
    """A local web server that keeps what is posted; `answers` are its next status codes, then 200.

    With `seconds` it answers only after that long. `addressed` has the path beside each post.
    """

    def __init__(self) -> None:
        self.posted: list[dict] = []
        self.addressed: list[tuple[str, dict]] = []
        self.answers: list[int] = []
        self.seconds = 0.0
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(webhook.seconds)
                status = webhook.answers.pop(0) if webhook.answers else 200
                if status == 200 and not webhook.seconds:
                    webhook.posted.append(json.loads(body))
                    webhook.addressed.append((self.path, json.loads(body)))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_port}/s3cr3t-t0k3n"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class MailServer:
    """A local SMTP server that keeps every message it takes."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self) -> None:
                self.say("220 local test server")
                while line := self.rfile.readline().decode().strip():
                    verb = line.split()[0].upper()
                    if verb == "DATA":
                        self.say("354 go on")
                        lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
                        server.messages.append("\n".join(lines))
                    self.say({"QUIT": "221 bye"}.get(verb, "250 ok"))
                    if verb == "QUIT":
                        return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        port = self._server.server_address[1]
        return f"mailtos://127.0.0.1:{port}?mode=insecure&from=equipoise@example.com&to=ana@example.com"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def webhook():
    server = Webhook()
    yield server
    server.close()


@pytest.fixture
def mail_server():
    server = MailServer()
    yield server
    server.close()


@pytest.fixture
def instance():
    """In memory; tests/end_to_end has the one on disk."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def workspace(tmp_path, webhook, monkeypatch) -> Workspace:
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "alerts.yaml").write_text(
        "destinations: {hook: {url_env: EQUIPOISE_ALERT_HOOK}, boss: {url_env: EQUIPOISE_ALERT_BOSS}}\n"
        "default: [hook]\nattempts: 1\npause_seconds: 0\n"
        "response_minutes: {warning: 30}\nescalation: boss\n"
    )
    monkeypatch.setenv("EQUIPOISE_ALERT_HOOK", webhook.url)
    return Workspace(configs, tmp_path / "data", tmp_path / "state")
