"""Topics in one SQLite file: what was published, and what each group still has to do.

A row of `pending` is one message one group has not finished. `ready_ns` is when it may be handed
out (again): the time of publishing, the end of the lease while it is in hand, or the end of the
pause after a failure. So a lease needs nobody to watch it, and survives a restart.

    publish ──▶ pending, ready now ──receive──▶ leased until t ──ack──▶ gone
                     ▲                             │  │
                     └── nack, or the lease ends ──┘  └── the fifth failure ──▶ <topic>.dead
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shop.chassis.message_transport import (
    DEAD_AFTER_ATTEMPTS,
    DEAD_FROM_GROUP,
    DEAD_SUFFIX,
    MAX_ATTEMPTS,
    Lag,
    Message,
    Received,
)

KEEP_FINISHED_SECONDS = 600.0
MAX_TOPIC_MESSAGES = 200_000
MAX_DEAD_MESSAGES = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL,
    message_id TEXT NOT NULL,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    headers TEXT NOT NULL,
    published_ns INTEGER NOT NULL,
    given_up_by TEXT NOT NULL DEFAULT '',
    UNIQUE (topic, message_id, type, given_up_by)
);
CREATE INDEX IF NOT EXISTS messages_of_topic ON messages (topic, seq);
CREATE TABLE IF NOT EXISTS groups (
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (topic, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    seq INTEGER NOT NULL,
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    is_leased INTEGER NOT NULL DEFAULT 0,
    ready_ns INTEGER NOT NULL,
    PRIMARY KEY (topic, name, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_of_key ON pending (topic, name, key, seq);
CREATE INDEX IF NOT EXISTS pending_of_message ON pending (seq);
"""

# A message may go out unless an earlier one of its key is in hand or pauses after a failure.
_NEXT = """
SELECT p.seq, p.attempt, m.message_id, m.type, m.key, m.body, m.headers, m.published_ns
FROM pending p JOIN messages m ON m.seq = p.seq
WHERE p.topic = :topic AND p.name = :name AND p.ready_ns <= :now
  AND (p.key = '' OR NOT EXISTS (
    SELECT 1 FROM pending e
    WHERE e.topic = :topic AND e.name = :name AND e.key = p.key AND e.seq < p.seq
      AND e.ready_ns > :now))
ORDER BY p.seq LIMIT :limit
"""


class TopicFull(Exception):
    """The topic holds as many messages as it may."""


