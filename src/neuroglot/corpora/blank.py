"""Blank texts: white space, and characters that show nothing."""

import re

# Unicode's format characters that neither show nor separate: soft hyphen, joiners, marks of direction, byte order mark.
_UNSEEN = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
_UNSEEN += "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff"
_BLANK = re.compile(rf"[\s{_UNSEEN}]*")


def is_blank(text: str) -> bool:
    """Whether a text shows nothing."""
    return _BLANK.fullmatch(text) is not None
