import torch

from promise_cli.network.promise.chunks import in_chunks


def test_working_in_chunks_gives_the_result_of_the_whole():
    rows, others = torch.randn(1001, 8, 3), torch.randn(1001, 8, 3)
    sizes = []

    def product(part, other, nothing):
        assert nothing is None
        sizes.append(part.shape[0])
        return part * other

    with torch.no_grad():
        chunked = in_chunks(product, rows, others, None)
    assert torch.equal(chunked, rows * others)
    assert sizes == [256, 256, 256, 233]


def test_rows_are_not_split_where_gradients_are_recorded():
    rows = torch.randn(1001, 8, 3, requires_grad=True)
    sizes = []

    def double(part):
        sizes.append(part.shape[0])
        return 2 * part

    in_chunks(double, rows).sum().backward()
    assert sizes == [1001]
    assert torch.equal(rows.grad, torch.full_like(rows, 2))
