"""Which requests were accepted lately, so that an equal one is recognised as a repeat."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable


class RepeatWindow:
    """Hashes of accepted requests, in the order of acceptance. Not thread-safe.

    Only times of arrival are compared, in both directions: when an operator sets the clock
    back, requests "from the future" must not be remembered for ever.
    """

    def __init__(
        self,
        window_ns: int,
        max_requests: int,
        known: Iterable[tuple[bytes, int, int]] = (),
    ) -> None:
        """`known` are (hash, sequence number, arrival in Unix ns), as `entries` gives them."""
        self._window_ns = window_ns
        self._max_requests = max(1, max_requests)
        # An OrderedDict, since taking from the front of a plain dict is not constant time.
        self._accepted: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        self.forgotten_early = 0  # dropped for want of room, while still in the window
        for request_hash, sequence_number, arrival_unix_nano in known:
            self.remember(request_hash, sequence_number, arrival_unix_nano)

    def find(self, request_hash: bytes, arrival_unix_nano: int) -> int | None:
        """The sequence number of the equal request, None when there is none in the window."""
        accepted = self._accepted.get(request_hash)
        if accepted is None or abs(arrival_unix_nano - accepted[1]) > self._window_ns:
            return None
        return accepted[0]

    def remember(self, request_hash: bytes, sequence_number: int, arrival_unix_nano: int) -> None:
        """Take in an accepted request, and let go of what has left the window."""
        self._accepted.pop(request_hash, None)  # so that it joins the end of the order
        self._accepted[request_hash] = (sequence_number, arrival_unix_nano)
        # At most two a call, so that nobody waits for a long sweep: it still shrinks.
        for _ in range(2):
            oldest, (_, arrival) = next(iter(self._accepted.items()))
            is_expired = abs(arrival_unix_nano - arrival) > self._window_ns
            if not is_expired and len(self._accepted) <= self._max_requests:
                break
            self.forgotten_early += not is_expired
            del self._accepted[oldest]

    def forget_numbers(self, gaps: Iterable[tuple[int, int]]) -> None:
        """Requests with these sequence numbers (first, last) are lost: equal ones must be
        stored again. A gap whose end lies before its start is none."""
        real = [(first, last) for first, last in gaps if first <= last]
        if not real:
            return
        lost = [
            request_hash
            for request_hash, (number, _) in self._accepted.items()
            if any(first <= number <= last for first, last in real)
        ]
        for request_hash in lost:
            del self._accepted[request_hash]

    def entries(self, now_unix_nano: int) -> list[tuple[bytes, int, int]]:
        """(hash, sequence number, arrival) of what is in the window, oldest first."""
        return [
            (request_hash, sequence_number, arrival)
            for request_hash, (sequence_number, arrival) in self._accepted.items()
            if abs(now_unix_nano - arrival) <= self._window_ns
        ]
