"""Group sequential tests: boundaries, futility, design and inference after stopping."""
