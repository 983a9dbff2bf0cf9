"""Sending the published results elsewhere: to an object store, to PostgreSQL. What is published here stays as it is."""
