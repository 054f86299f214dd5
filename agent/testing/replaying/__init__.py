"""Running a case again, in memory and in milliseconds."""

from agent.testing.replaying.again import again
from agent.testing.replaying.binding import bound_for
from agent.testing.replaying.recorded import Missing
from agent.testing.replaying.stage import Replayed, as_recorded, replay

__all__ = ["Missing", "Replayed", "again", "as_recorded", "bound_for", "replay"]
