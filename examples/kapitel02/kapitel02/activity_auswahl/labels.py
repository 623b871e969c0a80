"""Ein Etikett als Rasterbild, Punkt für Punkt in Python gerechnet."""


def raster(text: str, dots: int) -> bytes:
    """Ein Strichmuster aus den Bits von `text`, `dots` Punkte breit, im Format PBM."""
    bits = "".join(f"{byte:08b}" for byte in text.encode())
    height = dots // 2
    image = bytearray()
    for row in range(height):
        # Oben und unten ein weißer Rand.
        blank = row < height // 10 or row >= height - height // 10
        byte = 0
        for column in range(dots):
            black = not blank and bits[column * len(bits) // dots] == "1"
            byte = (byte << 1) | black
            if column % 8 == 7 or column == dots - 1:
                image.append(byte << (7 - column % 8))
                byte = 0
    return f"P4\n{dots} {height}\n".encode() + bytes(image)
