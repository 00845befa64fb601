"""Questions to the embedded engine, each answered from one leased snapshot."""
