"""What a customer fills in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms


class WishForm(forms.Form):
    """Tickets that a customer would like to have.

    Mistakes are found here: Prio counts every 4xx, and blocks who has too many.
    """

    date = forms.DateField(widget=forms.DateInput({"type": "date"}))
    time = forms.ChoiceField()
    quantity = forms.IntegerField(label="Tickets", min_value=1, max_value=10, initial=2)

    def __init__(self, times: list[str], data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.fields["time"] = forms.ChoiceField(choices=[(time, "all day" if time == "00:00" else time) for time in times])

    def wish(self) -> dict[str, Any]:
        """The same for Prio. The form has to be valid."""
        return {**self.cleaned_data, "date": self.cleaned_data["date"].isoformat()}
