"""Events that leave an application: exposures, conversions, measurements, evaluations, usage counts. Pure, no I/O."""
