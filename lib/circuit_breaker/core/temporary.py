"""Which names in a temporary folder did no person give? Pure."""

from __future__ import annotations

from circuit_breaker.core import volatile


def without_made_up(text: str, place: str, marks: bytes) -> str:
    """The first two names in a temporary folder are blinded where they look made up; what lies deeper stays.

    `marks`: the table that makes a blank of what sets words apart.
    """
    pieces = text.split(place)
    for i, piece in enumerate(pieces[1:], 1):
        size = min(len(piece), 160)
        end = piece[:size].encode("ascii", "replace").translate(marks).find(b" ")
        if end < 0:
            end = size
        colon = piece.find(":", 0, end)
        if colon >= 0:
            end = colon
        names = piece[:end].split("/")
        own = 2 if place == "/var/folders/" else 0  # there the first two are a user's
        for at, name in enumerate(names[: own + 2]):
            if name and (at < own or _is_made_up(name)):
                names[at] = "X" + (
                    name[name.rindex(".") :] if "." in name[-6:-1] and name[-1].isalpha() else ""
                )
        pieces[i] = "/".join(names) + piece[end:]
    return place.join(pieces)


def _is_made_up(name: str) -> bool:
    """tmpab12cd, tmp.Xy3z, go-build123456, pytest-12, b3f2a1: no name that a person gives."""
    if name.startswith(("tmp", "pytest-", "T")) and len(name) > 3 or volatile.is_id(name):
        return True
    stem = name.partition(".")[0]
    digits = sum([c.isdigit() for c in stem])
    changes = sum([a.isdigit() != b.isdigit() for a, b in zip(stem, stem[1:]) if a.isalnum() and b.isalnum()])
    mixed = (
        stem.isalnum() and len(stem) >= 6 and not stem.islower() and not stem.isupper() and not stem.istitle()
    )
    return digits >= 3 or (digits and changes >= 3) or mixed
