"""Muster `absturz_und_weiter`: Der Worker stirbt zwischen zwei Schritten, ein anderer macht weiter."""
