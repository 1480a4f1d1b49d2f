"""Reports of a run: metrics, logs, curves, alarms."""
