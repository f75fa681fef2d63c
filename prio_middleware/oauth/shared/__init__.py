"""One token for many processes and machines: decisions in ``coordinator``, Redis commands in ``redis_store``.

Words of this package:

- leader: the process that holds the lease of a token and sends the token request. Other processes wait for it.
- sealed: encrypted and authenticated with the first encryption key of the :class:`Keyring`.
- record: a sealed token or error in the store, with its :class:`RecordKey`.
- dropped: said of a shared token that an API rejected. No process uses it again.
"""
