"""Stories drawn from a source of chance: the same seed, the same story."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from runbook.graph import Graph, Limits, Node, makespan
from runbook.plan.compile import up_to_pivot, worst_way_back
from tests.chaos.story import BACK, FORWARD, Act, Happening, Life, Stop, Story

Draw = Random
"""``random.Random``, or hypothesis's stand-in for it, which can be shrunk."""
GATE, PIVOT = "close-gate", "open-gate"


def story(draw: Draw) -> Story:
    """One night."""
    servers = tuple(f"s{number}" for number in range(draw.randint(1, 3)))
    limits = tuple((server, draw.randint(1, 4)) for server in servers if draw.random() < 0.8)
    shape, stops = _stops(draw, servers)
    workers = draw.choice((1, 2, 3, 4, 8))
    if draw.random() < 0.3:
        return _tight(draw, shape, stops)
    window = _window(draw, stops, limits, workers, (0.7, 1.001, 1.01, 1.05, 1.2, 1.5, 3.0))
    return Story(
        stops=_troubled(draw, stops, window),
        window=window,
        workers=workers,
        limits=limits,
        lives=_lives(draw, len(stops), window),
        happenings=_happenings(draw, window),
        order=draw.randrange(2**32),
        shape=shape,
    )


def _tight(draw: Draw, shape: str, stops: list[Stop]) -> Story:
    """One in which the way back uses all of its budget, and something keeps the way forward waiting until there is just
    time for it, or just not."""
    stops = [replace(stop, back_takes=stop.node.undo_budget) for stop in stops]
    window = _window(draw, stops, (), 16, (1.001, 1.01, 1.05, 1.2))
    at = draw.randrange(len(stops))
    wait = Act("slow", round(window * draw.random(), 3))
    stops[at] = replace(stops[at], looks=(wait,)) if draw.random() < 0.6 else replace(stops[at], acts=(wait,))
    held = (Happening("hold", _when(draw, window)), Happening("go-on", round(window * draw.random(), 3)))
    return Story(
        stops=_troubled(draw, stops, window) if draw.random() < 0.5 else tuple(stops),
        window=window,
        workers=16,
        lives=_lives(draw, len(stops), window)[:1],
        happenings=(held if draw.random() < 0.2 else ()) + (_happenings(draw, window) if draw.random() < 0.3 else ()),
        order=draw.randrange(2**32),
        shape=f"tight, {shape}",
    )


# --- the graph -----------------------------------------------------------------------------------------------------


def _stops(draw: Draw, servers: tuple[str, ...]) -> tuple[str, list[Stop]]:
    checks = [_stop(draw, f"look{at}", "check", (), servers) for at in range(draw.choice((0, 0, 1, 2, 3)))]
    first = tuple(stop.id for stop in checks)
    seeds = [_stop(draw, f"seed{at}", "switch", first, servers) for at in range(draw.choice((0, 0, 1, 2)))]
    shut = _stop(draw, GATE, "gate", tuple(stop.id for stop in (*checks, *seeds)), ())
    shape = draw.choice(list(SHAPES))
    count = draw.choice((1, 2, 3, 4, 5, 6, 8, 11))
    after = SHAPES[shape](draw, [f"step{at}" for at in range(count)])
    middle = [_stop(draw, name, "switch", found or (GATE,), servers) for name, found in after.items()]
    middle += [
        _stop(draw, f"proof{at}", "check", (draw.choice(middle).id,), servers)
        for at in range(draw.choice((0, 0, 1, 2)))
    ]
    pivot = _stop(draw, PIVOT, "pivot", tuple(stop.id for stop in (shut, *middle)), ())
    later = [_stop(draw, f"later{at}", "later", (PIVOT,), servers) for at in range(draw.choice((0, 0, 1, 2)))]
    return f"{shape} of {count}", [*checks, *seeds, shut, *middle, pivot, *later]


def _stop(draw: Draw, name: str, kind: str, after: tuple[str, ...], servers: tuple[str, ...]) -> Stop:
    do, undo = _seconds(draw), _seconds(draw)
    owes = kind in ("switch", "gate")
    on = tuple(sorted(draw.sample(servers, min(len(servers), draw.choice((0, 1, 1, 1, 2)))))) if servers else ()
    phase = "preflight" if name.startswith("look") else "upgrade"
    node = Node(name, phase, after, on, do, undo if owes else 0.0, kind == "pivot", kind in ("pivot", "later"))
    used = draw.choice((0.1, 0.5, 0.9, 1.0))
    before = "new" if kind == "switch" and draw.random() < 0.06 else draw.choice("ab")
    back = round(undo * draw.choice((0.1, 0.5, 1.0)), 3)
    return Stop(node, kind, before, round(do * used, 3), back, gradual=owes and draw.random() < 0.5)


def _seconds(draw: Draw) -> float:
    return round(draw.choice((0.3, 1.0, 4.0, 15.0, 60.0)) * (0.5 + draw.random()), 3)


def _chain(draw: Draw, names: list[str]) -> dict[str, tuple[str, ...]]:
    del draw
    return {name: tuple(names[at - 1 : at]) for at, name in enumerate(names)}


def _wide(draw: Draw, names: list[str]) -> dict[str, tuple[str, ...]]:
    del draw
    return dict.fromkeys(names, ())


def _diamond(draw: Draw, names: list[str]) -> dict[str, tuple[str, ...]]:
    del draw
    inner = tuple(names[1:-1])
    return {
        name: () if at == 0 else inner or (names[0],) if name == names[-1] else (names[0],)
        for at, name in enumerate(names)
    }


def _databases(draw: Draw, names: list[str]) -> dict[str, tuple[str, ...]]:
    """Side by side, each a chain of its own."""
    chains = draw.randint(1, 4)
    return {name: tuple(names[at - chains : at - chains + 1]) if at >= chains else () for at, name in enumerate(names)}


