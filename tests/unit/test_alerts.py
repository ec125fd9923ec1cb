"""What a person hears: mail over a real SMTP server, chat over a real HTTP receiver, else the log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from include.klines.errors import AlertError
from include.klines.health import alerts
from include.klines.health.alerts import Alert
from tests.receivers import chat_connection, mail_connection, open_chat, open_mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.receivers import Chat, Mailbox

LATE = Alert("klines: BTC is late", "BTC 1h <was> synced 50 h ago.\nWhat mends it: unpause the Dag.")


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mailbox]]:
    """A running SMTP server, named by smtp_default."""
    with open_mailbox() as mailbox:
        set_up(monkeypatch, "smtp", mail_connection(mailbox.port, to="ann@example.com, bob@example.com"))
        yield mailbox


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Chat]]:
    """A running webhook, named by apprise_default."""
    with open_chat() as chat:
        set_up(monkeypatch, "apprise", chat_connection(chat.port))
        yield chat


def set_up(monkeypatch: pytest.MonkeyPatch, kind: str, connection: dict[str, Any]) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{kind.upper()}_DEFAULT", json.dumps(connection))


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
    set_up(monkeypatch, "smtp", mail_connection(9))
    with pytest.raises(AlertError, match="smtp_default needs the extra `to`"):
        alerts.send(LATE)
