"""Case-insensitive comparison as Azure does it: one character maps to one character.

Azure compares ids and names like .NET's ``StringComparison.OrdinalIgnoreCase``. ``É`` equals ``é``, but ``straße`` does not
equal ``strasse``: they are two resource groups. ``str.casefold`` would make them one, so this library never calls it.
"""

from __future__ import annotations


def fold(text: str) -> str:
    """Return the form of an Azure id or name that is equal for all spellings that Azure treats as the same.

    ASCII letters become lower case. Other letters become upper case where that is a single character outside ASCII; the
    dotless ``ı`` and the long ``ſ`` therefore stay apart from ``i`` and ``s``.
    """
    if text.isascii():
        return text.lower()
    return "".join(_folded(character) for character in text)


def fold_or_none(text: str | None) -> str | None:
    """The folded text; None for None."""
    return None if text is None else fold(text)


def _folded(character: str) -> str:
    if character.isascii():
        return character.lower()
    upper = character.upper()
    return upper if len(upper) == 1 and not upper.isascii() else character
