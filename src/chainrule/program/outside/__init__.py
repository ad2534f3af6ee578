"""What a function reaches outside itself: found, compared at later calls, and handed over as recorded arrays."""
