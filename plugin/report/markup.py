"""HTML elements, with every text escaped unless it is `Html`."""

from __future__ import annotations

import html
from collections.abc import Iterable

from circuit_breaker.words.texts import shown

TEXT_MAX = 400  # characters of any text


class Html(str):
    """A text that is markup and is not escaped again."""

    __slots__ = ()


NOTHING = Html("")


def tag(kind: str, *inside: object, **attributes: object) -> Html:
    """An element with its contents. kind: its name, perhaps with a class: `p.hint`."""
    name, _, style = kind.partition(".")
    named = {"class": style, **attributes} if style else attributes
    given = [f' {key.replace("_", "-")}="{escaped(value)}"' for key, value in named.items()]
    return Html(f"<{name}{''.join(given)}>{join(inside)}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """Texts and markup, one after another."""
    return Html("".join(map(escaped, parts)))


def escaped(value: object) -> str:
    """A value as markup."""
    return value if isinstance(value, Html) else html.escape(shown(str(value), TEXT_MAX))