class TopicStore:
    """Topics and groups. Not safe for threads: the owner serialises the calls, and wraps them in
    `transaction`. `clock` gives unix nanoseconds."""

    def __init__(
        self,
        path: Path | None,
        clock: Callable[[], int],
        *,
        max_topic_messages: int = MAX_TOPIC_MESSAGES,
        max_dead_messages: int = MAX_DEAD_MESSAGES,
        keep_finished_seconds: float = KEEP_FINISHED_SECONDS,
    ) -> None:
        self._clock = clock
        self._max_topic_messages = max_topic_messages
        self._max_dead_messages = max_dead_messages
        self._keep_finished_ns = int(keep_finished_seconds * 1e9)
        self._sizes: dict[str, int] = {}
        self.set_aside = 0  # messages that went to a topic of the dead
        self._connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        # FULL: what a publisher was promised outlives the machine's power, not only the process.
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)
        for topic, count in self._connection.execute(
            "SELECT topic, count(*) FROM messages GROUP BY topic"
        ):
            self._sizes[topic] = count

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and on disk at the end. Inside another one: a savepoint of it."""
        is_inner = self._connection.in_transaction
        self._connection.execute("SAVEPOINT step" if is_inner else "BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO step" if is_inner else "ROLLBACK")
            if is_inner:
                self._connection.execute("RELEASE step")
            self._sizes.clear()
            raise
        self._connection.execute("RELEASE step" if is_inner else "COMMIT")

    def publish(self, topic: str, messages: Iterable[Message]) -> int:
        """Append; how many of them were new. Raises `TopicFull`."""
        added = 0
        for message in messages:
            size = self._size(topic)
            if topic.endswith(DEAD_SUFFIX):
                if size >= self._max_dead_messages:
                    self._drop_oldest(topic)
            elif size >= self._max_topic_messages:
                raise TopicFull(f"topic {topic} holds {size} messages")
            now = self._clock()
            cursor = self._connection.execute(
                "INSERT OR IGNORE INTO messages"
                " (topic, message_id, type, key, body, headers, published_ns, given_up_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    topic,
                    message.message_id,
                    message.type,
                    message.key,
                    message.body,
                    json.dumps(dict(message.headers)),
                    now,
                    # Two groups may give up the same message: both are kept.
                    message.headers.get(DEAD_FROM_GROUP, ""),
                ),
            )
            if not cursor.rowcount:
                continue
            added += 1
            self._sizes[topic] = self._size(topic) + 1
            self._connection.execute(
                "INSERT INTO pending (topic, name, seq, key, ready_ns)"
                " SELECT topic, name, ?, ?, ? FROM groups WHERE topic = ?",
                (cursor.lastrowid, message.key, now, topic),
            )
        return added

    def ensure_group(self, topic: str, name: str) -> bool:
        """Create the group unless it exists, with everything the topic still holds before it."""
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO groups (topic, name) VALUES (?, ?)", (topic, name)
        )
        if not cursor.rowcount:
            return False
        self._connection.execute(
            "INSERT INTO pending (topic, name, seq, key, ready_ns)"
            " SELECT topic, ?, seq, key, published_ns FROM messages WHERE topic = ?",
            (name, topic),
        )
        return True

    def receive(
        self, topic: str, name: str, max_messages: int, lease_seconds: float
    ) -> list[Received]:
        """Hand out what is ready, oldest first, leased for so long."""
        now = self._clock()
        rows = self._connection.execute(
            _NEXT, {"topic": topic, "name": name, "now": now, "limit": max_messages}
        ).fetchall()
        received: list[Received] = []
        for seq, attempt, message_id, type_, key, body, headers, published_ns in rows:
            message = Message(message_id, type_, key, body, json.loads(headers))
            if attempt >= MAX_ATTEMPTS and not topic.endswith(DEAD_SUFFIX):
                # Its consumer died with it every time, so that nobody said that it failed.
                self._bury(topic, name, seq, message, attempt)
                continue
            received.append(
                Received(message, f"{seq}.{attempt + 1}", attempt + 1, int(published_ns))
            )
        self._connection.executemany(
            "UPDATE pending SET attempt = attempt + 1, is_leased = 1, ready_ns = ?"
            " WHERE topic = ? AND name = ? AND seq = ?",
            [
                (now + int(lease_seconds * 1e9), topic, name, int(one.receipt.split(".")[0]))
                for one in received
            ],
        )
        return received

    def acknowledge(self, topic: str, name: str, receipts: Sequence[str]) -> int:
        """Finish these; how many receipts still held."""
        return sum(
            self._connection.execute(
                "DELETE FROM pending WHERE topic = ? AND name = ? AND seq = ? AND attempt = ?"
                " AND is_leased",
                (topic, name, seq, attempt),
            ).rowcount
            for seq, attempt in map(_receipt, receipts)
        )

    def retry(self, topic: str, name: str, receipts: Sequence[str], delay_seconds: float) -> int:
        """Hand these out again after the delay, or set them aside after the last attempt; how
        many receipts still held."""
        held = 0
        for seq, attempt in map(_receipt, receipts):
            if attempt >= MAX_ATTEMPTS and not topic.endswith(DEAD_SUFFIX):
                row = self._connection.execute(
                    "SELECT m.message_id, m.type, m.key, m.body, m.headers"
                    " FROM pending p JOIN messages m ON m.seq = p.seq"
                    " WHERE p.topic = ? AND p.name = ? AND p.seq = ? AND p.attempt = ?"
                    " AND p.is_leased",
                    (topic, name, seq, attempt),
                ).fetchone()
                if row is not None:
                    message = Message(row[0], row[1], row[2], row[3], json.loads(row[4]))
                    self._bury(topic, name, seq, message, attempt)
                    held += 1
                continue
            held += self._connection.execute(
                "UPDATE pending SET is_leased = 0, ready_ns = ?"
                " WHERE topic = ? AND name = ? AND seq = ? AND attempt = ? AND is_leased",
                (self._clock() + int(delay_seconds * 1e9), topic, name, seq, attempt),
            ).rowcount
        return held

    def give_back(self, topic: str, name: str, receipts: Sequence[str]) -> int:
        """Hand these out again at once, as if they had not been; how many receipts still held."""
        return sum(
            self._connection.execute(
                "UPDATE pending SET is_leased = 0, ready_ns = ?, attempt = attempt - 1"
                " WHERE topic = ? AND name = ? AND seq = ? AND attempt = ? AND is_leased",
                (self._clock(), topic, name, seq, attempt),
            ).rowcount
            for seq, attempt in map(_receipt, receipts)
        )

    def give_back_all(self) -> None:
        """End every lease: whoever held one is gone."""
        self._connection.execute(
            "UPDATE pending SET is_leased = 0, ready_ns = ? WHERE is_leased", (self._clock(),)
        )

    def seconds_until_ready(self, topic: str, name: str) -> float | None:
        """When the next lease or pause of the group ends; None when nothing is pending."""
        row = self._connection.execute(
            "SELECT min(ready_ns) FROM pending WHERE topic = ? AND name = ? AND ready_ns > ?",
            (topic, name, self._clock()),
        ).fetchone()
        return None if row[0] is None else max(0.0, (row[0] - self._clock()) / 1e9)

    def lags(self) -> dict[tuple[str, str], Lag]:
        """By topic and group; groups that have nothing to do are there too."""
        now = self._clock()
        rows = self._connection.execute(
            "SELECT g.topic, g.name, count(p.seq),"
            " coalesce(sum(p.is_leased AND p.ready_ns > ?), 0), min(p.seq)"
            " FROM groups g LEFT JOIN pending p ON p.topic = g.topic AND p.name = g.name"
            " GROUP BY g.topic, g.name ORDER BY g.topic, g.name",
            (now,),
        ).fetchall()
        return {
            (topic, name): Lag(count - in_flight, in_flight, self._age_seconds(oldest, now))
            for topic, name, count, in_flight, oldest in rows
        }

    def topics(self) -> dict[str, int]:
        """The messages each topic holds, finished ones that are still kept among them."""
        return dict(self._connection.execute("SELECT topic, count(*) FROM messages GROUP BY topic"))

    def prune(self) -> int:
        """Drop what every group has finished and is old; how many. A topic without groups keeps
        everything for the first that comes."""
        cursor = self._connection.execute(
            "DELETE FROM messages WHERE published_ns < ?"
            " AND topic IN (SELECT topic FROM groups)"
            " AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.seq = messages.seq)",
            (self._clock() - self._keep_finished_ns,),
        )
        self._sizes.clear()
        return cursor.rowcount

    def _age_seconds(self, seq: int | None, now: int) -> float:
        if seq is None:
            return 0.0
        (published_ns,) = self._connection.execute(
            "SELECT published_ns FROM messages WHERE seq = ?", (seq,)
        ).fetchone()
        return max(0.0, (now - int(published_ns)) / 1e9)

    def _size(self, topic: str) -> int:
        if topic not in self._sizes:
            (self._sizes[topic],) = self._connection.execute(
                "SELECT count(*) FROM messages WHERE topic = ?", (topic,)
            ).fetchone()
        return self._sizes[topic]

    def _drop_oldest(self, topic: str) -> None:
        self._connection.execute(
            "DELETE FROM pending WHERE seq = (SELECT min(seq) FROM messages WHERE topic = ?)",
            (topic,),
        )
        self._connection.execute(
            "DELETE FROM messages WHERE seq = (SELECT min(seq) FROM messages WHERE topic = ?)",
            (topic,),
        )
        self._sizes[topic] = self._size(topic) - 1

    def _bury(self, topic: str, name: str, seq: int, message: Message, attempts: int) -> None:
        headers = {**message.headers, DEAD_FROM_GROUP: name, DEAD_AFTER_ATTEMPTS: str(attempts)}
        self.publish(topic + DEAD_SUFFIX, [replace(message, headers=headers)])
        self.set_aside += 1
        self._connection.execute(
            "DELETE FROM pending WHERE topic = ? AND name = ? AND seq = ?", (topic, name, seq)
        )


def _receipt(receipt: str) -> tuple[int, int]:
    seq, attempt = receipt.split(".")
    return int(seq), int(attempt)
