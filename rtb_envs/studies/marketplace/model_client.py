"""A client for a messages-style HTTP API of language models: one deadline for a call, retries, and no trace of the key.

The base URL and the key come from the environment: ``RTB_MODEL_URL`` and ``RTB_MODEL_KEY``. Needs the extra ``[llm]``.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

URL_VARIABLE, KEY_VARIABLE = "RTB_MODEL_URL", "RTB_MODEL_KEY"
API_VERSION = "2023-06-01"
MAX_RESPONSE_BYTES = 1_000_000
SECONDS_TO_ANSWER = 5.0
RETRIED = {408, 409, 429, 500, 502, 503, 504, 529}


class ModelError(Exception):
    """A call that gave nothing; ``reason`` is "timeout", "status", "network", "malformed" or "cost limit"."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True)
class Reply:
    """What a model answered, and what it took."""

    text: str
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class MessagesClient:
    """Asks a model at ``url`` one message at a time.

    ``timeout`` is the seconds that one attempt may take from end to end, however slowly bytes drip; a failed attempt is
    repeated ``retries`` times after ``backoff`` · 2^i seconds, at most ``longest_wait``, or what the server asks for.
    """

    url: str
    key: str
    timeout: float = 20.0
    retries: int = 3
    backoff: float = 0.5
    longest_wait: float = 30.0

    def __repr__(self) -> str:
        """Without the key."""
        return f"MessagesClient(url={self.url!r})"

    def ask(
        self,
        model: str,
        system: str,
        prompt: str,
        max_tokens: int,
        may_try: Callable[[], bool] = lambda: True,
    ) -> Reply:
        """The reply of ``model``. Raises ModelError when no attempt brought one.

        ``may_try`` is asked before every attempt, since a server may bill those that fail too.
        """
        body = {"model": model, "max_tokens": max_tokens, "system": system}
        body["messages"] = [{"role": "user", "content": prompt}]
        failure = ModelError("network", "not asked")
        for attempt in range(self.retries + 1):
            wait = min(self.backoff * 2**attempt, self.longest_wait)
            if not may_try():
                raise ModelError("cost limit", "another attempt might cost more than is allowed")
            try:
                status, headers, text = _finished(self._post(body))
                if status == 200:
                    return _reply(text)
                failure = ModelError("status", str(status))
                if status not in RETRIED:
                    raise failure
                wait = _asked_wait(headers, wait, self.longest_wait)
            except (httpx.TimeoutException, TimeoutError):
                failure = ModelError("timeout", f"no answer within {self.timeout:g} s")
            except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
                # The message of a transport error may hold headers.
                failure = ModelError("network", type(error).__name__)
            if attempt < self.retries:
                time.sleep(wait)
        raise failure

    async def _post(self, body: dict[str, Any]) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and content of one attempt; TimeoutError at the deadline, wherever it has got to by then."""
        headers = {"x-api-key": self.key, "anthropic-version": API_VERSION}
        url = f"{self.url.rstrip('/')}/v1/messages"
        async with (
            asyncio.timeout(self.timeout),
            httpx.AsyncClient(timeout=None, trust_env=False) as client,
            client.stream("POST", url, json=body, headers=headers) as response,
        ):
            received = b""
            async for part in response.aiter_bytes():
                received += part
                if len(received) > MAX_RESPONSE_BYTES:
                    raise ModelError("malformed", "more than a megabyte")
            return response.status_code, response.headers, received


def _finished(attempt: Coroutine[Any, Any, Any]) -> Any:
    """What ``attempt`` comes to, in a loop of its own: the caller may be inside another, as in a notebook."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, attempt).result()


def client_from_environment(**options: Any) -> MessagesClient:
    """The client that the environment names. Raises ValueError where it does not."""
    url, key = os.environ.get(URL_VARIABLE, ""), os.environ.get(KEY_VARIABLE, "")
    if not _is_usable(url):
        raise ValueError(f"{URL_VARIABLE} must be the http(s) URL of a messages API, got {url[:100]!r}")
    if not key:
        raise ValueError(f"{KEY_VARIABLE} must hold the key of the messages API, but it is empty")
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"{KEY_VARIABLE} must hold the key of the messages API, printable ASCII, but it holds more")
    return MessagesClient(url, key, **options)


def client_fault() -> str | None:
    """Why the model can not be asked, or None: any HTTP answer of its server will do."""
    try:
        client = client_from_environment()
    except ValueError as error:
        return str(error)
    try:
        _finished(_answers(client.url))
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        return f"{URL_VARIABLE} {client.url} does not answer: {type(error).__name__}"
    return None


async def _answers(url: str) -> None:
    async with (
        asyncio.timeout(SECONDS_TO_ANSWER),
        httpx.AsyncClient(timeout=None, trust_env=False) as client,
        client.stream("GET", url),
    ):
        pass


def _is_usable(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)


def _reply(text: bytes) -> Reply:
    try:
        document = json.loads(text)
        parts = [part["text"] for part in document["content"] if part["type"] == "text"]
        usage = document["usage"]
        counts = usage["input_tokens"], usage["output_tokens"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ModelError("malformed", "not a message") from None
    if not parts or not all(isinstance(c, int) and not isinstance(c, bool) and 0 <= c < 10**9 for c in counts):
        raise ModelError("malformed", "no text, or no token counts")
    if not all(isinstance(part, str) for part in parts):
        raise ModelError("malformed", "text is no text")
    return Reply("".join(parts), *counts)


def _asked_wait(headers: httpx.Headers, otherwise: float, longest: float) -> float:
    try:
        asked = float(headers["retry-after"])
    except (KeyError, ValueError):
        return otherwise
    return min(max(asked, 0.0), longest) if math.isfinite(asked) else otherwise
