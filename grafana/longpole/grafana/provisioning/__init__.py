"""What Grafana is provisioned with: data sources and dashboards, written to grafana/provisioning.

    python -m longpole.grafana.provisioning grafana/provisioning          # write
    python -m longpole.grafana.provisioning --check grafana/provisioning  # 1 if anything differs

Dashboards are built with grafana-foundation-sdk, which only a developer has; the server imports
nothing of this package.
"""
