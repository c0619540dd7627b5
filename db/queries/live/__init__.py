"""The live stream: ``outbox`` is filled by writers, ``sequencing`` numbers it, ``log`` is what readers follow."""
