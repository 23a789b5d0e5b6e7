"""From samples to emotions: model folders, classifiers, calibration, timelines."""
