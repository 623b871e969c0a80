"""Die Activity: Sie ruft beim Etikettendienst an."""

from datetime import timedelta

import etikettendienst
from temporalio import activity
from temporalio.exceptions import ApplicationError


class LabelDesk:
    """Der Platz, an dem Etiketten entstehen; `book` ist das Buch des Dienstes."""

    def __init__(self, book: str) -> None:
        self._book = book

    @activity.defn
    def print_label(self, number: str) -> str:
        """Druckt ein Etikett."""
        answer = etikettendienst.print_label(self._book, number)
        if answer.status == 429:
            raise ApplicationError(
                "Der Dienst bittet um Geduld.",
                type="ZuVieleAnfragen",
                next_retry_delay=timedelta(seconds=answer.retry_after),
            )
        if answer.status == 422:
            raise ApplicationError("Die Adresse ist falsch.", non_retryable=True)
        if answer.status != 200:
            raise ApplicationError(f"Der Dienst antwortet mit {answer.status}.")
        return answer.label
