# Bundled copy of crockford32 1.2.0, pruned to what is used here. Fix bugs upstream first.
"""Base 32 as Douglas Crockford describes it: no letters that look like digits."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_ALPHABET = ALPHABET + "*~$=U"
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})


def encode(number, checksum=False):
    if number < 0:
        raise ValueError("cannot encode a negative number")
    digits = ""
    rest = number
    while True:
        rest, digit = divmod(rest, 32)
        digits = ALPHABET[digit] + digits
        if rest == 0:
            break
    return digits + CHECK_ALPHABET[number % 37] if checksum else digits


def decode(text, checksum=False):
    text = text.replace("-", "").upper().translate(_LOOKALIKES)
    if checksum:
        text, check = text[:-1], text[-1:]
    number = 0
    for letter in text:
        number = number * 32 + ALPHABET.index(letter)
    if checksum and CHECK_ALPHABET[number % 37] != check:
        raise ValueError("invalid check symbol")
    return number
