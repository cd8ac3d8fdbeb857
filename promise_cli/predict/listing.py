"""Makes the text of predictions.json quickly, because it is written again after each of thousands of cases."""

import dataclasses

from promise_cli.disk.records import record_text
from promise_cli.predictions.record import PredictedCase, Predictions

_EMPTY = '"cases": [],'
_INDENT = "    "


class ListingText:
    """Writer of predictions.json that keeps the text of each case, since only one of them changes at a time."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[PredictedCase, str]] = {}

    def of(self, result: Predictions) -> str:
        """Return the same text as `record_text(result)`."""
        head, empty, rest = record_text(dataclasses.replace(result, cases=())).partition(_EMPTY)
        if not result.cases:
            return head + empty + rest
        cases = ",\n".join(self._text(case) for case in result.cases)
        return f'{head}"cases": [\n{cases}\n  ],{rest}'

    def _text(self, case: PredictedCase) -> str:
        known = self._texts.get(case.case_id)
        if known is None or known[0] is not case:
            lines = record_text(case).splitlines()
            known = case, "\n".join(_INDENT + line for line in lines)
            self._texts[case.case_id] = known
        return known[1]
