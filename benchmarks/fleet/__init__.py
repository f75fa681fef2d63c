"""A fleet of processes: with one token for all, and without; as real processes, and as a day in virtual time."""
