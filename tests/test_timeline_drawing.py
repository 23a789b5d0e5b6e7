from dataclasses import replace

from undertone.drawing.timeline_drawing import lanes
from undertone.recognition.timeline import Step, Timeline

STEPS = (
    Step(0.0, 3.0, 3.0, {"sad": 0.75, "happy": 0.25}),
    Step(4.0, 7.0, 3.0, {"sad": 0.1, "happy": 0.9}),
    Step(9.99, 10.0, 0.01, {"sad": 1.0, "happy": 0.0}),
)
LINE = Timeline(STEPS, (), {"sad": 0.5, "happy": 0.5}, ())


def test_lanes_are_as_high_as_probable_and_empty_in_silence() -> None:
    sad, happy = lanes(LINE, duration_s=10.0)
    assert (sad.emotion, sad.share) == ("sad", 0.5)
    assert sad.area == "M0 100V25H300V100M400 100V90H700V100M999 100V0H1000V100"
    assert happy.area == "M0 100V75H300V100M400 100V10H700V100M999 100V100H1000V100"


def test_an_emotion_leads_where_it_is_the_most_probable() -> None:
    sad, happy = lanes(LINE, duration_s=10.0)
    assert sad.leading == "M0 100V25H300V100M999 100V0H1000V100"
    assert happy.leading == "M400 100V10H700V100"


def test_the_briefest_step_can_be_seen() -> None:
    brief = replace(LINE, steps=(Step(5.0, 5.0001, 0.0001, {"sad": 0.5, "happy": 0.5}),))
    assert lanes(brief, duration_s=1800.0)[0].area == "M3 100V50H4V100"


def test_half_an_hour_is_drawn_with_few_boxes() -> None:
    steps = tuple(
        Step(float(i), i + 1.0, 1.0, {"sad": p, "happy": 1 - p})
        for i, p in enumerate([0.7, 0.9] * 450 + [0.2, 0.2] * 450)
    )
    sad, happy = lanes(Timeline(steps, (), {"sad": 0.5, "happy": 0.5}, ()), duration_s=1800.0)
    assert sad.area.count("M") <= 260
    assert sad.leading.startswith("M0 100V20H4V100M4 ")  # the mean of eight steps
    assert sad.leading.endswith("H500V100")
    assert happy.leading.startswith("M500 100V20")
