"""Tables that two services write."""

from __future__ import annotations

from collections.abc import Mapping

from longpole.analyzer.findings.shared_database import SHARED_DATABASE
from longpole.model.finding import FindingSeverity
from tests.analyzer.findings.stories import CLIENT, SERVER, Story


def two_writers(
    one: Mapping[str, str],
    other: Mapping[str, str],
    *,
    services: tuple[str, str] = ("order-service", "shipping-service"),
) -> Story:
    """Two services each make one statement; both say the same but for these attributes."""
    about = {"db.system.name": "postgresql", "db.namespace": "shop", "server.address": "db"}
    story = Story()
    root = story.add(0, 0, 100, services[0], "POST /orders", SERVER)
    story.add(root, 5, 10, services[0], "write", CLIENT, attributes={**about, **one})
    _, callee = story.call(root, 20, 90, " > ".join(services), "POST /shipments")
    story.add(callee, 30, 35, services[1], "UPDATE orders", CLIENT, attributes={**about, **other})
    return story


INSERT = {"db.operation.name": "INSERT", "db.collection.name": "orders"}
UPDATE = {"db.operation.name": "UPDATE", "db.collection.name": "orders"}


def test_a_table_that_two_services_write_is_shared() -> None:
    finding = two_writers(INSERT, UPDATE).only(SHARED_DATABASE)
    assert (finding.service, finding.operation) == ("shipping-service", "UPDATE orders")
    assert finding.severity is FindingSeverity.WARNING
    assert finding.span_ids == (5, 2)
    assert finding.reason == (
        "shipping-service (1 write) and order-service (1 write) both write orders in postgresql "
        "shop within one request: neither can change the table, or lock it, without the other."
    )
    assert finding.action.startswith("Let order-service own orders")


def test_the_service_named_like_the_table_owns_it_whoever_calls() -> None:
    story = two_writers(INSERT, UPDATE, services=("shipping-service", "order-service"))
    assert story.only(SHARED_DATABASE).service == "shipping-service"


def test_tables_are_read_from_the_query_where_no_attribute_names_them() -> None:
    story = two_writers(
        {"db.query.text": 'INSERT INTO "orders" (id) VALUES (?)'},
        {"db.query.text": "update orders set status = ?"},
    )
    assert story.findings(SHARED_DATABASE)


def test_reading_what_another_service_writes_is_not_writing() -> None:
    assert not two_writers(INSERT, {**UPDATE, "db.operation.name": "SELECT"}).findings(
        SHARED_DATABASE
    )


def test_another_table_namespace_or_server_is_another_matter() -> None:
    for other in (
        {"db.collection.name": "shipments"},
        {"db.namespace": "shipping"},
        {"server.address": "db-2"},
        {"db.system.name": "mysql"},
    ):
        assert not two_writers(INSERT, {**UPDATE, **other}).findings(SHARED_DATABASE), other


def test_equal_names_alone_prove_nothing() -> None:
    nowhere = {"db.namespace": "", "server.address": ""}
    assert not two_writers({**INSERT, **nowhere}, {**UPDATE, **nowhere}).findings(SHARED_DATABASE)


def test_one_service_may_write_its_table_as_often_as_it_likes() -> None:
    story = two_writers(INSERT, UPDATE, services=("order-service", "order-service"))
    assert not story.findings(SHARED_DATABASE)


def test_several_shared_tables_are_one_finding() -> None:
    story = two_writers(INSERT, UPDATE)
    about = {"db.system.name": "postgresql", "db.namespace": "shop", "server.address": "db"}
    for service, parent, start in (("order-service", 1, 12), ("shipping-service", 4, 40)):
        story.add(
            parent, start, start + 5, service, "DELETE lines", CLIENT,
            attributes={**about, "db.operation": "DELETE", "db.sql.table": "order_lines"},
        )  # fmt: skip
    finding = story.only(SHARED_DATABASE)
    assert "shipping-service (2 writes)" in finding.reason
    assert "both write order_lines, orders in" in finding.reason
