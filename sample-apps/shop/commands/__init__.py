"""The commands of `python -m shop`, a file each."""
