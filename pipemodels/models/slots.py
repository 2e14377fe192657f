"""RunSlots: the runs that hold a slot of a pipeline with `max_concurrent_runs`."""

from __future__ import annotations

from pipemodels.attributes.documents import DocumentAttribute
from pipemodels.attributes.scalars import IdAttribute, IntegerAttribute
from pipemodels.models.base import ConfiguredTable, Model

MAX_SLOTS = 100  # keeps the item small: the start and the end of each run write it


class RunSlots(Model):
    """The slots of one pipeline that has `max_concurrent_runs`: the runs that hold them, and the last lease token.

    This is a separate item, because the configuration may be as large as 400 KB, and replacing that must not change
    the slots.

    Attributes:
        holders: the lease token of each run that holds a slot, by run_id.
        last_token: the last lease token; increases with every slot that is taken, and never decreases.
    """

    class Meta(ConfiguredTable):
        base_name = "pipeline_run_slots"

    pipeline_id = IdAttribute(hash_key=True)
    holders = DocumentAttribute()
    last_token = IntegerAttribute(minimum=0)
