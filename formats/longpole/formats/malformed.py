"""The one exception of the decoders: a request of which nothing can be understood."""

from __future__ import annotations

from longpole.model.problem import LongpoleError


class MalformedRequest(LongpoleError):
    """The whole request is undecodable, nothing of it was kept, and sending it again cannot
    help. The message says what is wrong and where (a byte offset or a field path)."""
