"""HTML from templates in which every value is escaped: what is not `Html` cannot get in as such."""

from __future__ import annotations

import html
from collections.abc import Iterable

from circuit_breaker.identity import labels

TEXT_MAX = 400  # characters of any one value


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def fill(template: str, **values: object) -> Html:
    """`template` with its {names} filled in: each value as one line of harmless text, unless it is Html."""
    return Html(template.format(**{name: _harmless(value) for name, value in values.items()}))


def join(parts: Iterable[Html]) -> Html:
    """Markup after markup."""
    return Html("".join(parts))


def _harmless(value: object) -> str:
    if isinstance(value, Html):
        return value
    text = labels.plain(str(value)[: 4 * TEXT_MAX])
    return html.escape(text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…")
