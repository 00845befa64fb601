"""The columnar core: critical paths of many traces at once, on NumPy arrays in compiled loops."""
