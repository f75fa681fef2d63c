"""What ``prio status`` is made of: ``source`` asks, ``pace`` counts per second, ``report`` tells, ``loop`` repeats."""
