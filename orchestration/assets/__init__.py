"""Dagster assets, one file per stage of the pipeline."""
