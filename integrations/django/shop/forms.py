"""Form for tickets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms


class WishForm(forms.Form):
    """Tickets that a customer wants to hold.

    The form reports mistakes, because Prio counts every 4xx and blocks a client that has too many.
    """

    date = forms.DateField(widget=forms.DateInput({"type": "date"}))
    time = forms.ChoiceField()
    quantity = forms.IntegerField(label="Tickets", min_value=1, max_value=10, initial=2)

    def __init__(self, times: list[str], data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.fields["time"] = forms.ChoiceField(choices=[(time, "all day" if time == "00:00" else time) for time in times])

    def wish(self) -> dict[str, Any]:
        """Return the values of a valid form as Prio expects them."""
        return {**self.cleaned_data, "date": self.cleaned_data["date"].isoformat()}
