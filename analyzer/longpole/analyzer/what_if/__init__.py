"""What a change of one operation would do to the traces that contain it."""
