"""Emotion recognition from samples: model folders, classifiers, calibration, timelines."""
