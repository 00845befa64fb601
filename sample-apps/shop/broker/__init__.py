"""The embedded message broker: topics, consumer groups, leases, redelivery, dead letters."""
