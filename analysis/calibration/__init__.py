"""Calibration: A/A tests of an experiment's own units, re-randomised in buckets, and rehearsals of its decision."""

from analysis.calibration.buckets import BucketSums
from analysis.calibration.calibrate import CALIBRATION_COLUMNS, MISCALIBRATED, calibration
from analysis.calibration.replicates import Units

__all__ = ["CALIBRATION_COLUMNS", "MISCALIBRATED", "BucketSums", "Units", "calibration"]
