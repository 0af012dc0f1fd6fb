"""Rules, events and tables of releases: pure, without IO."""
