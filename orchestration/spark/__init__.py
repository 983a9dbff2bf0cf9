"""The models on Spark: a session for the state folder, what it is handed, and what is read back. Needs `pyspark`."""
