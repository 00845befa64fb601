"""What each fault has to leave in the stored spans: one question in SQL for each.

`{start}` and `{end}` stand for the labelled window. A question answers with one number. It is
asked of the window before the fault and of the fault's own: `more_than` is what the faulty
window must exceed, `at_most` what the healthy one must not.
"""

from __future__ import annotations

from dataclasses import dataclass

_IN = "s.start_unix_nano >= {start} AND s.start_unix_nano < {end}"
_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """See the module. `seconds` is how long the fault may take until it shows."""

    sql: str
    more_than: float
    at_most: float
    seconds: float = 40.0


def _longest(service: str, name: str) -> str:
    """The longest of these spans, in milliseconds."""
    return (
        f"SELECT coalesce(max(s.duration_ns), 0) / 1e6 FROM spans s WHERE {_IN}"
        f" AND s.service_name = '{service}' AND s.name = '{name}'"
    )


def _count(condition: str) -> str:
    return f"SELECT count(*) FROM spans s WHERE {_IN} AND {condition}"


def _saga(step: str, compensations: str) -> str:
    """Sagas that failed at a step, with exactly these spans of compensation."""
    return f"""
        WITH sagas AS (
          SELECT s.trace_id,
                 bool_or(s.name = 'saga step {step}' AND s.status_code = 2) AS has_failed,
                 string_agg(s.name || ' ' || coalesce(s."saga.compensation", ''), ', '
                            ORDER BY s.start_unix_nano)
                   FILTER (s.name LIKE 'saga compensate %') AS undone
          FROM spans s WHERE {_IN} AND s.service_name = 'order-service' GROUP BY 1)
        SELECT count(*) FROM sagas
        WHERE has_failed AND coalesce(undone, '') = '{compensations}'"""


