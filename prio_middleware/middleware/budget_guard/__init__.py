"""Budget guard: a limit on 4xx responses."""