def _any(draw: Draw, names: list[str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(sorted(draw.sample(names[:at], min(at, draw.randint(0, 3))))) for at, name in enumerate(names)}


SHAPES: dict[str, Callable[[Draw, list[str]], dict[str, tuple[str, ...]]]] = {
    "chain": _chain,
    "wide": _wide,
    "diamond": _diamond,
    "databases": _databases,
    "any": _any,
}


def _window(
    draw: Draw, stops: list[Stop], limits: tuple[tuple[str, int], ...], workers: int, factors: tuple[float, ...]
) -> float:
    graph = Graph((stop.node for stop in stops), Limits(workers, dict(limits)))
    need = makespan(up_to_pivot(graph)) + worst_way_back(graph)
    least = max(need + 5.0, need / 0.95)
    return round(least * draw.choice(factors) + 0.01, 3)


# --- what goes wrong -----------------------------------------------------------------------------------------------


def _troubled(draw: Draw, stops: list[Stop], window: float) -> tuple[Stop, ...]:
    found = {stop.id: stop for stop in stops}
    for _ in range(draw.choice((0, 0, 1, 1, 1, 2, 2, 3, 5))):
        stop = found[draw.choice(list(found))]
        found[stop.id] = draw.choice(TROUBLES)(draw, stop, window)
    return tuple(found.values())


def _forward(draw: Draw, stop: Stop, window: float) -> Stop:
    if stop.kind == "check":
        return _look(draw, stop, window)
    # A gate that opens is open or not: what stands there half way is another page, and a step of its own would block.
    what = draw.choice([name for name in FORWARD if stop.kind != "pivot" or "half" not in name])
    seconds = stop.takes
    if what == "slow":
        seconds = round(stop.node.do_budget * draw.choice((1.5, 3.0, 10.0)), 3)
    if what == "stubborn":
        seconds = round(draw.choice((1.0, 2.5, 5.0, 30.0)), 3)
    return replace(stop, acts=(*stop.acts, *([Act(what, seconds)] * draw.choice((1, 1, 1, 2, 4)))))


def _look(draw: Draw, stop: Stop, window: float) -> Stop:
    what = draw.choice(("blocked", "blind", "slow", "slow"))
    return replace(stop, looks=(*stop.looks, Act(what, round(window * draw.choice((0.02, 0.1, 0.5)), 3))))


def _verify(draw: Draw, stop: Stop, window: float) -> Stop:
    del window
    act = Act(draw.choice(("blind", "blind", "slow", "hang")), draw.choice((0.5, 2.0, 20.0)))
    return stop if stop.kind == "check" else replace(stop, verifies=(*stop.verifies, act))


def _back(draw: Draw, stop: Stop, window: float) -> Stop:
    del window
    if stop.kind not in ("switch", "gate"):
        return stop
    what = draw.choice(list(BACK))
    seconds = round(stop.node.undo_budget * (draw.choice((1.5, 3.0, 10.0)) if what == "slow" else 0.5), 3)
    acts = [Act(what, seconds)] * draw.choice((1, 1, 2, 3))
    return replace(stop, backs=(*stop.backs, *acts), for_ever=draw.random() < 0.2)


def _back_verify(draw: Draw, stop: Stop, window: float) -> Stop:
    del window
    if stop.kind not in ("switch", "gate"):
        return stop
    return replace(stop, back_verifies=(*stop.back_verifies, Act("blind")))


TROUBLES = (_forward, _forward, _forward, _forward, _look, _verify, _back, _back, _back_verify)


# --- processes and people ------------------------------------------------------------------------------------------


def _lives(draw: Draw, stops: int, window: float) -> tuple[Life, ...]:
    return tuple(_life(draw, stops, window) for _ in range(draw.choice((0, 0, 1, 1, 1, 2, 2, 3, 4))))


def _life(draw: Draw, stops: int, window: float) -> Life:
    how = draw.choice(("cut", "cut", "cut", "stop"))
    by_time = draw.random() < 0.3
    lasts = round(draw.choice((2.0, 20.0, 60.0, window)) * (0.5 + draw.random()), 3) if how == "stop" else 0.0
    gap = draw.choice((3.0, 16.0, 16.0, 20.0, 40.0, window / 4, window * 2))
    moment = -1 if by_time else draw.randrange(draw.choice((5, 20, 12 * stops)))
    return Life(how, moment, round(window * draw.random(), 3) if by_time else -1.0, lasts, round(gap, 3))


def _happenings(draw: Draw, window: float) -> tuple[Happening, ...]:
    found: list[Happening] = []
    if draw.random() < 0.25:
        seconds = draw.choice((1.0, 10.0, 600.0, 3600.0, 7200.0)) * draw.choice((1, -1)) * (0.5 + draw.random())
        found.append(Happening("clock", _when(draw, window), round(seconds, 3)))
    if draw.random() < 0.1:
        found.append(Happening("clock", _when(draw, window), draw.choice((-3600.0, -60.0, 60.0, 3600.0))))
    if draw.random() < 0.15:
        at = _when(draw, window)
        found.append(Happening("hold", at))
        if draw.random() < 0.7:
            found.append(Happening("go-on", round(at + window * draw.random() / 2, 3)))
    if draw.random() < 0.12:
        found.append(Happening("revert", _when(draw, window)))
    if draw.random() < 0.12:
        found.append(Happening("disk-full", _when(draw, window), round(draw.choice((0.3, 5.0, 60.0, window / 3)), 3)))
    return tuple(found)


def _when(draw: Draw, window: float) -> float:
    return round(window * draw.random() * draw.choice((0.1, 0.5, 1.0)), 3)
