"""What everything stands on: errors, strict configuration, atomic files, random streams, threads, devices."""
