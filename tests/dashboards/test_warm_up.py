"""Behind the start every template is compiled, and a server that stops does not wait for it."""

from __future__ import annotations

from longpole.dashboards.pages import rendering
from longpole.dashboards.warm_up import FIRST, warm_up


def test_every_template_is_compiled_those_of_the_first_pages_first() -> None:
    rendering._templates.cache.clear()  # type: ignore[union-attr]
    seen: list[int] = []

    def pause() -> bool:
        seen.append(len(rendering._templates.cache or ()))
        return False

    names = rendering.template_names()
    assert set(FIRST) < set(names)
    assert warm_up(pause) == len(names) == len(rendering._templates.cache or ())
    assert seen[0] == 0


def test_it_ends_when_the_server_stops() -> None:
    answers = iter([False, False, True])
    assert warm_up(lambda: next(answers)) == 2
