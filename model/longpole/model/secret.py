"""A secret that never shows itself: its repr, its text and its JSON are three stars."""

from __future__ import annotations

import hashlib
import hmac


class Secret:
    """A token or password. Compare with `matches`; read with `reveal` at the one place
    that has to hand it on."""

    __slots__ = ("_digest", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._digest = hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()

    def matches(self, candidate: str | bytes) -> bool:
        """Whether the candidate is this secret, in a time that tells nothing about it.

        Hashes of equal length are compared, so not even the length of the secret leaks.
        """
        if isinstance(candidate, str):
            candidate = candidate.encode("utf-8", "surrogateescape")
        return hmac.compare_digest(self._digest, hashlib.sha256(candidate).digest())

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled")
