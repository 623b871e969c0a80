"""Der eine Fehler, den Leserinnen und Leser zu sehen bekommen."""


class DauerlaufError(Exception):
    """Ein Fehler, den die Person vor dem Bildschirm beheben kann.

    Die Meldung ist ein deutscher Satz: was falsch ist und was zu tun ist. Die Kommandozeile gibt ihn ohne
    Traceback aus und endet mit Code 2.
    """
