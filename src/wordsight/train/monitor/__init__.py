"""What a run reports: metrics, logs, curves, alarms."""
