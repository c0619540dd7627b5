"""The live stream: ``tailer`` follows the log, ``hub`` knows who listens to what, ``groups`` answer all that ask the same."""
