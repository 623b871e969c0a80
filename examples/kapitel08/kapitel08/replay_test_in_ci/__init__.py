"""Alte Läufe gegen neuen Code: Histories holen, schwärzen, in der CI abspielen."""
