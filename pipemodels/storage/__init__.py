"""Read and write stored items: requests, their conditions, and retries within one time limit.

- `targets`: which item does a command write, and is the input valid?
- `reads`: how is one item read by its key?
- `batch_reads`: how are many items read by their keys?
- `writes`: how is one item created, changed or deleted, and what does a failed condition mean?
- `transactions`: how are several items written together?
- `sending`: how is a request sent, when is it retried, and when does it run out of time?
"""
