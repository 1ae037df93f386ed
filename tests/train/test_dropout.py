import pytest
import torch
from torch import nn

import nascout
from nascout.errors import UnsupportedNetwork
from nascout.train.dropout import dropping_features


def network(**options):
    space = nascout.space("darts", channels=4, cells=3, input_shape=(3, 8, 8), **options)
    return nascout.build(space.parse(space.known["darts_v2"]))


def test_the_classifier_reads_features_of_which_some_are_zero():
    net = network(auxiliary=True)
    main, auxiliary = (net.node_modules()[i] for i in net.graph.outputs)
    read = {}
    torch.manual_seed(0)
    with dropping_features(net, 0.25):
        for module in (main, auxiliary):
            module.register_forward_pre_hook(lambda m, xs: read.__setitem__(m, xs[0]))
        plain = []
        before = net.node_modules()[net.graph.nodes[net.graph.outputs[0]].inputs[0]]
        before.register_forward_hook(lambda m, xs, out: plain.append(out))
        net(torch.rand(256, 3, 8, 8))
        gone = read[main] == 0
        n = gone.numel()
        assert abs(gone.double().mean().item() - 0.25) < 5 * (0.1875 / n) ** 0.5 + 0.001
        assert torch.allclose(read[main][~gone], plain[0][~gone] / 0.75)
        net.eval()(torch.rand(4, 3, 8, 8))
        assert torch.equal(read[main], plain[1])
    assert len(main._forward_pre_hooks) == 1  # that of this test


def test_a_rate_of_zero_needs_no_graph_and_another_does():
    net = nn.Linear(2, 2)
    with dropping_features(net, 0.0):
        assert not net._forward_pre_hooks
    with pytest.raises(UnsupportedNetwork, match="dropout"), dropping_features(net, 0.5):
        pass
