"""Revocation: refused tokens, and renewal after a refusal."""
