"""Every command gives on the lab model what it gave before."""

import math

from tests.golden.commands import COMMANDS, outputs, stored


def test_every_command_gives_what_it_gave_before(tmp_path):
    before, now = stored(), dict(outputs(tmp_path))
    assert list(now) == list(before) == list(COMMANDS)
    differences = [line for name in now for line in _differences(before[name], now[name], name)]
    assert not differences, f"{len(differences)}: " + "\n".join(differences[:40])


def _differences(before, now, where):
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _differences(before.get(key), now.get(key), f"{where}/{key}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, pair in enumerate(zip(before, now)):
            yield from _differences(*pair, f"{where}/{place}")
    elif isinstance(before, float) and isinstance(now, float):
        if not math.isclose(before, now, rel_tol=1e-3, abs_tol=1e-6):
            yield f"{where}: {before} before, {now} now"
    elif before != now:
        yield f"{where}: {str(before)[:200]} before, {str(now)[:200]} now"
