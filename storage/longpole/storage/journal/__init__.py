"""The append-only journal: what it returned a sequence number for is on disk."""

from longpole.storage.journal.frame import Frame, request_hash
from longpole.storage.journal.held import JournalFrames, journal_frames
from longpole.storage.journal.journal import Journal
from longpole.storage.journal.replay import Replay, read_frames
from longpole.storage.journal.settings import JournalSettings

__all__ = [
    "Frame",
    "Journal",
    "JournalFrames",
    "JournalSettings",
    "Replay",
    "journal_frames",
    "read_frames",
    "request_hash",
]
