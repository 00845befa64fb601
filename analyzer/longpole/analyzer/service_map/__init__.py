"""The service map: who calls whom, what fails on the way, and where the time goes."""
