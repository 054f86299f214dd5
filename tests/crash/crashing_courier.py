"""A relay that dies between the sending of an event and the note that it was sent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from agent.adapters.ledger.connect import connect
from agent.adapters.ledger.outgoing import PostgresOutgoing
from agent.adapters.webhooks.sending import Sender
from agent.webhooks import Parcel, Receipt
from workers.courier import Courier


async def main(database_url: str, lease_s: float) -> None:
    """Send what is due, and die."""
    sender = Sender(allow_private=True, timeout_s=20, slots=1)

    async def send_and_die(parcel: Parcel) -> Receipt:
        await sender.send(parcel)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    outgoing = PostgresOutgoing(await connect(database_url, most=1))
    courier = Courier(outgoing, send_and_die, slots=1, every_s=0.05, lease_s=lease_s)
    await courier.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
