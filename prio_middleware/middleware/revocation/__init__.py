"""Revocation: which refusals of the API lead to a new token.

- refusal: a response of a status in ``refusal_statuses``, for any reason. It may *reject* the token, or be about the call.
- success: a response with a 2xx status.
- re-authentication: a refused call gets a newer token and is sent once more. Without a newer token, it needs a renewal.
- renewal: a token request because of a refusal. It *helped* if the new token proved valid: a refused call then succeeded,
  or was refused for another reason.
- denial: the time after new tokens did not help against an error code at one path. Meanwhile the code leads to no retry at a
  path that never succeeded. At a path that has succeeded, it needs strong evidence for a renewal.
- explicit: said of a refusal whose error code names the token, such as ``invalid_token``.
"""
