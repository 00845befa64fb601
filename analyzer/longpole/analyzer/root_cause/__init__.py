"""Root cause over a window: separate evidence for each service and edge, combined by rank."""
