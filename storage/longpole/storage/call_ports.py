"""What storage promises of calls between services, as they are counted for a service graph."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from longpole.storage.red_answers import CallSeriesQuery

# Attributes of a span that say whom it calls, the first one that is there.
PEER_SERVICE = "peer.service"
SERVER_ADDRESS = "server.address"
PEER_ADDRESS, PEER_PORT = "network.peer.address", "network.peer.port"
DATABASE = ("db.namespace", "db.name", "db.system", "db.system.name")
MESSAGING, DATABASE_TYPE, VIRTUAL = "messaging_system", "database", "virtual_node"
USER = "user"


class CallReader(Protocol):
    """Counts calls, settled or not, from the spans as they are stored."""

    def call_series(self, query: CallSeriesQuery) -> pa.Table:
        """Calls by step, client, server and type, in the columns of `answers.CALL_SERIES` and in
        order; exact sums.

        A call is a client span with the server span below it (type ""), or a producer with its
        consumer (`messaging_system`); it belongs to the step in which the client span ends.
        Without another side, a client span is a call to its database (`database`; any attribute of
        `DATABASE` says so, even if there is a server span), else to its peer (`virtual_node`), and
        a server span without a parent is a call by `user` (`virtual_node`); both sides took as
        long as that span. What says nothing of another side is no call. A server is named by its
        service, else by `peer.service`, else, for databases only, by `server.address`,
        `network.peer.address` with its port, or the first of `DATABASE`. Failed: either span has
        the status error. Buckets are those of RED.
        """
        ...
