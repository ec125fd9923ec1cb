"""How a person hears of trouble: email and any chat, each where its Airflow connection exists; else the log.

`smtp_default` (type smtp; extras `from_email` and `to`, a list or addresses joined by commas) sends mail through
Airflow's SMTP notifier. `apprise_default` (type apprise; extra `config`: {"path": "slack://…"} or a list of them)
reaches every service that Apprise knows, by webhook. Nothing heavy is imported before something is sent: Dag files
import this.
"""

from __future__ import annotations

import html
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from include.klines.errors import AlertError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

SMTP_CONN_ID = "smtp_default"
APPRISE_CONN_ID = "apprise_default"


@dataclass(frozen=True)
class Alert:
    """What is sent: a subject in one line, a text of some lines, and whether it is good news."""

    subject: str
    text: str
    good: bool = False


def send(alert: Alert) -> tuple[str, ...]:
    """Send through every configured channel and return those that took it; none configured: log it, ("log",).

    A channel that fails is logged and does not keep the others from being tried. AlertError where all of them fail.
    """
    sent, failed = [], []
    for name, channel in (("email", _by_email), ("chat", _by_chat)):
        try:
            if channel(alert):
                sent.append(name)
        except Exception as error:
            log.exception("%s could not be sent by %s", alert.subject, name)
            failed.append(f"{name}: {error}")
    if failed and not sent:
        raise AlertError(f"nobody was told of {alert.subject!r}: {'; '.join(failed)}; check the connections.")
    if not sent:
        log.warning("%s\n%s\n(neither %s nor %s is set up)", alert.subject, alert.text, SMTP_CONN_ID, APPRISE_CONN_ID)
    return tuple(sent) or ("log",)


def run_failed(context: Any) -> None:
    """Dag callback: a task has failed after its retries. One message a run, with the link to the log."""
    run, instance = context.get("dag_run"), context.get("ti")
    dag_id = context["dag"].dag_id
    run_id = run.run_id if run is not None else context["run_id"]
    lines = [f"The run {run_id} of {dag_id} failed ({context.get('reason') or 'a task failed after its retries'})."]
    if instance is not None:
        lines.append(f"Its last red task, which names the others: {instance.task_id}. Log: {instance.log_url}")
    lines.append(f"Run: {run_link(dag_id, run_id)}")
    lines.append("Clear the red tasks to go on where they stopped; docs/operations.md has each error.")
    send(Alert(f"klines: a run of {dag_id} failed", "\n".join(lines)))


def run_link(dag_id: str, run_id: str) -> str:
    """The address of a run in the UI."""
    from airflow.sdk.configuration import conf

    base = conf.get("api", "base_url", fallback="http://localhost:8080/").rstrip("/")
    return f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"


def _connection(conn_id: str) -> Any:
    """The Airflow connection, None where there is none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None


def _by_email(alert: Alert) -> bool:
    return mail(alert)


def mail(alert: Alert, files: Sequence[str] = ()) -> bool:
    """Send by mail only, with files attached; False where smtp_default is not set up."""
    connection = _connection(SMTP_CONN_ID)
    if connection is None:
        return False
    to = connection.extra_dejson.get("to")
    if not to:
        raise ConfigurationError(f"the connection {SMTP_CONN_ID} needs the extra `to`: the addresses to write to.")
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    SmtpNotifier(
        to=to,
        subject=alert.subject,
        html_content=f"<pre>{html.escape(alert.text)}</pre>",
        files=list(files),
        smtp_conn_id=SMTP_CONN_ID,
    ).notify({})
    return True


def _by_chat(alert: Alert) -> bool:
    """By the provider's hook and not by its notifier, which does not look whether anybody took the message."""
    connection = _connection(APPRISE_CONN_ID)
    if connection is None:
        return False
    import apprise
    from airflow.providers.apprise.hooks.apprise import AppriseHook

    services = apprise.Apprise()
    AppriseHook(APPRISE_CONN_ID).set_config_from_conn(connection, services)
    kind = apprise.NotifyType.SUCCESS if alert.good else apprise.NotifyType.WARNING
    if not services.notify(body=alert.text, title=alert.subject, notify_type=kind, tag="all"):
        raise ConfigurationError(f"no service of the connection {APPRISE_CONN_ID} took the message.")
    return True
