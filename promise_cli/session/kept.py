"""Encoded windows that are kept for further clicks, of one scan or of several scans that share the memory."""

import itertools
from collections import OrderedDict

from promise_cli.geometry.patch import Patch
from promise_cli.session.networks import EncodedWindow, Volume32

_Origin = tuple[int, int, int]


class KeptWindows:
    """Encoded windows of one or several scans. If there are too many, those used longest ago are dropped."""

    def __init__(self, most: int) -> None:
        """Keep up to `most` windows, but at least one."""
        self.most = max(1, most)
        self._windows: OrderedDict[tuple[int, _Origin], EncodedWindow] = OrderedDict()
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._windows)

    def new_scan(self) -> int:
        """Return a number for a further scan, under which its windows are kept."""
        return next(self._numbers)

    def window(self, scan: int, window: Patch, image: Volume32) -> EncodedWindow:
        """Return a window of a scan: the kept one, or a new one cut from the scan's image (I, J, K)."""
        key = scan, window.origin
        encoded = self._windows.pop(key, None) or EncodedWindow(window.crop(image))
        self._windows[key] = encoded
        while len(self._windows) > self.most:
            self._windows.popitem(last=False)
        return encoded

    def forget(self, scan: int) -> None:
        """Drop all windows of a scan."""
        for key in [key for key in self._windows if key[0] == scan]:
            del self._windows[key]
