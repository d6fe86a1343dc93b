"""HTML from templates, with every value escaped unless it is `Html`."""

from __future__ import annotations

import html
from collections.abc import Iterable

from circuit_breaker.identity import labels

TEXT_MAX = 400  # characters of any value


class Html(str):
    """A text that is markup and is not escaped again."""

    __slots__ = ()


def fill(template: str, **values: object) -> Html:
    """`template` with its {names} replaced: each value as one escaped line, or unchanged if it is Html."""
    return Html(template.format(**{name: _harmless(value) for name, value in values.items()}))


def join(parts: Iterable[Html]) -> Html:
    """Concatenated markup."""
    return Html("".join(parts))


def _harmless(value: object) -> str:
    if isinstance(value, Html):
        return value
    text = labels.plain(str(value)[: 4 * TEXT_MAX])
    return html.escape(text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…")
