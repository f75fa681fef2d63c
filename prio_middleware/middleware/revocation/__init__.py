"""Revocation: which refusals of the API lead to a new token.

- refusal: a response of a status in ``refusal_statuses``, for any reason. It may *reject* the token, or be about the call.
- success: a response with a 2xx status.
- renewal: a token request because of a refusal. It *helped* if a refused call then succeeded with the new token.
- denial: the time during which an error code at one path leads to no renewal, because new tokens did not help.
- explicit: said of a refusal whose error code names the token, such as ``invalid_token``.
"""