EVIDENCE: dict[str, Evidence] = {
    "payment-slow-query": Evidence(_longest("payment-service", "SELECT card_history"), 4_000, 900),
    "payment-missing-index": Evidence(
        # The median of the window's last third in milliseconds, if it is at least double that of
        # the first; a busy machine makes a query slow now and then, but not more and more so.
        f"""WITH queries AS (
              SELECT s.duration_ns / 1e6 AS ms,
                     (s.start_unix_nano - {{start}}) * 3 // ({{end}} - {{start}}) AS third
              FROM spans s WHERE {_IN} AND s.service_name = 'payment-service'
                AND s.name = 'SELECT card_history'),
            thirds AS (
              SELECT median(ms) FILTER (third = 0) AS first, median(ms) FILTER (third = 2) AS last,
                     least(count(*) FILTER (third = 0), count(*) FILTER (third = 2)) AS fewest
              FROM queries)
            SELECT CASE WHEN fewest >= 3 AND last >= 2 * first THEN last ELSE 0 END FROM thirds""",
        500,
        100,
        90,
    ),
    "order-n-plus-one": Evidence(
        f"""SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM spans s WHERE {_IN}
            AND s.service_name = 'order-service' AND s.name = 'SELECT order_lines'
            GROUP BY s.trace_id, s.parent_span_id)""",
        4,
        2,
    ),
    "gateway-sequential-calls": Evidence(
        # Pages whose calls never overlap.
        f"""SELECT count(*) FROM (
              SELECT s.trace_id, s.parent_span_id, count(*) AS calls,
                     sum(s.duration_ns) AS added,
                     max(s.start_unix_nano + s.duration_ns) - min(s.start_unix_nano) AS took
              FROM spans s JOIN spans p ON p.span_id = s.parent_span_id
                AND p.trace_id = s.trace_id
              WHERE {_IN} AND s.service_name = 'gateway' AND s.kind = 3
                AND p.name = 'GET /api/v1/home'
              GROUP BY 1, 2)
            WHERE calls >= 3 AND took >= added AND took > {150 * _MS}""",
        1,
        0,
    ),
    "payment-down": Evidence(
        _count("s.service_name = 'order-service' AND s.\"error.type\" = 'CircuitOpen'"), 0, 0, 40
    ),
    "payment-slow": Evidence(
        # Charges whose own time, without their children, is seconds.
        f"""SELECT coalesce(max(s.duration_ns - coalesce(c.busy, 0)), 0) / 1e6
            FROM spans s LEFT JOIN (SELECT trace_id, parent_span_id, sum(duration_ns) AS busy
              FROM spans GROUP BY 1, 2) c
              ON c.trace_id = s.trace_id AND c.parent_span_id = s.span_id
            WHERE {_IN} AND s.service_name = 'payment-service' AND s.kind = 2
              AND s.name = 'shop.payment.v1.PaymentService/Charge'""",
        2_800,
        500,
    ),
    "order-retry-storm": Evidence(
        f"""SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM spans s WHERE {_IN}
            AND s.service_name = 'order-service' AND s.kind = 3
            AND s.name = 'POST /v1/reservations' GROUP BY s.trace_id, s.parent_span_id)""",
        3,
        2,
    ),
    "inventory-pool-exhausted": Evidence(
        _longest("inventory-service", "db.pool.acquire"), 150, 100
    ),
    "inventory-lag": Evidence(
        # From the end of the publishing span to the start of its processing.
        f"""SELECT coalesce(max(s.start_unix_nano - p.start_unix_nano - p.duration_ns), 0) / 1e6
            FROM spans s JOIN spans p ON p.trace_id = s.trace_id AND p.span_id = s.parent_span_id
            WHERE {_IN} AND s.service_name = 'inventory-service' AND s.name = 'process payments'
              AND s."shop.delivery.attempt" = 1""",
        2_000,
        800,
        45,
    ),
    "notification-poison-message": Evidence(
        f"""SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM spans s WHERE {_IN}
            AND s.service_name = 'notification-service' AND s.name = 'process emails'
            AND s.status_code = 2 GROUP BY s."messaging.message.id")""",
        2,
        0,
        60,
    ),
    "saga-charge-fails": Evidence(
        # Charges that failed and took the customer's request down. A card that is declined, which
        # happens in the best of shops, leaves neither span with an error.
        f"""SELECT count(*) FROM spans s JOIN spans root
              ON root.trace_id = s.trace_id AND root.service_name = 'gateway'
              AND root.name = 'POST /api/v1/orders' AND root.kind = 2 AND root.status_code = 2
            WHERE {_IN} AND s.service_name = 'payment-service' AND s.kind = 2
              AND s.name = 'shop.payment.v1.PaymentService/Charge' AND s.status_code = 2""",
        1,
        0,
        45,
    ),
    "saga-reserve-fails": Evidence(_saga("reserve", "saga compensate charge done"), 0, 0, 30),
    "saga-email-fails": Evidence(
        _saga("email", "saga compensate reserve done, saga compensate charge done"), 0, 0, 30
    ),
    "saga-ship-fails": Evidence(
        _saga(
            "ship",
            "saga compensate email impossible, saga compensate reserve done, "
            "saga compensate charge done",
        ),
        0,
        0,
        30,
    ),
    "saga-missing-compensation": Evidence(
        # The charge is neither undone nor tried to be.
        _saga("ship", "saga compensate email impossible, saga compensate reserve done"),
        0,
        0,
        30,
    ),
    "gateway-rate-limit": Evidence(
        _count(
            "s.service_name = 'gateway' AND s.name = 'GET /api/v1/products'"
            ' AND s."http.response.status_code" = 429'
        ),
        10,
        0,
        30,
    ),
    "inventory-clock-skew": Evidence(
        # Servers that begin after the call that they answered is over.
        """SELECT count(*) FROM spans s JOIN spans p
              ON p.trace_id = s.trace_id AND p.span_id = s.parent_span_id
            WHERE s.start_unix_nano >= {start} AND p.start_unix_nano < {end}
              AND s.service_name = 'inventory-service' AND s.kind = 2
              AND s.start_unix_nano > p.start_unix_nano + p.duration_ns AND p.status_code <> 2""",
        2,
        0,
    ),
    "recommendation-cold-start": Evidence(
        # By instances that were not there before.
        _longest("recommendation-service", "load model")
        + """ AND s."service.instance.id" NOT IN (SELECT "service.instance.id" FROM spans
              WHERE service_name = 'recommendation-service' AND start_unix_nano < {start})""",
        1_400,
        0,
        45,
    ),
    "shipping-pause": Evidence(
        # Shipments of different customers that stood still together and went on at the same
        # moment. One that comes during the pause is not read before its end, so only the client
        # knows of it.
        f"""WITH stalled AS (
              SELECT s.trace_id, s.start_unix_nano AS started,
                     s.start_unix_nano + s.duration_ns AS ended
              FROM spans s WHERE {_IN} AND s.name = 'POST /v1/shipments'
                AND (s.service_name = 'shipping-service' OR s.kind = 3)
                AND s.duration_ns > {700 * _MS})
            SELECT count(DISTINCT a.trace_id) FROM stalled a JOIN stalled b
              ON a.trace_id <> b.trace_id AND abs(a.ended - b.ended) < {250 * _MS}
              AND least(a.ended, b.ended) - greatest(a.started, b.started) > {600 * _MS}""",
        3,
        2,
        75,
    ),
    "user-log-errors": Evidence(
        """SELECT count(*) FROM logs WHERE service_name = 'user-service'
           AND severity_number >= 17 AND time_unix_nano >= {start} AND time_unix_nano < {end}""",
        60,
        0,
    ),
    "recommendation-bad-canary": Evidence(
        # How much slower the new version is, in milliseconds of the median.
        f"""SELECT coalesce(median(s.duration_ns) FILTER (s."service.version" = '1.5.0')
                 - median(s.duration_ns) FILTER (s."service.version" = '1.4.0'), 0) / 1e6
            FROM spans s WHERE {_IN} AND s.service_name = 'recommendation-service'
              AND s.kind = 2 AND s.name = 'GET /v1/recommendations'""",
        400,
        150,
        45,
    ),
    "gateway-deep-chain": Evidence(
        f"""SELECT coalesce(max(n), 0) FROM (SELECT count(DISTINCT s.service_name) AS n
            FROM spans s WHERE {_IN} AND s.kind = 2 AND s.name = 'GET /v1/chain'
            GROUP BY s.trace_id)""",
        5,
        0,
    ),
    "shipping-shared-database": Evidence(
        f"""SELECT count(DISTINCT s.service_name) FROM spans s WHERE {_IN}
            AND s.name = 'UPDATE orders' AND s."db.namespace" = 'order'""",
        1,
        1,
        30,
    ),
    "shipping-cyclic-call": Evidence(
        f"""SELECT count(*) FROM spans s JOIN spans p
              ON p.trace_id = s.trace_id AND p.span_id = s.parent_span_id
            WHERE {_IN} AND s.service_name = 'order-service' AND s.kind = 2
              AND p.service_name = 'shipping-service'""",
        0,
        0,
        30,
    ),
}
