"""The chassis: what every service is built on, so that services hold business code only."""
