"""A step has the same samples, each once, however many processes and batches share it."""

import itertools

import pytest

from promise_cli.train.schedule import num_steps, schedule

ORDER = list(range(100, 111))


def _steps(batches):
    """Return the batches of one process as one list for each step."""
    steps, current = [], []
    for batch in batches:
        current.append(batch)
        if batch.ends_step:
            steps.append(current)
            current = []
    assert current == []
    return steps


@pytest.mark.parametrize(
    ("size", "batch_size", "accumulate"), list(itertools.product((1, 2, 3), (1, 2), (1, 3)))
)
def test_every_sample_counts_once_and_equally_within_its_step(size, batch_size, accumulate):
    samples_per_step = size * batch_size * accumulate
    processes = [
        _steps(
            schedule(
                ORDER,
                batch_size=batch_size,
                samples_per_step=samples_per_step,
                rank=rank,
                size=size,
            )
        )
        for rank in range(size)
    ]
    assert {len(steps) for steps in processes} == {num_steps(len(ORDER), samples_per_step)}
    for number, step in enumerate(zip(*processes, strict=True)):
        expected = ORDER[number * samples_per_step : (number + 1) * samples_per_step]
        weights = {}
        for batch in itertools.chain(*step):
            assert 1 <= len(batch.indices) <= batch_size
            for index in batch.indices:
                share = batch.weight / len(batch.indices) / size
                weights[index] = weights.get(index, 0.0) + share
        assert sorted(weights) == expected
        assert all(weight == pytest.approx(1 / len(expected)) for weight in weights.values())


def test_a_process_without_a_sample_computes_one_with_weight_zero():
    batches = schedule([7, 8, 9], batch_size=1, samples_per_step=2, rank=1, size=2)
    assert [(batch.indices, batch.weight) for batch in batches] == [((8,), 1.0), ((9,), 0.0)]


def test_an_epoch_continues_where_it_stopped():
    whole = schedule(ORDER, batch_size=2, samples_per_step=4)
    rest = schedule(ORDER, batch_size=2, samples_per_step=4, first_step=2)
    assert whole[4:] == rest
    assert schedule(ORDER, batch_size=2, samples_per_step=4, first_step=3) == []
