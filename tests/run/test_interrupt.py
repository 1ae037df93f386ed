"""The first signal asks, the second insists."""

import os
import signal

import pytest

from nascout.run.interrupt import graceful


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_the_handler_restored(signum):
    before = signal.getsignal(signum)
    with graceful() as stopper:
        assert not stopper()
        os.kill(os.getpid(), signum)
        assert stopper()
        assert stopper.signum == signum
    assert signal.getsignal(signum) is before


def test_the_second_signal_stops_at_once():
    with pytest.raises(KeyboardInterrupt), graceful():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
