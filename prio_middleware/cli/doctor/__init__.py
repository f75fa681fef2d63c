"""``prio check``: looks at settings, network, TLS, clock, token and one call, in the order in which they need each other.

``steps`` runs what can be run; ``examination`` says what there is to look at; ``network`` and ``greeting`` look; ``judgement``
decides, without I/O, what is to be thought of what was seen.
"""
