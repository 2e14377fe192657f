"""RunSlots: which runs of a pipeline with a limit hold a slot."""

from __future__ import annotations

from pipemodels.attributes.documents import DocumentAttribute
from pipemodels.attributes.scalars import IdAttribute, IntegerAttribute
from pipemodels.models.base import ConfiguredTable, Model

MAX_SLOTS = 100  # so that the item stays small: each start and each end writes it


class RunSlots(Model):
    """The slots of one pipeline that has `max_concurrent_runs`: who holds one, and the last token that was given out.

    An item of its own, because the configuration may have 400 KB, and whoever replaces that must not replace this.

    Attributes:
        holders: the lease token of each run that holds a slot, by run_id.
        last_token: grows with every slot that is taken, and never falls.
    """

    class Meta(ConfiguredTable):
        base_name = "pipeline_run_slots"

    pipeline_id = IdAttribute(hash_key=True)
    holders = DocumentAttribute()
    last_token = IntegerAttribute(minimum=0)
