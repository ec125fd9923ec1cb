"""What a person hears: mail over a real SMTP server, chat over a real HTTP receiver, else the log."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.errors import AlertError
from include.klines.health import alerts
from include.klines.health.alerts import Alert

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE = Alert("klines: BTC is late", "BTC 1h <was> synced 50 h ago.\nWhat mends it: unpause the Dag.")


class Mailbox(socketserver.StreamRequestHandler):
    """An SMTP server that takes every mail."""

    mails: list[tuple[list[str], email.message.EmailMessage]]

    def handle(self) -> None:
        self._say("220 mailbox")
        to: list[str] = []
        for line in iter(self.rfile.readline, b""):
            verb = line.split(b":")[0].strip().upper()
            if verb == b"RCPT TO":
                to.append(line.split(b":")[1].strip().decode().strip("<>"))
            if verb == b"DATA":
                self._say("354 go on")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                self.mails.append((to, message))
            if verb == b"QUIT":
                self._say("221 bye")
                return
            self._say("250 well")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Chat(BaseHTTPRequestHandler):
    """A webhook that takes every message, or refuses each with `status`."""

    messages: list[dict[str, Any]]
    status = 200

    def do_POST(self) -> None:
        self.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def serve(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[misc]  # an address with a port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mailbox]]:
    """A running SMTP server, named by smtp_default."""
    handler = type("OneMailbox", (Mailbox,), {"mails": []})
    for port in serve(socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)):
        set_up(
            monkeypatch, "smtp", host="127.0.0.1", port=port, extra=mail_extra(to="ann@example.com, bob@example.com")
        )
        yield handler


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Chat]]:
    """A running webhook, named by apprise_default."""
    handler = type("OneChat", (Chat,), {"messages": []})
    for port in serve(HTTPServer(("127.0.0.1", 0), handler)):
        set_up(monkeypatch, "apprise", extra={"config": {"path": f"json://127.0.0.1:{port}/hook"}})
        yield handler


def mail_extra(**more: Any) -> dict[str, Any]:
    plain = {"disable_ssl": True, "disable_tls": True, "retry_limit": 1, "timeout": 5}
    return plain | {"from_email": "klines@example.com"} | more


def set_up(monkeypatch: pytest.MonkeyPatch, kind: str, **values: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{kind.upper()}_DEFAULT", json.dumps({"conn_type": kind, **values}))


def test_without_a_channel_it_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[Any, ...]] = []
    monkeypatch.setattr(alerts.log, "warning", lambda text, *values: logged.append(values))
    assert alerts.send(LATE) == ("log",)
    assert [values[:2] for values in logged] == [(LATE.subject, LATE.text)]


def test_a_mail_reaches_everybody_it_is_for(mailbox: type[Mailbox]) -> None:
    assert alerts.send(LATE) == ("email",)
    ((to, message),) = mailbox.mails
    assert to == ["ann@example.com", "bob@example.com"]
    assert message["Subject"] == LATE.subject
    assert message["From"] == "klines@example.com"
    body = message.get_body(("html",))
    assert body is not None
    assert "BTC 1h &lt;was&gt; synced 50 h ago.\nWhat mends it" in body.get_content().replace("\r\n", "\n")


def test_a_chat_gets_the_message_by_webhook(chat: type[Chat]) -> None:
    assert alerts.send(LATE) == ("chat",)
    assert alerts.send(Alert("klines: well again", "Cleared.", good=True)) == ("chat",)
    first, second = chat.messages
    assert (first["title"], first["message"], first["type"]) == (LATE.subject, LATE.text, "warning")
    assert second["type"] == "success"


def test_both_are_used_where_both_are_set_up(mailbox: type[Mailbox], chat: type[Chat]) -> None:
    assert alerts.send(LATE) == ("email", "chat")
    assert (len(mailbox.mails), len(chat.messages)) == (1, 1)


def test_a_chat_that_refuses_does_not_keep_the_mail_back(mailbox: type[Mailbox], chat: type[Chat]) -> None:
    chat.status = 500
    assert alerts.send(LATE) == ("email",)


def test_nobody_told_is_an_error(chat: type[Chat], monkeypatch: pytest.MonkeyPatch) -> None:
    chat.status = 500
    with pytest.raises(AlertError, match="apprise_default"):
        alerts.send(LATE)
    set_up(monkeypatch, "smtp", host="127.0.0.1", port=9, extra=mail_extra())
    with pytest.raises(AlertError, match="smtp_default needs the extra `to`"):
        alerts.send(LATE)
