"""Muster `absturz_und_weiter`: Ein Worker stirbt, ein anderer macht weiter."""
