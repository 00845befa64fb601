"""A package only so that one browser serves all of its tests and is gone before the next ones:
the synchronous Playwright holds the thread's event loop for as long as it lives."""
