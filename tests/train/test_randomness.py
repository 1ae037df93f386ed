import torch

from nascout.train.randomness import epoch_generator, private_global_rng, seed_step


def test_numbers_are_a_function_of_seed_and_epoch():
    def draw(seed, epoch):
        return tuple(torch.randint(1000, (8,), generator=epoch_generator(seed, epoch)).tolist())

    assert draw(1, 2) == draw(1, 2)
    assert len({draw(s, e) for s in (0, 1, -1, 2**70) for e in range(3)}) == 12


def test_the_global_rng_is_seeded_inside_and_restored_even_after_an_error():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    seen = []
    for _ in range(2):
        try:
            with private_global_rng(torch.device("cpu")):
                seed_step(3, 0, torch.device("cpu"))
                seen.append(torch.rand(4))
                raise ValueError
        except ValueError:
            pass
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*seen)
