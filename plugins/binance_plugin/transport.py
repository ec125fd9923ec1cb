"""HTTP GET with keep-alive, time-outs and a limit on the size of a body."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
import urllib3
from requests.utils import get_environ_proxies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

USER_AGENT = "klines-ohlcv-database/1.0 (Apache Airflow)"
CHUNK_BYTES = 1 << 18
DEADLINE_FACTOR = 10


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer; `headers` is case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Broken(Exception):
    """No whole answer: refused, reset, timed out or cut, in words free of secrets. Never leaves the plugin."""


class TooLarge(Exception):
    """The body is larger than the limit. Never leaves the plugin."""


class Transport:
    """One keep-alive session a thread.

    `timeout`: seconds to connect and seconds between two reads; a body that trickles in for ten times as long is given
    up. Redirects are not followed: they could carry a key to another host.
    """

    def __init__(
        self,
        timeout: tuple[float, float],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        api_key: str | None = None,
    ) -> None:
        self._timeout = timeout
        self._monotonic = monotonic
        self._local = threading.local()
        self._headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}
        if api_key:
            self._headers["X-MBX-APIKEY"] = api_key

    def get(self, url: str, params: Mapping[str, str] | None = None, *, max_bytes: int) -> Answer:
        """The answer of one GET, whatever its status. Raises Broken or TooLarge."""
        deadline = self._monotonic() + DEADLINE_FACTOR * self._timeout[1]
        session = self._session(url)
        try:
            with session.get(url, params=params, stream=True, allow_redirects=False, timeout=self._timeout) as response:
                return Answer(response.status_code, response.headers, self._body(response, max_bytes, deadline))
        except requests.exceptions.ConnectTimeout:
            raise Broken(f"no connection within {self._timeout[0]:g} s") from None
        except (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError):
            raise Broken(f"no answer within {self._timeout[1]:g} s") from None
        except requests.exceptions.SSLError as error:
            raise Broken(f"TLS failed ({_inner(error)})") from None
        except urllib3.exceptions.DecodeError:
            raise Broken("the body could not be decompressed") from None
        except urllib3.exceptions.ProtocolError as error:
            raise Broken(f"the body was cut short ({_inner(error)})") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Broken(f"the connection failed ({_inner(error)})") from None

    def _body(self, response: requests.Response, max_bytes: int, deadline: float) -> bytes:
        """Read as bytes arrive: reading full chunks would hang on a body that trickles."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge
            if self._monotonic() > deadline:
                raise Broken(f"the body took longer than {DEADLINE_FACTOR * self._timeout[1]:g} s")
            chunks.append(chunk)
        return b"".join(chunks)

    def _session(self, url: str) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.headers.clear()
            session.headers.update(self._headers)
            # The environment is read once: per request it costs more than the request's own work, and a .netrc must not
            # add credentials.
            session.trust_env = False
            session.proxies.update(get_environ_proxies(url))
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
            self._local.session = session
        return session


def _inner(error: BaseException) -> str:
    """The innermost cause in short: the outer ones of requests and urllib3 repeat addresses and object ids."""
    cause: BaseException = error
    while True:
        inner = getattr(cause, "reason", None) or next(
            (arg for arg in cause.args if isinstance(arg, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            return f"{type(cause).__name__} {cause.args[-1] if cause.args else ''}".strip()[:200]
        cause = inner
