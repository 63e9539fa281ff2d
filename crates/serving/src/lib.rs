//! What every server shares: configuration, layers, status table, health, telemetry, graceful stop.
