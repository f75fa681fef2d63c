"""``python -m prio_middleware.demo``: a first look. Ordinary clients against an API that expires, revokes and refuses.

Each file in ``scenarios`` is one scene: what is expected, as data, and a function that plays it and brings back what the
sandbox counted. ``show`` plays them one after another on a ``Stage``, and ``screen`` tells of it.
"""
