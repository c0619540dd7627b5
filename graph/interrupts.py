"""Ctrl-C, for commands that can stop where they are."""

import asyncio
import signal


def stop_on_ctrl_c() -> asyncio.Event:
    """Set by the first Ctrl-C, which lets the running transaction end. The second one breaks it off: it is rolled back."""
    stop = asyncio.Event()
    task = asyncio.current_task()

    def interrupted() -> None:
        if stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
    return stop
