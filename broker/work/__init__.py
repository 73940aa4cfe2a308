"""Where an asset worked and at what hours: pure code over what was observed, without any order of arrival."""

from typing import Final

CURSOR_NAME: Final = "work"  # under which the store keeps how far the deriver is
